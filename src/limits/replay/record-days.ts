import { formatLedgerName, readWorker } from '../../ledger/files.js'
import type { Starts } from '../../ledger/read/start-check.js'
import type { RecordRanges } from './budget-sums.js'

const DAY_MS = 86_400_000

/** Records of one writer that stand on one day. */
interface Span {
  readonly day: string
  from: number
  to: number
}

/** Records that a file should have, and has not. */
export interface MissingRecords {
  readonly folder: string
  readonly name: string
  readonly records: number
}

/** On which days the records of each writer stand: says which file is missing where there is a gap in their numbers. */
export class RecordDays {
  private readonly spans: Map<string, Span[]>
  /** By day and worker, of which there is a file: the folder and name of the first one. */
  private readonly files: Map<string, { readonly folder: string; readonly name: string }>

  constructor() {
    this.spans = new Map()
    this.files = new Map()
  }

  addFile(day: string, folder: string, name: string): void {
    const id = nameFile(day, readWorker(name))
    if (!this.files.has(id)) this.files.set(id, { folder, name })
  }

  add(day: string, writer: string, from: number, to: number): void {
    let spans = this.spans.get(writer)
    if (spans === undefined) {
      spans = []
      this.spans.set(writer, spans)
    }
    const last = spans.at(-1)
    if (last === undefined || last.day !== day) spans.push({ day, from, to })
    else {
      last.from = Math.min(last.from, from)
      last.to = Math.max(last.to, to)
    }
  }

  /**
   * Finds the files that are missing, or lack records.
   * @param ranges the numbers of each writer, without repetitions: see `SequenceCheck.ranges`
   * @param live writer that goes on writing; null for none
   * @param isRead whether files of a day were to be read
   */
  findMissing(
    folders: readonly string[],
    ranges: RecordRanges,
    starts: Starts,
    live: string | null,
    isRead: (day: string) => boolean,
  ): MissingRecords[] {
    const found = new Map<string, MissingRecords>()
    const report = (worker: number | null, days: readonly string[], records: number): void => {
      const lacking = days.filter((day) => !this.files.has(nameFile(day, worker)))
      for (const day of lacking.length > 0 ? lacking : days.slice(-1)) {
        const id = nameFile(day, worker)
        const { folder, name } = this.files.get(id) ?? {
          folder: folders[0] ?? '',
          name: formatLedgerName(day, 1, worker),
        }
        const before = found.get(id)?.records ?? 0
        found.set(id, { folder, name, records: before + records })
      }
    }
    const workers = new Map<string, number>()
    for (const { writer, worker } of [...starts.open, ...starts.ended.values()])
      if (worker !== undefined) workers.set(writer, worker)
    const known = new Map(ranges)
    for (const writer of new Set([...known.keys(), ...starts.ended.keys()])) {
      const numbers = known.get(writer) ?? []
      const end = starts.ended.get(writer)
      const worker = workers.get(writer) ?? null
      const firstDay = end?.started.slice(0, 10) ?? null
      const lastDay = end?.ended?.slice(0, 10) ?? null
      let next = 1
      for (let i = 0; i < numbers.length; i += 2) {
        const from = numbers[i] as number
        const low = next === 1 ? firstDay : this.dayOf(writer, next - 1)
        const high = this.dayOf(writer, from)
        // What stands on days that are not read is not missing.
        if (from > next && low !== null && high !== null && isRead(low))
          report(worker, listDays(low, high), from - next)
        next = (numbers[i + 1] as number) + 1
      }
      const last = writer === live ? 0 : (end?.records ?? 0)
      const low = next === 1 ? firstDay : this.dayOf(writer, next - 1)
      if (last >= next && low !== null && lastDay !== null && isRead(low))
        report(worker, listDays(low, lastDay), last - next + 1)
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  private dayOf(writer: string, seq: number): string | null {
    return this.spans.get(writer)?.find(({ from, to }) => from <= seq && seq <= to)?.day ?? null
  }
}

function nameFile(day: string, worker: number | null): string {
  return `${day} ${worker ?? ''}`
}

/** Days from one to another, both included; no more than a period has. */
function listDays(first: string, last: string): string[] {
  const [start, end] = [Date.parse(first), Date.parse(last)]
  const days: string[] = []
  for (let at = start; at <= end && days.length < 40; at += DAY_MS)
    days.push(new Date(at).toISOString().slice(0, 10))
  return days.length === 0 ? [last] : days
}

import { isImport } from '../starts.js'
import { type Break, ChainCheck, type ChainEnd } from './chain-check.js'
import { readIdentity } from './entry.js'
import { type Gap, SequenceCheck } from './sequence-check.js'
import type { Starts } from './start-check.js'

/** Counts of one file. */
export interface FileReport {
  readonly name: string
  records: number
  /** Lines that are not records, such as those that a crash or a full disk has torn. */
  torn: number
  /** Repeated records, as after a crash within a write. */
  duplicates: number
}

/** A start that did not end well, or could not write all of its records. */
export interface StartFinding {
  readonly writer: string
  /** Number of the worker; null for a relay of one process. */
  readonly worker: number | null
  readonly started: string
  /**
   * `killed`: it did not end well, and a later start has completed its records. `incomplete`: the next start of a relay
   * will complete them. `unknown`: it may be running, on another machine. `lost`: it ended, but could not write some.
   */
  readonly kind: 'killed' | 'incomplete' | 'unknown' | 'lost'
  /** Time before its end of which records may be missing, in milliseconds; 0 if it ended well. */
  readonly windowMs: number
  /** Records that it could not write. */
  readonly lost: number
  /** Requests that were under way: recorded as crashed, or still to be. */
  readonly underWay: number
}

/** Records of a writer, and the worker that it was; null for a relay of one process, and for an import. */
type OfWorker<T> = T & { readonly worker: number | null }

/** Everything that is wrong with a ledger. */
export interface Verification {
  readonly gaps: readonly OfWorker<Gap>[]
  readonly breaks: readonly OfWorker<Break>[]
  readonly starts: readonly StartFinding[]
}

/**
 * Checks a ledger line by line for missing, torn, repeated and changed records. It keeps one range of numbers for each
 * writer and one more for each gap, however long the files are.
 */
export class Verifier {
  readonly files: FileReport[]
  private readonly seen: SequenceCheck
  private readonly chains: ChainCheck
  /** Records that a later start has written, by the writer that was killed. */
  private readonly recovered: Map<string, number>
  /** Folder and day of each file. */
  private readonly places: Map<FileReport, string>
  /** The day of each file, and whether it has records of relays, and of imports. */
  private readonly days: Map<FileReport, { readonly day: string; hasStarts: boolean; hasImports: boolean }>
  /** Worker of each file that has one; and of each writer that was one. */
  private readonly fileWorkers: Map<FileReport, number>
  private readonly workers: Map<string, number>

  constructor() {
    this.files = []
    this.seen = new SequenceCheck()
    this.chains = new ChainCheck()
    this.recovered = new Map()
    this.places = new Map()
    this.days = new Map()
    this.fileWorkers = new Map()
    this.workers = new Map()
  }

  /**
   * Starts the report of a file.
   * @param name as it is reported
   * @param day of its name
   * @param folder that it is in
   * @param worker that writes it
   */
  begin(name: string, day = name, folder = '', worker: number | null = null): FileReport {
    const file = { name, records: 0, torn: 0, duplicates: 0 }
    this.places.set(file, `${folder} ${day}`)
    this.days.set(file, { day, hasStarts: false, hasImports: false })
    if (worker !== null) this.fileWorkers.set(file, worker)
    this.files.push(file)
    return file
  }

  /** Counts a line. @param line without its line end */
  push(file: FileReport, line: string): void {
    // The writer puts a line feed in front of a line if the line before may be torn.
    if (line === '') return
    const found = readIdentity(line)
    if (found === null) {
      file.torn++
      return
    }
    const { writer, seq, fields } = found
    if (found.isGlued) file.torn++
    if (!this.seen.add(writer, seq)) {
      file.duplicates++
      return
    }
    file.records++
    const worker = this.fileWorkers.get(file)
    if (worker !== undefined) this.workers.set(writer, worker)
    const ofDay = this.days.get(file)
    if (ofDay !== undefined) {
      if (isImport(writer)) ofDay.hasImports = true
      else ofDay.hasStarts = true
    }
    this.chains.add(writer, seq, fields.chain, found.line, this.places.get(file) ?? '')
    const from = fields.recovered_from
    if (typeof from === 'string') this.recovered.set(from, (this.recovered.get(from) ?? 0) + 1)
  }

  /** Ends the reading: compares the records with what is known of the starts. */
  finish(starts: Starts): Verification {
    const ends = new Map<string, ChainEnd>()
    const { firstDay } = this
    // A worker may have no file any more.
    for (const { writer, worker } of [...starts.ended.values(), ...starts.open])
      if (worker !== undefined) this.workers.set(writer, worker)
    for (const { writer, ended, records, chain } of starts.ended.values()) {
      if (ended === null || records === null) continue
      // A start of which there is nothing, from before the first file: its files were removed.
      if (this.seen.knows(writer) || ended.slice(0, 10) >= firstDay) this.seen.expect(writer, records)
      if (chain !== null) ends.set(writer, { link: chain, records })
    }
    const breaks = this.chains.finish(ends, (writer, seq) => this.seen.isMissing(writer, seq))
    const name = <T extends Gap | Break>(found: T): OfWorker<T> => ({
      ...found,
      worker: this.workers.get(found.writer) ?? null,
    })
    return { gaps: this.gaps.map(name), breaks: breaks.map(name), starts: this.findStarts(starts) }
  }

  /**
   * The first day of which relays have a file. An import may have made the file of an older day, whose own was removed.
   */
  private get firstDay(): string {
    let first = '9'
    for (const { day, hasStarts, hasImports } of this.days.values())
      if ((hasStarts || !hasImports) && day < first) first = day
    return first
  }

  private findStarts({ ended, open }: Starts): StartFinding[] {
    const found: StartFinding[] = []
    for (const { writer, started, ended: at, flush_ms: windowMs, lost } of ended.values()) {
      const underWay = this.recovered.get(writer) ?? 0
      const start = { writer, worker: this.workers.get(writer) ?? null, started }
      if (at === null) found.push({ ...start, kind: 'killed', windowMs, lost: 0, underWay })
      else if ((lost ?? 0) > 0) found.push({ ...start, kind: 'lost', windowMs: 0, lost: lost ?? 0, underWay })
    }
    for (const { writer, worker = null, started, flush_ms: windowMs, isRunning, openRequests } of open) {
      if (isRunning === true) continue
      const kind = isRunning === false ? 'incomplete' : 'unknown'
      found.push({ writer, worker, started, kind, windowMs, lost: 0, underWay: openRequests })
    }
    return found
  }

  /** Missing numbers of every writer. */
  get gaps(): Gap[] {
    return this.seen.gaps
  }

  /** Numbers of writers: starts of relays or of their workers, and imports, each of one day; and of workers. */
  get writers(): { readonly starts: number; readonly imports: number; readonly workers: number } {
    const imports = this.seen.ranges.filter(([writer]) => isImport(writer)).length
    const workers = new Set(this.workers.values()).size
    return { starts: this.seen.writerCount - imports, imports, workers }
  }
}

import { createHash } from 'node:crypto'
import { isImport } from '../starts.js'
import type { Dimensions, Entry } from './entry.js'
import { SequenceCheck } from './sequence-check.js'
import { Sum, type SumRow } from './sum.js'
import { QUARTER_MS } from './zone.js'

/** Version of the format, and of what is summed up. Rollups of another one are made again. */
const VERSION = 3

/**
 * Version of a day that has neither direct traffic nor a torn line, of which the version before says the same. So the
 * rollups of an older Thinwire stay: to make those of a month again takes minutes, for which budgets would wait.
 */
const PLAIN_VERSION = 2

/** Most sums of a day. Beyond it, a rollup saves too little time. */
export const MAX_ROWS = 100_000

/** A file that a rollup sums up, as it was then. */
export interface FileStamp {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly mtime_ms: number
  /** Hash of its last bytes. */
  readonly tail: string
}

/** What takes the sums of a day in place of its records. */
export interface RollupReader {
  /** Says whether the rows are wanted, or none of them counts, or the records have to be read instead. */
  beginRollup(head: RollupHead): 'rows' | 'none' | 'records'
  /** @param from index of the sum in `row` */
  addRow(of: Dimensions, row: SumRow, from: number): void
}

/** The first line of a rollup. */
export interface RollupHead {
  readonly v: number
  readonly day: string
  readonly files: readonly FileStamp[]
  readonly torn: number
  readonly duplicates: number
  /** Records of each writer, as ranges of their numbers: `[from, to, from, to]`. */
  readonly writers: readonly (readonly [string, readonly number[]])[]
  /** Quarters of an hour (UTC) with requests, as numbers since the epoch; null for requests without a time. */
  readonly quarters: readonly (number | null)[]
  /** Names that the rows refer to by index; null is index 0. */
  readonly names: readonly (string | null)[]
  /** Number of rows. Null if there are too many, so that there are none: then the records are read. */
  readonly rows: number | null
  /** Hash of the rows. */
  readonly hash: string
}

/** The dimensions of a row in its order, after the quarter of an hour: those with few values first. */
const DIMENSIONS = [
  ...(['env', 'requestClass', 'upstream', 'end', 'serviceTier', 'model', 'upstreamModel'] as const),
  ...(['team', 'user', 'key', 'tags'] as const),
] satisfies readonly (keyof Dimensions)[]

/** Index of the sum in a row. */
const SUM_AT = 1 + DIMENSIONS.length

/** Rows by the value of one dimension after the other, and at last by the quarter of an hour. */
type Branch = Map<string | number | null, Branch | Sum>

interface Row {
  /** The quarter of an hour, and the index of each name. */
  readonly indexes: readonly (number | null)[]
  readonly sum: Sum
}

/** Sums up the records of one day by all dimensions and quarters of an hour. */
export class RollupBuilder {
  private readonly maxRows: number
  private readonly seen: SequenceCheck
  private readonly quarters: Set<number | null>
  /** Index of each name. */
  private readonly names: Map<string | null, number>
  private readonly tree: Branch
  /** In the order of their first records: so groups come in the same order from rollups and from records. */
  private rows: Row[]
  private torn: number
  private duplicates: number
  private isFull: boolean

  constructor(maxRows: number = MAX_ROWS) {
    this.maxRows = maxRows
    this.seen = new SequenceCheck()
    this.quarters = new Set()
    this.names = new Map([[null, 0]])
    this.tree = new Map()
    this.rows = []
    this.torn = 0
    this.duplicates = 0
    this.isFull = false
  }

  /** Adds a record. @param entry null for a line that is not a record */
  add(entry: Entry | null): void {
    if (this.isFull) return
    if (entry === null) {
      this.torn++
      return
    }
    if (!this.seen.add(entry.writer, entry.seq)) {
      this.duplicates++
      return
    }
    const quarter = entry.at === null ? null : Math.floor(entry.at / QUARTER_MS)
    let branch = this.tree
    for (const name of DIMENSIONS) {
      let next = branch.get(entry[name])
      if (next === undefined) {
        next = new Map()
        branch.set(entry[name], next)
      }
      branch = next as Branch
    }
    let sum = branch.get(quarter) as Sum | undefined
    if (sum === undefined) {
      if (this.rows.length >= this.maxRows) {
        this.isFull = true
        this.rows = []
        this.tree.clear()
        return
      }
      sum = new Sum()
      branch.set(quarter, sum)
      this.quarters.add(quarter)
      this.rows.push({ indexes: [quarter, ...DIMENSIONS.map((name) => this.indexOf(entry[name]))], sum })
    }
    sum.add(entry)
  }

  /** Formats the rollup. */
  format(day: string, files: readonly FileStamp[]): string {
    const rows = this.rows
      .map(({ indexes, sum }) => `[${indexes.map(String).join(',')},${sum.format()}]\n`)
      .join('')
    const isEmpty = this.isFull
    const torn = isEmpty ? 0 : this.torn
    const writers = isEmpty ? [] : this.seen.ranges
    const head: RollupHead = {
      v: versionOf({ torn, writers }),
      day,
      files,
      torn,
      duplicates: isEmpty ? 0 : this.duplicates,
      writers,
      quarters: isEmpty ? [] : [...this.quarters],
      names: isEmpty ? [] : [...this.names.keys()],
      rows: isEmpty ? null : this.rows.length,
      hash: hashText(rows),
    }
    return `${JSON.stringify(head)}\n${rows}`
  }

  private indexOf(name: string | null): number {
    let index = this.names.get(name)
    if (index === undefined) {
      index = this.names.size
      this.names.set(name, index)
    }
    return index
  }
}

/** A rollup that has been read. */
export class Rollup {
  readonly head: RollupHead
  private readonly rows: string

  private constructor(head: RollupHead, rows: string) {
    this.head = head
    this.rows = rows
  }

  /** Parses a rollup. @returns null if it is damaged, or of another version */
  static parse(text: string): Rollup | null {
    const end = text.indexOf('\n')
    const head = parseHead(text.slice(0, end))
    const rows = text.slice(end + 1)
    if (head === null || head.hash !== hashText(rows)) return null
    return new Rollup(head, rows)
  }

  /** Hands over all requests of the day. @returns false if the records have to be read instead */
  addTo(reader: RollupReader): boolean {
    const { head, rows } = this
    const needed = head.rows === null ? 'records' : reader.beginRollup(head)
    if (needed !== 'rows') return needed === 'none'
    for (let start = 0, end = rows.indexOf('\n'); end !== -1; end = rows.indexOf('\n', start)) {
      const row = JSON.parse(rows.slice(start, end)) as SumRow
      reader.addRow(this.readDimensions(row), row, SUM_AT)
      start = end + 1
    }
    return true
  }

  private readDimensions(row: SumRow): Dimensions {
    const { names } = this.head
    const quarter = row[0] as number | null
    const name = (at: number): string | null => names[row[at] as number] ?? null
    return {
      at: quarter === null ? null : quarter * QUARTER_MS,
      env: name(1),
      requestClass: name(2),
      upstream: name(3),
      end: name(4),
      serviceTier: name(5),
      model: name(6),
      upstreamModel: name(7),
      team: name(8),
      user: name(9),
      key: name(10),
      tags: name(11),
    }
  }
}

/** Parses the first line of a rollup. @returns null if it is damaged, or of another version */
export function parseHead(line: string): RollupHead | null {
  try {
    const head = JSON.parse(line) as RollupHead | null
    return head !== null && head.v === versionOf(head) ? head : null
  } catch {
    return null
  }
}

function versionOf({ torn, writers }: Pick<RollupHead, 'torn' | 'writers'>): number {
  return torn === 0 && !writers.some(([writer]) => isImport(writer)) ? PLAIN_VERSION : VERSION
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

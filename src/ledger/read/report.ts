import type { Dimensions, Entry } from './entry.js'
import type { Filter } from './filter.js'
import type { Grouping } from './grouping.js'
import type { Period } from './period.js'
import type { RollupHead } from './rollup.js'
import { SequenceCheck } from './sequence-check.js'
import { Sum, type SumRow, type Totals } from './sum.js'
import { QUARTER_MS, type Zone } from './zone.js'

/** Most groups of a report: clients can make up model names. Further groups are summed up as `OTHERS`. */
const MAX_GROUPS = 10_000

/** Name of the group that sums up all groups beyond a limit. */
export const OTHERS = '(others)'

/** The requests of one group. */
export interface Group {
  /** A name for each grouping; null if it is unknown. */
  readonly names: readonly (string | null)[]
  readonly totals: Totals
}

/** What groups are sorted by, the largest first. */
export type SortKey = 'cost' | 'tokens' | 'requests'

/** What a report sums up. */
export interface ReportOptions {
  /** At least one. */
  readonly by: readonly Grouping[]
  readonly period: Period
  readonly filter: Filter
  readonly zone: Zone
  readonly maxGroups?: number
}

/** Groups of one grouping by name, each with its sum, or with the groups of the next grouping. */
type Groups = Map<string | null, Groups | Sum>

/** Sums up records one by one. Its memory grows with the number of groups and writers, not of records. */
export class Report {
  /** Lines that are not records. */
  torn: number
  /** Repeated records, which are not counted again. */
  duplicates: number
  private readonly options: ReportOptions
  private readonly maxGroups: number
  private readonly seen: SequenceCheck
  private readonly sums: Groups
  private readonly found: { readonly names: readonly (string | null)[]; readonly sum: Sum }[]
  private others: Sum | null

  constructor(options: ReportOptions) {
    this.torn = 0
    this.duplicates = 0
    this.options = options
    this.maxGroups = options.maxGroups ?? MAX_GROUPS
    this.seen = new SequenceCheck()
    this.sums = new Map()
    this.found = []
    this.others = null
  }

  /** Adds a record. @param entry null for a line that is not a record */
  add(entry: Entry | null): void {
    if (entry === null) {
      this.torn++
      return
    }
    // Before the check of the period: numbers without gaps need less memory.
    if (!this.seen.add(entry.writer, entry.seq)) {
      this.duplicates++
      return
    }
    const { period, filter } = this.options
    if (period.includes(entry.at) && filter(entry)) this.findSum(entry).add(entry)
  }

  /** Whether sums by dimensions and quarters of an hour can take the place of records. */
  get takesRollups(): boolean {
    return this.options.by.every(({ needsRecords }) => !needsRecords)
  }

  /**
   * Begins a day whose records are summed up.
   * @returns whether its rows are to be added, or none as all are outside of the period. `records`: these have to be
   * read instead, as some were counted before, or the period or the zone divides a quarter of an hour
   */
  beginRollup({ writers, quarters, torn, duplicates }: RollupHead): 'rows' | 'none' | 'records' {
    const { period, zone } = this.options
    const isUsable = (quarter: number | null): boolean =>
      period.isWhole(quarter) && (quarter === null || zone.isUniform(quarter))
    if (!this.takesRollups || !quarters.every(isUsable)) return 'records'
    if (writers.some(([writer, ranges]) => this.seen.hasAny(writer, ranges))) return 'records'
    for (const [writer, ranges] of writers) this.seen.addRanges(writer, ranges)
    this.torn += torn
    this.duplicates += duplicates
    const isIn = (quarter: number | null): boolean =>
      period.includes(quarter === null ? null : quarter * QUARTER_MS)
    return quarters.some(isIn) ? 'rows' : 'none'
  }

  /** Adds the sum of some requests of that day. @param from index of the sum in `row` */
  addRow(of: Dimensions, row: SumRow, from: number): void {
    const { period, filter } = this.options
    if (period.includes(of.at) && filter(of)) this.findSum(of).mergeRow(row, from)
  }

  /**
   * All groups: in the order of time if they are grouped by it, else by the number of requests, the largest first.
   * @param sort another order
   * @param top so many groups of the largest, and one that sums up the others; null: all
   */
  list(sort: SortKey | null = null, top: number | null = null): Group[] {
    const groups = this.found.map(({ names, sum }) => ({ names, sum, totals: sum.totals }))
    const sizeOf = SIZES[sort ?? 'requests']
    groups.sort(
      (a, b) =>
        (sort === null && top === null ? this.compareTimes(a.names, b.names) : 0) ||
        sizeOf(b.totals) - sizeOf(a.totals) ||
        compareNames(a.names, b.names),
    )
    const others = new Sum()
    const end = top ?? groups.length
    for (const { sum } of groups.slice(end)) others.merge(sum)
    if (this.others !== null) others.merge(this.others)
    const shown: Group[] = groups.slice(0, end).map(({ names, totals }) => ({ names, totals }))
    if (others.totals.requests === 0) return shown
    const names = this.options.by.map((_, i) => (i === 0 ? OTHERS : null))
    return [...shown, { names, totals: others.totals }]
  }

  /** Sums over all groups. */
  get total(): Totals {
    const all = new Sum()
    for (const { sum } of this.found) all.merge(sum)
    if (this.others !== null) all.merge(this.others)
    return all.totals
  }

  private compareTimes(a: Group['names'], b: Group['names']): number {
    for (const [i, { isTime }] of this.options.by.entries()) {
      const order = isTime ? compareText(a[i] ?? null, b[i] ?? null) : 0
      if (order !== 0) return order
    }
    return 0
  }

  private findSum(of: Dimensions): Sum {
    const { by } = this.options
    let groups = this.sums
    for (let i = 0; i < by.length - 1; i++) {
      const name = (by[i] as Grouping).find(of)
      let next = groups.get(name)
      if (next === undefined) {
        // A name that is not counted must not be kept either.
        if (this.found.length >= this.maxGroups) return this.findOthers()
        next = new Map()
        groups.set(name, next)
      }
      groups = next as Groups
    }
    const last = (by.at(-1) as Grouping).find(of)
    const known = groups.get(last)
    if (known !== undefined) return known as Sum
    if (this.found.length >= this.maxGroups) return this.findOthers()
    const sum = new Sum()
    groups.set(last, sum)
    this.found.push({ names: by.map(({ find }) => find(of)), sum })
    return sum
  }

  private findOthers(): Sum {
    this.others ??= new Sum()
    return this.others
  }
}

const SIZES: Readonly<Record<SortKey, (totals: Totals) => number>> = {
  cost: ({ cost_usd: cost }) => cost ?? -1,
  tokens: ({ prompt_tokens: prompt, completion_tokens: completion }) =>
    prompt === null && completion === null ? -1 : (prompt ?? 0) + (completion ?? 0),
  requests: ({ requests }) => requests,
}

function compareNames(a: Group['names'], b: Group['names']): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareText(a[i] ?? null, b[i] ?? null)
    if (order !== 0) return order
  }
  return 0
}

function compareText(a: string | null, b: string | null): number {
  return a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1
}

import { Grouping } from './group-sums.js'
import { CODES, CODES_AT } from './layout.js'
import type { Filter, RollupQuery } from './query.js'
import type { RollupBatch } from './row.js'
import { querySeries } from './series-query.js'
import type { Dimension, SecondSums, Series, Spend, TotalsTable } from './shapes.js'
import { chooseSlots } from './slots.js'
import { querySpend } from './spend-query.js'
import { Store, type StoreOptions } from './store.js'
import { queryCodes, queryTotals, sumLastSecond } from './totals-query.js'

/** How long an answer stands for equal questions, in milliseconds: several people may look at the same view. */
const SHARED_MS = 1_000

/** So much longer where the slots are hours: the answer changes little, and takes longer. */
const HOURS_FACTOR = 5

/** Answers that are kept. */
const MOST_SHARED = 64

/** Something of the ledger that could not be read. */
export interface RebuildProblem {
  /** Path of the file or folder; empty for the thread itself. */
  readonly path: string
  /** An error code, or `torn` for lines that are no records. */
  readonly code: string
}

export interface RollupOptions extends StoreOptions {
  /** How long an answer stands for equal questions; for tests. */
  readonly sharedMs?: number
}

/** What a key has spent in this month. */
export interface KeyMonth {
  readonly monthNano: number
  readonly monthRequests: number
}

/**
 * Sums over requests for the page: by second for 5 minutes, by minute for 48 hours and by hour for 90 days. Queries
 * give way to everything else every few milliseconds.
 */
export class Rollups {
  /** IANA name of the zone in which days and months begin. */
  readonly zone: string
  /** From when on the sums are complete: earlier records are still being read. Null: all are that can be read. */
  completeFrom: number | null
  /**
   * Before this moment some counts are 0, as the ledger's own rollups do not have them: those of the cache, failovers,
   * hedges and cache writes, first bytes, whole durations, and codes of refusals. Null: none is missing.
   */
  detailFrom: number | null
  /** What could not be read. */
  problems: readonly RebuildProblem[]
  /** The sums themselves, for those who fill them. */
  readonly store: Store
  private readonly shared: Map<string, { readonly until: number; readonly answer: Promise<unknown> }>

  private readonly sharedMs: number

  constructor({ sharedMs = SHARED_MS, ...options }: RollupOptions) {
    this.zone = options.zone
    this.completeFrom = null
    this.detailFrom = null
    this.problems = []
    this.store = new Store(options)
    this.shared = new Map()
    this.sharedMs = sharedMs
  }

  /** Adds what a `RollupCounts` has taken. */
  add(batch: RollupBatch): void {
    this.store.add(batch)
  }

  /** Counts over time. @param by null: all are one group, without a name */
  series(query: RollupQuery, by: Dimension | null): Promise<Series> {
    return this.shareQuery(['series', by], query, false, () => querySeries(this.store, query, by))
  }

  /** Counts of a range by one dimension. */
  totals(query: RollupQuery, by: Dimension): Promise<TotalsTable> {
    return this.shareQuery(['totals', by], query, true, () => queryTotals(this.store, query, by))
  }

  /** Money by the calendar. */
  async spend(filter: Filter): Promise<Spend> {
    return (await this.askSpend(filter)).spend
  }

  /** What each key has spent in this month, but for those without room for a row of their own. */
  async keyMonths(): Promise<ReadonlyMap<string, KeyMonth>> {
    return (await this.askSpend({})).keys
  }

  /** The codes of refused requests, the most first. */
  refusalCodes({
    range,
    filter,
  }: RollupQuery): Promise<readonly { readonly code: string; readonly count: number }[]> {
    const isWanted = filter.end?.includes('refused') ?? true
    const query = { range, filter: { ...filter, end: isWanted ? ['refused'] : [] } }
    return this.shareQuery(['codes'], query, true, () => queryCodes(this.store, query, CODES, CODES_AT))
  }

  /** When the last request of a key ended, in epoch milliseconds; null for none. */
  lastSeen(key: string): number | null {
    return this.store.seenKeys.get(key) ?? null
  }

  /** The last second of which all is known. */
  lastSecond(filter: Filter): SecondSums {
    return sumLastSecond(this.store, new Grouping(this.store.book, filter, null))
  }

  private askSpend(filter: Filter): ReturnType<typeof querySpend> {
    return this.share(['spend', filter], HOURS_FACTOR, () =>
      querySpend(this.store, filter, this.completeFrom),
    )
  }

  /** All ranges that have the same slots have one answer: most end now, and begin a while ago. */
  private shareQuery<T>(
    question: readonly unknown[],
    { range, filter }: RollupQuery,
    isSum: boolean,
    ask: () => Promise<T>,
  ): Promise<T> {
    const { ring, from, stepMs, count } = chooseSlots(this.store, range, isSum)
    const factor = ring === this.store.rings.hours ? HOURS_FACTOR : 1
    return this.share([...question, filter, from, stepMs, count], factor, ask)
  }

  /** @param factor how much longer the answer stands than others */
  private share<T>(question: unknown, factor: number, ask: () => Promise<T>): Promise<T> {
    const key = JSON.stringify(question)
    const now = performance.now()
    const known = this.shared.get(key)
    if (known !== undefined && now < known.until) return known.answer as Promise<T>
    for (const [old, { until }] of this.shared)
      if (now >= until || this.shared.size >= MOST_SHARED) this.shared.delete(old)
    const answer = ask()
    this.shared.set(key, { until: now + factor * this.sharedMs, answer })
    return answer
  }
}

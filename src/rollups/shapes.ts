/**
 * Shapes of what the rollups tell, which the page sends as they are (`page/shapes.ts` hands them on). This module
 * imports nothing: the browser loads it, too.
 *
 * Moments are epoch milliseconds, durations milliseconds where a name ends in `Ms` and microseconds in `Us`, money
 * nano-dollars (`Nano`).
 */

/** What requests can be grouped and filtered by. */
export const DIMENSIONS = ['team', 'user', 'key', 'model', 'upstream', 'end'] as const

export type Dimension = (typeof DIMENSIONS)[number]

/** Name of the group of what there was no room for: the number of series is bounded. */
export const OTHER = '(other)'

/** What is counted of requests, in the order in which counts are kept. */
export const COUNTS = [
  'requests',
  'errors',
  'refusals',
  'promptTokens',
  'cachedTokens',
  'cacheWriteTokens',
  'completionTokens',
  'reasoningTokens',
  'costNano',
  /** Requests with usage whose price is not known. */
  'unpriced',
  /** What the provider's prompt cache has saved: cached tokens at the price of others, less what they cost. */
  'promptCacheSavedNano',
  /** Answered from the relay's cache, and with the rest of a completion whose beginning was typed. */
  'cacheHits',
  'prefixHits',
  /** Shared the response to another request. */
  'joins',
  /** What the relay's cache and shared responses have saved. */
  'savedTokens',
  'savedNano',
  /** Requests that more than one target was asked for, as one failed or was slow. */
  'failovers',
  'hedges',
] as const

export type CountName = (typeof COUNTS)[number]

export type Counts = Readonly<Record<CountName, number>>

/** Quantiles of a duration; null without a measurement. Within 15 %. */
export interface Quantiles {
  readonly count: number
  readonly p50: number | null
  readonly p99: number | null
}

/** Of the requests of a group or slot. */
export interface Latencies {
  /** From the attempt to the first byte of the upstream's response. */
  readonly firstByteMs: Quantiles
  /** From the request head to the first token. */
  readonly firstTokenMs: Quantiles
  /** From the request head to the end. */
  readonly totalMs: Quantiles
  /** What the relay itself took until the response began. */
  readonly addedUs: Quantiles
}

/** `GET /api/series?range=&by=DIMENSION`: counts over time. Without `by` there is one group, with the name `''`. */
export interface Series {
  /** Where the first slot begins. */
  readonly from: number
  /** Length of a slot: 1 s, 1 min or 1 h, or a multiple, so that there are at most 400. */
  readonly stepMs: number
  readonly slots: number
  /** The largest first, by requests; at most 20, the others are in `OTHER`. */
  readonly groups: readonly SeriesGroup[]
}

export interface SeriesGroup {
  readonly name: string
  /** One number for each slot; counts that are zero in all slots are left out. */
  readonly counts: Partial<Readonly<Record<CountName, readonly number[]>>>
  /** One entry for each slot. */
  readonly latencies: readonly SlotLatencies[]
}

/** As in `Latencies`, p50 and p99 in that order; null for a slot without a measurement. */
export interface SlotLatencies {
  readonly firstByteMs: readonly [number, number] | null
  readonly firstTokenMs: readonly [number, number] | null
  readonly totalMs: readonly [number, number] | null
  readonly addedUs: readonly [number, number] | null
}

/** `GET /api/totals?range=&by=DIMENSION`: one row for each group, the largest first by requests; also as `.csv`. */
export interface TotalsTable {
  readonly from: number
  readonly to: number
  readonly by: Dimension
  readonly rows: readonly TotalsRow[]
  readonly sum: TotalsRow
}

export interface TotalsRow {
  readonly name: string
  readonly counts: Counts
  readonly latencies: Latencies
  /** When the last request of the group ended. */
  readonly lastAt: number | null
}

/** `GET /api/spend`: money, by the calendar of the zone; also as `.csv`. Filters as above. */
export interface Spend {
  readonly today: SpendPeriod
  readonly month: SpendPeriod
  /** Each with one row for each name, the largest of the month first, at most 200. */
  readonly by: Readonly<Record<SpendDimension, readonly SpendRow[]>>
  /** One for each day of the month so far. */
  readonly days: readonly { readonly from: number; readonly costNano: number; readonly tokens: number }[]
}

export const SPEND_DIMENSIONS = ['team', 'user', 'key', 'model', 'tag'] as const

export type SpendDimension = (typeof SPEND_DIMENSIONS)[number]

export interface SpendPeriod {
  readonly from: number
  readonly to: number
  readonly costNano: number
  readonly tokens: number
  readonly requests: number
  readonly unpriced: number
  /** What it comes to at the end, if it goes on as in the last seven days; null while too little is known. */
  readonly forecastNano: number | null
}

export interface SpendRow {
  readonly name: string
  readonly todayNano: number
  readonly monthNano: number
  readonly monthTokens: number
  readonly monthRequests: number
}

/** What the live stream shows of one second. */
export interface SecondSums {
  /** Start of the second. */
  readonly at: number
  readonly requests: number
  readonly errors: number
  readonly refusals: number
  readonly tokens: number
  readonly costNano: number
  readonly addedUs: readonly [number, number] | null
  readonly firstByteMs: readonly [number, number] | null
}

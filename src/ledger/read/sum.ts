import { formatNanoUsd } from '../../lib/nano-usd.js'
import { type Entry, isError } from './entry.js'
import { Histogram, listValues, type Packed } from './histogram.js'
import { addWhole, formatWhole, parseWhole, toNumber, type Whole } from './whole.js'

/** Sums over requests. A sum is null if the value is unknown for all of them. */
export interface Totals {
  readonly requests: number
  readonly errors: number
  readonly prompt_tokens: number | null
  readonly cached_tokens: number | null
  readonly completion_tokens: number | null
  readonly reasoning_tokens: number | null
  /** Web searches and the like, which are billed by their number. */
  readonly searches: number | null
  readonly cost_usd: number | null
  /** Requests with tokens and without a price; their cost is missing in the sum. */
  readonly unpriced: number
  /** What budgets assume that requests without a price cost; in no other sum. */
  readonly assumed_usd: number | null
  readonly ttft_ms_p50: number | null
  readonly ttft_ms_p99: number | null
  readonly overhead_us_p99: number | null
  /** Requests whose tokens the relay estimated, as the upstream reported none; the sums include them. */
  readonly estimated: number
  /** Requests that went to the provider past the relay: their tokens and cost are unknown, and missing in the sums. */
  readonly direct: number
}

/** A sum as an array for JSON: see `Sum.format`. */
export type SumRow = readonly (number | string | null | Packed)[]

/** Sums up requests. Sums can be merged, in any order, with the same result as one sum over all requests. */
export class Sum {
  private requests = 0
  private errors = 0
  private promptTokens: Whole | null = null
  private cachedTokens: Whole | null = null
  private completionTokens: Whole | null = null
  private reasoningTokens: Whole | null = null
  private searches: Whole | null = null
  /** Nano-dollars. */
  private cost: Whole | null = null
  /** Nano-dollars. */
  private assumed: Whole | null = null
  private unpriced = 0
  private estimated = 0
  private direct = 0
  private readonly ttftMs = new Histogram()
  private readonly overheadUs = new Histogram()

  add(entry: Entry): void {
    this.requests += entry.requests
    if (isError(entry)) this.errors += entry.requests
    this.promptTokens = addWhole(this.promptTokens, entry.promptTokens)
    this.cachedTokens = addWhole(this.cachedTokens, entry.cachedTokens)
    this.completionTokens = addWhole(this.completionTokens, entry.completionTokens)
    this.reasoningTokens = addWhole(this.reasoningTokens, entry.reasoningTokens)
    this.searches = addWhole(this.searches, entry.searches)
    this.cost = addWhole(this.cost, entry.cost)
    this.assumed = addWhole(this.assumed, entry.assumed)
    if (entry.cost === null && (entry.promptTokens !== null || entry.completionTokens !== null)) {
      this.unpriced++
    }
    if (entry.usageSource === 'estimated') this.estimated++
    if (entry.isDirect) this.direct++
    if (entry.ttftMs !== null) this.ttftMs.add(entry.ttftMs)
    if (entry.overheadUs !== null) this.overheadUs.add(entry.overheadUs)
  }

  merge(other: Sum): void {
    this.requests += other.requests
    this.errors += other.errors
    this.promptTokens = addWhole(this.promptTokens, other.promptTokens)
    this.cachedTokens = addWhole(this.cachedTokens, other.cachedTokens)
    this.completionTokens = addWhole(this.completionTokens, other.completionTokens)
    this.reasoningTokens = addWhole(this.reasoningTokens, other.reasoningTokens)
    this.searches = addWhole(this.searches, other.searches)
    this.cost = addWhole(this.cost, other.cost)
    this.assumed = addWhole(this.assumed, other.assumed)
    this.unpriced += other.unpriced
    this.estimated += other.estimated
    this.direct += other.direct
    this.ttftMs.merge(other.ttftMs.pack())
    this.overheadUs.merge(other.overheadUs.pack())
  }

  /** Merges what `format` has written. @param from index of its first number in `row` */
  mergeRow(row: SumRow, from: number): void {
    const count = (at: number): number => row[from + at] as number
    const whole = (at: number): Whole | null => parseWhole(row[from + at] as number | string | null)
    this.requests += count(0)
    this.errors += count(1)
    this.promptTokens = addWhole(this.promptTokens, whole(2))
    this.cachedTokens = addWhole(this.cachedTokens, whole(3))
    this.completionTokens = addWhole(this.completionTokens, whole(4))
    this.reasoningTokens = addWhole(this.reasoningTokens, whole(5))
    this.searches = addWhole(this.searches, whole(6))
    this.cost = addWhole(this.cost, whole(7))
    this.assumed = addWhole(this.assumed, whole(8))
    this.unpriced += count(9)
    this.estimated += count(10)
    this.ttftMs.merge(row[from + 11] as Packed)
    this.overheadUs.merge(row[from + 12] as Packed)
    this.direct += row.length > from + 13 ? count(13) : 0
  }

  /** Formats the elements of a JSON array, without its brackets. */
  format(): string {
    const wholes = [
      ...[this.promptTokens, this.cachedTokens, this.completionTokens],
      ...[this.reasoningTokens, this.searches, this.cost, this.assumed],
    ]
    return [
      ...[this.requests, this.errors],
      ...wholes.map(formatWhole),
      ...[this.unpriced, this.estimated],
      ...[this.ttftMs, this.overheadUs].map((histogram) => JSON.stringify(histogram.pack())),
      // Last, and left out where there are none: so the rows of a day without are as they were in version 2.
      ...(this.direct > 0 ? [this.direct] : []),
    ].join(',')
  }

  get totals(): Totals {
    return {
      requests: this.requests,
      errors: this.errors,
      prompt_tokens: toNumber(this.promptTokens),
      cached_tokens: toNumber(this.cachedTokens),
      completion_tokens: toNumber(this.completionTokens),
      reasoning_tokens: toNumber(this.reasoningTokens),
      searches: toNumber(this.searches),
      cost_usd: this.cost === null ? null : Number(formatNanoUsd(this.cost)),
      unpriced: this.unpriced,
      assumed_usd: this.assumed === null ? null : Number(formatNanoUsd(this.assumed)),
      ttft_ms_p50: round(this.ttftMs.quantile(0.5)),
      ttft_ms_p99: round(this.ttftMs.quantile(0.99)),
      overhead_us_p99: round(this.overheadUs.quantile(0.99)),
      estimated: this.estimated,
      direct: this.direct,
    }
  }
}

/** What a row says was used: tokens of prompts and answers, and nano-dollars, known or assumed. */
export function readRowUse(row: SumRow, from: number): { readonly tokens: Whole; readonly nano: Whole } {
  const read = (at: number): Whole | null => parseWhole(row[from + at] as number | string | null)
  const add = (one: number, other: number): Whole => addWhole(addWhole(0, read(one)), read(other)) ?? 0
  return { tokens: add(2, 4), nano: add(7, 8) }
}

/** What a row sums up, in numbers: for those who keep no exact sums. */
export interface RowSums {
  readonly requests: number
  readonly errors: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
  readonly reasoningTokens: number
  readonly costNano: number
  readonly unpriced: number
  /** Values and how many requests had them, within 1 %. */
  readonly firstTokenMs: readonly (readonly [value: number, count: number])[]
  readonly addedUs: readonly (readonly [value: number, count: number])[]
}

/** @param from index of the sum in the row */
export function readRowSums(row: SumRow, from: number): RowSums {
  const read = (at: number): number => toNumber(parseWhole(row[from + at] as number | string | null)) ?? 0
  return {
    requests: read(0),
    errors: read(1),
    promptTokens: read(2),
    cachedTokens: read(3),
    completionTokens: read(4),
    reasoningTokens: read(5),
    costNano: read(7),
    unpriced: read(9),
    firstTokenMs: listValues(row[from + 11] as Packed),
    addedUs: listValues(row[from + 12] as Packed),
  }
}

/** Rounds to the three decimals of the ledger. */
function round(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1_000) / 1_000
}

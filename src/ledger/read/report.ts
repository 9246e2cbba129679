import { formatNanoUsd, parseNanoUsd } from '../../lib/nano-usd.js'
import { type Entry, findOwner, isError } from './entry.js'
import { Histogram } from './histogram.js'
import type { Period } from './period.js'
import { SequenceCheck } from './sequence-check.js'

/** The groupings, each with the function that finds the group of a request; null if it is unknown. */
const GROUPINGS = {
  team: ({ team }: Entry) => team,
  user: findOwner,
  key: ({ key }: Entry) => key,
  model: ({ model }: Entry) => model,
  day: ({ ts }: Entry) => ts?.slice(0, 10) ?? null,
  upstream: ({ upstream }: Entry) => upstream,
  end: ({ end }: Entry) => end,
} as const

/** Name of a grouping. */
export type Grouping = keyof typeof GROUPINGS

/** The names of all groupings. */
export const GROUPING_NAMES = Object.keys(GROUPINGS) as readonly Grouping[]

/** Whether a text is the name of a grouping. */
export function isGrouping(name: string): name is Grouping {
  return Object.hasOwn(GROUPINGS, name)
}

/** Most groups of a report: clients can make up model names. Further groups are summed up as `OTHERS`. */
const MAX_GROUPS = 10_000

/** Name of the group that sums up all groups beyond the limit. */
export const OTHERS = '(others)'

/** Sums over requests. A sum is null if the value is unknown for all of them. */
export interface Totals {
  readonly requests: number
  readonly errors: number
  readonly prompt_tokens: number | null
  readonly cached_tokens: number | null
  readonly completion_tokens: number | null
  readonly cost_usd: number | null
  /** Requests with tokens and without a price; their cost is missing in the sum. */
  readonly unpriced: number
  readonly ttft_ms_p50: number | null
  readonly ttft_ms_p99: number | null
  readonly overhead_us_p99: number | null
  /** Requests whose tokens the relay estimated, as the upstream reported none; the sums include them. */
  readonly estimated: number
}

/** The requests of one group; the name is null if it is unknown. */
export interface Group {
  readonly name: string | null
  readonly totals: Totals
}

/** Sums up records one by one. Its memory grows with the number of groups and writers, not of records. */
export class Report {
  /** Lines that are not records. */
  torn: number
  /** Repeated records, which are not counted again. */
  duplicates: number
  private readonly nameOf: (entry: Entry) => string | null
  private readonly by: Grouping
  private readonly period: Period
  private readonly maxGroups: number
  private readonly seen: SequenceCheck
  private readonly sums: Map<string | null, Sum>
  private readonly all: Sum

  constructor(by: Grouping, period: Period, maxGroups = MAX_GROUPS) {
    this.torn = 0
    this.duplicates = 0
    this.by = by
    this.nameOf = GROUPINGS[by]
    this.period = period
    this.maxGroups = maxGroups
    this.seen = new SequenceCheck()
    this.sums = new Map()
    this.all = new Sum()
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
    if (!this.period.includes(entry.ts)) return
    this.sumOf(this.nameOf(entry)).add(entry)
    this.all.add(entry)
  }

  /** All groups: days in their order, others by the number of requests, the largest first. */
  get groups(): Group[] {
    const groups = [...this.sums].map(([name, sum]) => ({ name, totals: sum.totals }))
    const byName = (a: Group, b: Group): number =>
      a.name === b.name ? 0 : (a.name ?? '') < (b.name ?? '') ? -1 : 1
    if (this.by === 'day') return groups.sort(byName)
    return groups.sort((a, b) => b.totals.requests - a.totals.requests || byName(a, b))
  }

  /** Sums over all groups. */
  get total(): Totals {
    return this.all.totals
  }

  private sumOf(name: string | null): Sum {
    const known = this.sums.get(name)
    if (known !== undefined) return known
    if (this.sums.size >= this.maxGroups && name !== OTHERS) return this.sumOf(OTHERS)
    const sum = new Sum()
    this.sums.set(name, sum)
    return sum
  }
}

class Sum {
  private requests = 0
  private errors = 0
  private promptTokens: number | null = null
  private cachedTokens: number | null = null
  private completionTokens: number | null = null
  /** In nano-dollars: sums of whole numbers are exact. */
  private cost: bigint | null = null
  private unpriced = 0
  private estimated = 0
  private readonly ttftMs = new Histogram()
  private readonly overheadUs = new Histogram()

  add(entry: Entry): void {
    this.requests++
    if (isError(entry)) this.errors++
    this.promptTokens = addKnown(this.promptTokens, entry.promptTokens)
    this.cachedTokens = addKnown(this.cachedTokens, entry.cachedTokens)
    this.completionTokens = addKnown(this.completionTokens, entry.completionTokens)
    const cost = entry.costUsd === null ? null : parseNanoUsd(entry.costUsd)
    if (cost !== null) this.cost = (this.cost ?? 0n) + cost
    if (entry.costUsd === null && (entry.promptTokens !== null || entry.completionTokens !== null)) {
      this.unpriced++
    }
    if (entry.usageSource === 'estimated') this.estimated++
    if (entry.ttftMs !== null) this.ttftMs.add(entry.ttftMs)
    if (entry.overheadUs !== null) this.overheadUs.add(entry.overheadUs)
  }

  get totals(): Totals {
    return {
      requests: this.requests,
      errors: this.errors,
      prompt_tokens: this.promptTokens,
      cached_tokens: this.cachedTokens,
      completion_tokens: this.completionTokens,
      cost_usd: this.cost === null ? null : Number(formatNanoUsd(this.cost)),
      unpriced: this.unpriced,
      ttft_ms_p50: round(this.ttftMs.quantile(0.5)),
      ttft_ms_p99: round(this.ttftMs.quantile(0.99)),
      overhead_us_p99: round(this.overheadUs.quantile(0.99)),
      estimated: this.estimated,
    }
  }
}

function addKnown(sum: number | null, value: number | null): number | null {
  return value === null ? sum : (sum ?? 0) + value
}

/** Rounds to the three decimals of the ledger. */
function round(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1_000) / 1_000
}

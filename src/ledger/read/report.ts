import { type Entry, findOwner, isError } from './entry.js'
import { Histogram } from './histogram.js'
import type { Period } from './period.js'
import { SequenceCheck } from './seen.js'

/** What requests can be grouped by, with what it is of one; null if that is not known. */
const GROUPINGS = {
  team: ({ team }: Entry) => team,
  user: findOwner,
  key: ({ key }: Entry) => key,
  model: ({ model }: Entry) => model,
  day: ({ ts }: Entry) => ts?.slice(0, 10) ?? null,
  upstream: ({ upstream }: Entry) => upstream,
  end: ({ end }: Entry) => end,
} as const

export type Grouping = keyof typeof GROUPINGS

/** The names of all groupings. */
export const GROUPING_NAMES = Object.keys(GROUPINGS) as readonly Grouping[]

export function isGrouping(name: string): name is Grouping {
  return Object.hasOwn(GROUPINGS, name)
}

/** Models are what clients ask for, which may be anything: what comes beyond so many groups is counted as one. */
const MOST_GROUPS = 10_000
export const OTHERS = '(others)'

/** What requests came to. Null is what is not known of any of them. */
export interface Totals {
  readonly requests: number
  readonly errors: number
  readonly prompt_tokens: number | null
  readonly cached_tokens: number | null
  readonly completion_tokens: number | null
  readonly cost_usd: number | null
  /** Requests that used tokens and have no cost: what they cost is missing in the sum. */
  readonly unpriced: number
  readonly ttft_ms_p50: number | null
  readonly ttft_ms_p99: number | null
  readonly overhead_us_p99: number | null
  /** Requests whose tokens are the relay's estimate, as the upstream told none: they are in the sums. */
  readonly estimated: number
}

export interface Group {
  readonly name: string | null
  readonly totals: Totals
}

/** Sums up records one by one. What it keeps grows with the number of groups and of relays' starts, not of records. */
export class Report {
  /** Lines that are no record. */
  torn: number
  /** Records that were there already. */
  duplicates: number
  private readonly nameOf: (entry: Entry) => string | null
  private readonly by: Grouping
  private readonly period: Period
  private readonly mostGroups: number
  private readonly seen: SequenceCheck
  private readonly sums: Map<string | null, Sum>
  private readonly all: Sum

  constructor(by: Grouping, period: Period, mostGroups = MOST_GROUPS) {
    this.torn = 0
    this.duplicates = 0
    this.by = by
    this.nameOf = GROUPINGS[by]
    this.period = period
    this.mostGroups = mostGroups
    this.seen = new SequenceCheck()
    this.sums = new Map()
    this.all = new Sum()
  }

  /** @param entry null for a line that is no record */
  add(entry: Entry | null): void {
    if (entry === null) {
      this.torn++
      return
    }
    // Before it is looked at when it was, so that numbers are seen without gaps.
    if (!this.seen.add(entry.writer, entry.seq)) {
      this.duplicates++
      return
    }
    if (!this.period.includes(entry.ts)) return
    this.sumOf(this.nameOf(entry)).add(entry)
    this.all.add(entry)
  }

  /** Days as they went by, others by how many requests there were. */
  get groups(): Group[] {
    const groups = [...this.sums].map(([name, sum]) => ({ name, totals: sum.totals }))
    const byName = (a: Group, b: Group): number =>
      a.name === b.name ? 0 : (a.name ?? '') < (b.name ?? '') ? -1 : 1
    if (this.by === 'day') return groups.sort(byName)
    return groups.sort((a, b) => b.totals.requests - a.totals.requests || byName(a, b))
  }

  get total(): Totals {
    return this.all.totals
  }

  private sumOf(name: string | null): Sum {
    const known = this.sums.get(name)
    if (known !== undefined) return known
    if (this.sums.size >= this.mostGroups && name !== OTHERS) return this.sumOf(OTHERS)
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
  private costUsd: number | null = null
  private unpriced = 0
  private estimated = 0
  private readonly ttftMs = new Histogram()
  private readonly overheadUs = new Histogram()

  add(entry: Entry): void {
    this.requests++
    if (isError(entry)) this.errors++
    this.promptTokens = plus(this.promptTokens, entry.promptTokens)
    this.cachedTokens = plus(this.cachedTokens, entry.cachedTokens)
    this.completionTokens = plus(this.completionTokens, entry.completionTokens)
    this.costUsd = plus(this.costUsd, entry.costUsd)
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
      // Digits beyond those are what adding up has left: 0.1 + 0.2.
      cost_usd: this.costUsd === null ? null : Number(this.costUsd.toFixed(9)),
      unpriced: this.unpriced,
      ttft_ms_p50: rounded(this.ttftMs.quantile(0.5)),
      ttft_ms_p99: rounded(this.ttftMs.quantile(0.99)),
      overhead_us_p99: rounded(this.overheadUs.quantile(0.99)),
      estimated: this.estimated,
    }
  }
}

function plus(sum: number | null, value: number | null): number | null {
  return value === null ? sum : (sum ?? 0) + value
}

/** To as many digits as the ledger has; of which no more than two are certain, anyway. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1_000) / 1_000
}

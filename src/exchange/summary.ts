import type { NanoUsd } from '../lib/nano-usd.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { Outcome } from './outcome.js'
import type { RequestFacts } from './request-facts.js'
import type { Timeline } from './timeline.js'
import { PhaseShares } from './timing.js'
import { CACHED_USAGE, NO_USAGE, resolveUsage, type TokenUsage } from './token-usage.js'

/** Takes the summaries of requests that are over: the ledger, the log, the metrics and others. */
export interface SummarySink {
  /** Called once for each request, after its bytes have left. */
  record(summary: RequestSummary): void
  /** Summaries follow, now and in the next turns: what is written of them may wait until `endBatch`, but no longer. */
  startBatch?(): void
  endBatch?(): void
  /** The relay ends: nothing is held back any more. */
  flush?(): void
  /** Called at every tick of the listener's clock. @param now `performance.now()` */
  tick?(now: number): void
}

/** An amount in nano-dollars, null if it is not known, and the source of the price. */
interface SummaryCharge {
  readonly nano: NanoUsd | null
  readonly source: string | null
}

/**
 * What is known of a request that is over. It refers to the parts of the exchange, and copies none of them; the
 * request, the response and the prompt itself can be freed. Sinks get it some milliseconds later, many at a time: code
 * that runs again and again is in the processor's caches (bench `requests`).
 */
export class RequestSummary {
  readonly request: Readonly<RequestFacts>
  readonly timeline: Readonly<Timeline>
  readonly outcome: Readonly<Outcome>
  /** Epoch milliseconds. */
  readonly closedAt: number
  readonly totalMs: number
  /** Id of the key that asked for what the tokens were spent on, if it is another one; else null. */
  makerKey: string | null
  /** How many requests this one stands for: refusals of one address are summed up when there are too many. */
  requests: number
  /**
   * What a model without a price is assumed to cost, in nano-dollars, where a rule limits money; else null. Set by the
   * limits before the record is made.
   */
  assumedNano: NanoUsd | null
  /** What it costs; null until that is computed. See `chargeOf`. */
  charge: SummaryCharge | null
  /** Budgets that this request brought to a share: `team1-month usd month 80%`; null for none. Set by the limits. */
  reachedLimits: string | null
  private resolvedUsage: TokenUsage | null
  private computedShares: PhaseShares | null

  /** @param now `performance.now()` */
  constructor(
    request: Readonly<RequestFacts>,
    timeline: Readonly<Timeline>,
    outcome: Readonly<Outcome>,
    now: number,
  ) {
    this.request = request
    this.timeline = timeline
    this.outcome = outcome
    this.closedAt = Date.now()
    this.totalMs = now - timeline.startedAt
    this.makerKey = null
    this.requests = 1
    this.assumedNano = null
    this.charge = null
    this.reachedLimits = null
    this.resolvedUsage = null
    this.computedShares = null
  }

  /** What the meter has read of the response; null if it is not metered. Complete once the meter is. */
  get stats(): ResponseStats | null {
    return this.outcome.meter?.readStats() ?? null
  }

  /** Milliseconds that the relay itself took until the response began; null if unknown. */
  get overheadMs(): number | null {
    const { total } = this.phaseShares
    return total === null ? null : total / 1_000
  }

  /** What of that time each phase took. */
  get phaseShares(): PhaseShares {
    this.computedShares ??= new PhaseShares(this.timeline, this.isFromCache)
    return this.computedShares
  }

  /** Tokens of the response, and where the numbers come from. */
  get usage(): TokenUsage {
    this.resolvedUsage ??= this.isShared
      ? CACHED_USAGE
      : resolveUsage({
          stats: this.stats,
          prompt: this.outcome.prompt,
          status: this.outcome.status,
          end: this.outcome.end,
        })
    return this.resolvedUsage
  }

  /** @param key id of the key that had the tokens spent, where another one sees them first */
  setMaker(key: string | null): void {
    this.makerKey = key
  }

  /** The response shows tokens that are in the record of another request, or will be. */
  withholdUsage(): void {
    this.resolvedUsage = NO_USAGE
  }

  /** Estimate of the prompt tokens that overtaken upstreams may bill; null if there are none, or it is not known. */
  get overtakenPromptTokens(): number | null {
    const { overtakenCount, prompt } = this.outcome
    if (overtakenCount === 0) return null
    const tokens = this.usage.usage?.prompt ?? prompt?.estimateTokens() ?? null
    return tokens === null ? null : tokens * overtakenCount
  }

  /** Tokens that did not have to be asked for again; null if they had to be, or are not known. */
  get savedUsage(): TokenUsage | null {
    return this.isShared ? (this.outcome.sharedUsage?.usage ?? null) : null
  }

  /** Milliseconds from the head of the request to the first token; null if none came. */
  get firstTokenMs(): number | null {
    const at = this.stats?.firstTokenAt ?? 0
    // A request that joined late had the token at once.
    return at === 0 ? null : Math.max(0, at - this.timeline.startedAt)
  }

  /** Answered from memory. */
  private get isFromCache(): boolean {
    return this.outcome.cache === 'hit' || this.outcome.cache === 'prefix'
  }

  /** Another request is billed for the response. */
  private get isShared(): boolean {
    return this.isFromCache || this.outcome.cache === 'joined'
  }
}

import type { LimitRule, LimitRulesConfig } from '../config/limit-rules.js'
import type { LimitClaim } from '../exchange/limit-ticket.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { RequestSummary } from '../exchange/summary.js'
import { chargeOf } from '../ledger/charge.js'
import type { Prices } from '../ledger/prices.js'
import type { Usage } from '../metering/usage.js'
import type { Log } from '../observe/log.js'
import type { LimitEstimate, LimitUse } from './counters/store.js'
import { type EstimatedBody, estimateTokens } from './estimate.js'
import { RecentOutputs } from './recent-outputs.js'
import { describeUnpriced, type LimitRefusal } from './responses/refusal.js'
import type { LimitedRequest } from './rules/subject.js'
import { UnpricedModels } from './unpriced.js'

/** The target that a request is sent to first: its price decides what is held. */
export interface PricedTarget {
  /** Null if the request has no target yet. */
  readonly upstream: string | null
  /** Its name for the model; null for the requested one. */
  readonly model: string | null
}

const NOTHING: LimitEstimate = { tokens: 0, nano: 0 }

/** What requests are expected to use, and what they have used: tokens and money. */
export class RequestCosts {
  private readonly prices: Prices | null
  private readonly unpriced: UnpricedModels
  private readonly outputs: RecentOutputs

  /** @param prices null if costs are switched off */
  constructor(unpriced: LimitRulesConfig['unpriced'], prices: Prices | null, log: Pick<Log, 'warn'>) {
    this.prices = prices
    this.unpriced = new UnpricedModels(unpriced, prices, log)
    this.outputs = new RecentOutputs()
  }

  /** Models without a price cost this from now on. */
  follow(unpriced: LimitRulesConfig['unpriced']): void {
    this.unpriced.follow(unpriced)
  }

  /** Remembers how long the answer was, for the estimates of its model. */
  learn({ usage: { usage, source }, request }: RequestSummary): void {
    if (source === 'cache' || usage === null || request.model === null || usage.completion === null) return
    this.outputs.add(request.model, usage.completion)
  }

  /** What a request has used. An amount of money that is not known is assumed, and noted for the record. */
  useOf(summary: RequestSummary, claims: readonly LimitClaim[]): LimitUse {
    const { usage } = summary.usage
    const tokens = (usage?.prompt ?? 0) + (usage?.completion ?? 0)
    return { tokens, nano: hasMoneyRule(claims) ? this.priceOf(summary, usage, tokens) : 0 }
  }

  /** What a request costs where a rule limits money. */
  private priceOf(summary: RequestSummary, usage: Usage | null, tokens: number): LimitUse['nano'] {
    const { nano } = chargeOf(summary, this.prices)
    if (nano !== null || tokens === 0) return nano ?? 0
    const model = summary.stats?.model ?? summary.outcome.sentModel ?? summary.request.model
    const assumed = this.unpriced.assume(model, usage?.prompt ?? 0, usage?.completion ?? 0)
    summary.assumedNano = assumed
    return assumed
  }

  /** @returns why it is refused if its model has no price, and may not be assumed one */
  estimate(
    request: LimitedRequest & Pick<RequestFacts, 'method'>,
    claims: readonly LimitClaim[],
    body: EstimatedBody | null,
    { upstream, model: sent }: PricedTarget,
  ): LimitEstimate | LimitRefusal {
    const isMoneyLimited = hasMoneyRule(claims)
    if (!isMoneyLimited && !claims.some(({ rule }) => limitsTokens(rule))) return NOTHING
    const { prompt, completion } = estimateTokens(request, body, this.outputs)
    const tokens = prompt + completion
    if (!isMoneyLimited || tokens === 0) return { tokens, nano: 0 }
    const usage: Usage = {
      prompt,
      cached: null,
      cacheWritten: null,
      completion,
      reasoning: null,
      details: null,
    }
    const asked = { answered: sent ?? request.model, requested: request.model, upstream, at: Date.now() }
    const charge = this.prices?.charge(usage, asked)
    const nano = charge?.nano ?? null
    if (nano !== null) return { tokens, nano: Number(nano) }
    const denying = this.unpriced.isDenied
      ? claims.find(({ rule }) => limitsMoney(rule) && !rule.observe)
      : undefined
    if (denying !== undefined) return describeUnpriced(denying.rule)
    return { tokens, nano: Number(this.unpriced.assume(sent ?? request.model, prompt, completion)) }
  }
}

function limitsMoney({ budgets }: LimitRule): boolean {
  for (const { unit } of budgets) if (unit === 'usd') return true
  return false
}

/** A loop and not `some`: it runs twice for each request. */
function hasMoneyRule(claims: readonly LimitClaim[]): boolean {
  for (const { rule } of claims) if (limitsMoney(rule)) return true
  return false
}

function limitsTokens({ tokens, budgets }: LimitRule): boolean {
  return tokens !== null || budgets.length > 0
}

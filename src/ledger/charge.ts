import type { RequestSummary } from '../exchange/summary.js'
import type { Usage } from '../metering/usage.js'
import type { Charge, Prices } from './prices.js'

const UNPRICED: Charge = { nano: null, source: null }

/**
 * What a request costs. It is computed once: the limits and the record of the ledger have the same amount, also when
 * prices are read again in between.
 * @param prices null if costs are switched off
 */
export function chargeOf(summary: RequestSummary, prices: Prices | null): Charge {
  summary.charge ??= computeCharge(summary, prices)
  return summary.charge
}

function computeCharge(summary: RequestSummary, prices: Prices | null): Charge {
  const { usage, source } = summary.usage
  const found = chargeFor(summary, usage, prices)
  return source === 'cache' ? { nano: 0, source: found.source } : found
}

/** What a usage costs at the target of a request; nothing is known without a usage or without prices. */
export function chargeFor(summary: RequestSummary, usage: Usage | null, prices: Prices | null): Charge {
  if (usage === null || prices === null) return UNPRICED
  const { model: requested } = summary.request
  // Where the upstream names no model, the one that it was asked for has answered.
  const answered = summary.stats?.model ?? summary.outcome.sentModel
  return prices.charge(usage, {
    answered,
    requested,
    // A cached response names no upstream, but its price is that of the one that made it.
    upstream: summary.outcome.sharedUsage?.upstream ?? summary.outcome.upstream,
    at: summary.closedAt,
  })
}

import type { LimitRule } from '../../config/limit-rules.js'
import { leftOf } from './budget-count.js'
import type { Counter } from './counter.js'
import { type RateCount, wholeUsed } from './rate-count.js'
import type { LimitExcess } from './store.js'

/** Places and holds come back when a request ends, at a time that nobody knows: a client may try again so soon. */
const RETRY_MS = 1_000

/** Why a rule refuses a request; null if it does not. Nothing is counted. */
export function findExcesses(
  rule: LimitRule,
  counter: Counter,
  tokens: number,
  nano: number,
  now: number,
  at: number,
): LimitExcess[] | null {
  let found: LimitExcess[] | null = null
  if (rule.requests !== null && counter.requests !== null) {
    const waitMs = counter.requests.waitMs(rule.requests, 1, now)
    if (waitMs > 0)
      found = push(found, rateExcess('requests', rule, rule.requests, counter.requests, waitMs, now))
  }
  if (rule.tokens !== null && counter.tokens !== null) {
    const waitMs = counter.tokens.waitMs(rule.tokens, tokens, now)
    if (waitMs > 0) found = push(found, rateExcess('tokens', rule, rule.tokens, counter.tokens, waitMs, now))
  }
  if (rule.concurrent !== null && counter.inFlight >= rule.concurrent)
    found = push(found, {
      rule,
      kind: 'concurrent',
      budget: null,
      limit: rule.concurrent,
      used: counter.inFlight,
      retryMs: RETRY_MS,
      resetsAt: null,
    })
  for (let i = 0; i < rule.budgets.length; i++) {
    const budget = rule.budgets[i] as LimitRule['budgets'][number]
    const count = counter.countAt(rule, i, at)
    const left = leftOf(budget, count.spent)
    const hold = budget.unit === 'usd' ? nano : tokens
    const isSpent = left === 0
    // Who is alone passes with any hold: an estimate never makes the first request fail.
    const isHeld = count.holders > 0 && hold > 0 && count.held + hold > left
    if (!isSpent && !isHeld) continue
    found = push(found, {
      rule,
      kind: isSpent ? 'budget' : 'held',
      budget,
      limit: budget.amount,
      used: count.spent,
      retryMs: isSpent ? Math.max(1, count.period.end - at) : RETRY_MS,
      resetsAt: count.period.end,
    })
  }
  return found
}

/** Whether a rule that only observes is among those that would refuse. */
export function observesExcess(observed: readonly LimitExcess[], rule: LimitRule): boolean {
  for (const excess of observed) if (excess.rule === rule) return true
  return false
}

function rateExcess(
  kind: 'requests' | 'tokens',
  rule: LimitRule,
  rate: NonNullable<LimitRule['requests']>,
  count: RateCount,
  retryMs: number,
  now: number,
): LimitExcess {
  const used = wholeUsed(count.used(rate, now))
  return { rule, kind, budget: null, limit: rate.burst, used, retryMs, resetsAt: null }
}

function push(found: LimitExcess[] | null, excess: LimitExcess): LimitExcess[] {
  if (found === null) return [excess]
  found.push(excess)
  return found
}

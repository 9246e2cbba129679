import type { LimitRule } from '../../config/limit-rules.js'
import type { LimitLeft, LimitTicket } from '../../exchange/limit-ticket.js'
import { leftOf } from './budget-count.js'
import type { Counter } from './counter.js'
import { findPeriod } from './period.js'
import { type RateCount, remainingOf, wholeUsed } from './rate-count.js'
import type { LimitState } from './store.js'

/** The state of each amount of a rule. @param counter null if nothing was counted yet */
export function readStates(
  rule: LimitRule,
  owner: string,
  counter: Counter | null,
  now: number,
  at: number,
): LimitState[] {
  const states: LimitState[] = []
  if (rule.requests !== null)
    states.push(rateState('requests', rule, owner, rule.requests, counter?.requests ?? null, now))
  if (rule.tokens !== null)
    states.push(rateState('tokens', rule, owner, rule.tokens, counter?.tokens ?? null, now))
  if (rule.concurrent !== null)
    states.push({
      rule,
      owner,
      kind: 'concurrent',
      budget: null,
      period: null,
      limit: rule.concurrent,
      used: counter?.inFlight ?? 0,
      held: 0,
      resetMs: 0,
    })
  for (const [i, budget] of rule.budgets.entries()) {
    const { name, end } = findPeriod(budget.period, rule.timezone, at)
    const count = counter?.findAt(rule, i, at) ?? null
    states.push({
      rule,
      owner,
      kind: 'budget',
      budget,
      period: name,
      limit: budget.amount,
      used: count?.spent ?? 0,
      held: Math.min(Number.MAX_SAFE_INTEGER, count?.held ?? 0),
      resetMs: Math.max(0, end - at),
    })
  }
  return states
}

function rateState(
  kind: 'requests' | 'tokens',
  rule: LimitRule,
  owner: string,
  rate: NonNullable<LimitRule['requests']>,
  count: RateCount | null,
  now: number,
): LimitState {
  return {
    rule,
    owner,
    kind,
    budget: null,
    period: null,
    limit: rate.burst,
    used: count === null ? 0 : wholeUsed(count.used(rate, now)),
    held: 0,
    resetMs: count === null ? 0 : count.resetMs(rate, now),
  }
}

/** Notes on a ticket what a rule leaves, where it is the tightest so far. */
export function noteLeft(ticket: LimitTicket, rule: LimitRule, counter: Counter, now: number): void {
  const { requests, tokens, budgets } = rule
  if (requests !== null && counter.requests !== null) {
    const remaining = remainingOf(requests, counter.requests.used(requests, now))
    if (isTighter(ticket.requestsLeft, remaining))
      ticket.requestsLeft = toLeft(
        rule,
        null,
        requests.burst,
        remaining,
        counter.requests.resetMs(requests, now),
      )
  }
  if (tokens !== null && counter.tokens !== null) {
    const remaining = remainingOf(tokens, counter.tokens.used(tokens, now))
    if (isTighter(ticket.tokensLeft, remaining))
      ticket.tokensLeft = toLeft(rule, null, tokens.burst, remaining, counter.tokens.resetMs(tokens, now))
  }
  for (let i = 0; i < budgets.length; i++) {
    const budget = budgets[i] as LimitRule['budgets'][number]
    const { spent, period } = counter.countAt(rule, i, ticket.at)
    const remaining = leftOf(budget, spent)
    const resetMs = Math.max(0, period.end - ticket.at)
    if (budget.unit === 'usd') {
      if (isTighter(ticket.usdLeft, remaining))
        ticket.usdLeft = toLeft(rule, budget, budget.amount, remaining, resetMs)
    } else if (isTighter(ticket.tokensLeft, remaining))
      ticket.tokensLeft = toLeft(rule, budget, budget.amount, remaining, resetMs)
  }
}

function isTighter(noted: LimitLeft | null, remaining: number): boolean {
  return noted === null || remaining < noted.remaining
}

function toLeft(
  rule: LimitRule,
  budget: LimitLeft['budget'],
  limit: number,
  remaining: number,
  resetMs: number,
): LimitLeft {
  return { rule, budget, limit, remaining, resetMs }
}

import type { LimitRule, Rate } from '../../src/config/limit-rules.js'
import { fc } from './property.js'

// What happens to counters in tests that compare a store with its model.

/** A minute before the end of an hour, a day, a week and a month. */
export const BASE = Date.parse('2027-01-31T23:59:00Z')
const DAY_MS = 86_400_000

/** What the clock may be wrong by. */
export const JUMPS: readonly number[] = [0, DAY_MS, -DAY_MS, 40 * DAY_MS, -BASE]

export const OWNERS = ['a', 'b']

/** Numbers for which the sums of rates are exact: a request or a token comes back in a whole millisecond. */
const perMinute = fc.constantFrom(60, 120, 600, 60_000)
const small = fc.integer({ min: 1, max: 6 })
const rate = fc.option(fc.record({ perMinute, burst: small }), { nil: null })
const amount = fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined })
const budgets = fc.record({ hour: amount, day: amount, week: amount, month: amount })

export const ruleEntries = fc.record({
  requests: rate,
  tokens: rate,
  concurrent: fc.option(small, { nil: undefined }),
  usd: budgets,
  budget: budgets,
  observe: fc.boolean(),
})

type RuleEntry = typeof ruleEntries extends fc.Arbitrary<infer T> ? T : never

export const toEntry = (
  name: string,
  { requests, tokens, concurrent, usd, budget, observe }: RuleEntry,
): object => ({
  name,
  per: 'key',
  requestsPerMinute: requests?.perMinute,
  requestBurst: requests?.burst,
  tokensPerMinute: tokens?.perMinute,
  tokenBurst: tokens?.burst,
  concurrent,
  usd: Object.fromEntries(Object.entries(usd).map(([kind, value]) => [kind, value && value / 1e9])),
  tokens: budget,
  // A rule has to have an amount.
  models: { deny: ['none'] },
  observe,
})

/** Which request of those that were made: the last ones more often. */
const which = fc.nat(3)
const use = fc.record({
  tokens: fc.nat(12),
  nano: fc.oneof(fc.nat(12), fc.nat(12), fc.constant(2n ** 60n)),
})

export const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('check' as const),
      rules: fc.subarray([0, 1, 2]),
      owner: fc.nat(1),
      tokens: fc.nat(12),
      nano: fc.nat(12),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('settle' as const), which, use, owner: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unchecked' as const), use, owner: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('renew', 'release', 'cancel'), which }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), quarters: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('wait' as const), quarters: fc.constantFrom(120, 240) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('jump' as const), to: fc.nat(JUMPS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restore' as const), use, owner: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sweep' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('reload' as const),
      rule: fc.nat(2),
      factor: fc.constantFrom(0.25, 0.5, 2, 4),
      perMinute,
    }),
  },
)

export type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** The rule with other amounts, in another order. */
export function changeAmounts(rule: LimitRule, factor: number, perMinute: number): LimitRule {
  const change = (amount: number): number => Math.max(1, Math.round(amount * factor))
  const changeRate = (rate: Rate | null): Rate | null => rate && { perMinute, burst: change(rate.burst) }
  return {
    ...rule,
    requests: changeRate(rule.requests),
    tokens: changeRate(rule.tokens),
    concurrent: rule.concurrent && change(rule.concurrent),
    budgets: rule.budgets.toReversed().map((budget) => ({ ...budget, amount: change(budget.amount) })),
  }
}

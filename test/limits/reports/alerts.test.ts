import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule, LimitRulesConfig } from '../../../src/config/limit-rules.js'
import { BoundCounters } from '../../../src/lib/limit-counters.js'
import type { LimitCrossing } from '../../../src/limits/counters/store.js'
import { LimitAlerts } from '../../../src/limits/reports/alerts.js'
import { load } from '../../config/load.js'
import { fc } from '../../support/property.js'

const RESETS_AT = Date.parse('2026-12-01T00:00:00Z')

const RULES = load({
  limits: {
    rules: [
      { name: 'team1-month', match: { team: 'team1' }, usd: { month: 500 } },
      { name: 'each', per: 'user', tokens: { day: 1_000 }, observe: true },
    ],
  },
}).limitRules.rules as readonly [LimitRule, LimitRule]

const [POOL, EACH] = RULES

interface Line {
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function open(at: readonly number[] = [50, 80, 100]) {
  const lines: Line[] = []
  const log = { warn: (fields: Line['fields'], message: string) => void lines.push({ fields, message }) }
  const settings: LimitRulesConfig['alerts'] = { url: null, secret: null, at, maxQueued: 10 }
  return { lines, alerts: new LimitAlerts(settings, log, new BoundCounters()) }
}

function crossing(
  rule: LimitRule,
  before: number | bigint,
  after: number | bigint,
  owner = '',
): LimitCrossing {
  const [budget] = rule.budgets
  if (budget === undefined) throw new Error('the rule has no budget')
  return { rule, owner, budget, period: '2026-11@UTC', before, after, resetsAt: RESETS_AT }
}

const usd = (amount: number): number => amount * 1e9

test('a share of a budget of money has a line with amounts in dollars, and a text for the record', () => {
  const { alerts, lines } = open()
  assert.is(alerts.report([crossing(POOL, usd(399.5), usd(401.25))]), 'team1-month usd month 80%')
  assert.equal(lines, [
    {
      fields: {
        rule: 'team1-month',
        owner: null,
        unit: 'usd',
        period: '2026-11@UTC',
        used: 401.25,
        limit: 500,
        share: 80,
        observe: false,
        resets_at: '2026-12-01T00:00:00.000Z',
      },
      message:
        'rule team1-month: 80 % of the month is used, 401.25 of 500 USD, until 2026-12-01T00:00:00.000Z',
    },
  ])
})

test('a line of an owner names the owner, and a rule that only observes says so', () => {
  const { alerts, lines } = open()
  assert.is(alerts.report([crossing(EACH, 0, 1_200, 'team1/alice')]), 'each tokens day 100%')
  assert.is(lines[0]?.fields.owner, 'team1/alice')
  assert.is(lines[0]?.fields.observe, true)
  assert.is(
    lines[0]?.message,
    'rule each, which only observes: 100 % of the day of team1/alice is used, 1200 of 1000 tokens, until 2026-12-01T00:00:00.000Z',
  )
})

test('what crosses no share is not reported', () => {
  const { alerts, lines } = open()
  assert.is(alerts.report([]), null)
  assert.is(alerts.report([crossing(EACH, 0, 499)]), null)
  assert.is(alerts.report([crossing(EACH, 500, 799)]), null)
  assert.is(alerts.report([crossing(EACH, 1_000, 1_000_000)]), null)
  assert.is(open([]).alerts.report([crossing(EACH, 0, 2_000)]), null)
  assert.equal(lines, [])
})

test('a request that brings two budgets to a share has both in its record', () => {
  const { alerts, lines } = open()
  const text = alerts.report([crossing(POOL, 0, usd(250)), crossing(EACH, 799, 800, 'team1/alice')])
  assert.is(text, 'team1-month usd month 50%, each tokens day 80%')
  assert.is(lines.length, 2)
})

test('other shares are in force once the config has changed', () => {
  const { alerts } = open()
  alerts.reconfigure({ url: null, secret: null, at: [90], maxQueued: 10 })
  assert.is(alerts.report([crossing(EACH, 0, 899)]), null)
  assert.is(alerts.report([crossing(EACH, 899, 900)]), 'each tokens day 90%')
})

test('however a budget is used up, each share is reported at most once, and the highest one that is reached is', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }),
      (shares, amount, steps) => {
        const at = shares.toSorted((one, other) => one - other)
        const { alerts, lines } = open(at)
        const budget = { unit: 'tokens', period: 'day', amount } as const
        let used = 0n
        for (const step of steps) {
          const before = used
          used += BigInt(Math.floor((step * amount) / 4))
          alerts.report([{ ...crossing(EACH, before, used), budget }])
        }
        const told = lines.map(({ fields }) => fields.share as number)
        assert.equal(told, [...new Set(told)], 'one of them twice')
        const reached = at.filter((share) => used * 100n >= BigInt(amount) * BigInt(share))
        assert.is(told.at(-1), reached.at(-1))
      },
    ),
  )
})

test('every whole amount has its threshold at the first amount that is at least the share', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: 1, max: 100 }),
      (amount, share) => {
        const { alerts } = open([share])
        const budget = { unit: 'tokens', period: 'day', amount } as const
        const exact = (BigInt(amount) * BigInt(share) + 99n) / 100n
        assert.is(alerts.report([{ ...crossing(EACH, 0, exact - 1n), budget }]), null)
        assert.is.not(alerts.report([{ ...crossing(EACH, exact - 1n, exact), budget }]), null)
        assert.is(alerts.report([{ ...crossing(EACH, exact, exact + 1n), budget }]), null)
      },
    ),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERROR_FORMATS, type ErrorFormat } from '../../../src/api/error-format.js'
import { formatErrorBody } from '../../../src/api/error-response.js'
import { ERRORS } from '../../../src/api/errors.js'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { findHeader } from '../../../src/http/flat-headers.js'
import type { LimitExcess } from '../../../src/limits/counters/store.js'
import {
  describeBarredModel,
  describeRefusal,
  describeUnpriced,
} from '../../../src/limits/responses/refusal.js'
import { readAskedMs } from '../../../src/routing/retry-after.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

const AT = Date.parse('2026-11-29T12:40:30.200Z')
const USD = 1_000_000_000

const RULE = makeRule({
  name: 'team1-month',
  requestsPerMinute: 120,
  requestBurst: 10,
  tokensPerMinute: 400_000,
  concurrent: 20,
  usd: { hour: 1, day: 60, month: 500 },
  tokens: { week: 1_000_000 },
  timezone: 'Europe/Berlin',
  message: 'Ask platform@ for more.',
})
const [HOUR, DAY, MONTH, WEEK] = RULE.budgets

const NO_BUDGET = { budget: null, resetsAt: null }
const REQUESTS: LimitExcess = {
  ...NO_BUDGET,
  rule: RULE,
  kind: 'requests',
  limit: 10,
  used: 10,
  retryMs: 1_500,
}
const TOKENS: LimitExcess = {
  ...NO_BUDGET,
  rule: RULE,
  kind: 'tokens',
  limit: 400_000,
  used: 399_000,
  retryMs: 120.4,
}
const PLACES: LimitExcess = {
  ...NO_BUDGET,
  rule: RULE,
  kind: 'concurrent',
  limit: 20,
  used: 20,
  retryMs: 0,
}
const SPENT: LimitExcess = {
  rule: RULE,
  kind: 'budget',
  budget: MONTH ?? null,
  limit: 500 * USD,
  used: 500n * BigInt(USD) + 12_345_678n,
  retryMs: 1,
  resetsAt: Date.parse('2026-12-01T00:00:00+01:00'),
}
const SPENT_TOKENS: LimitExcess = {
  rule: RULE,
  kind: 'budget',
  budget: WEEK ?? null,
  limit: 1_000_000,
  used: 1_000_001,
  retryMs: 1,
  resetsAt: Date.parse('2026-11-30T00:00:00+01:00'),
}
const HELD: LimitExcess = { ...SPENT, kind: 'held', used: 499 * USD + 999_999_999, retryMs: 0 }

const HELD_TOKENS: LimitExcess = { ...SPENT_TOKENS, kind: 'held', used: 999_000 }

const KINDS: Readonly<Record<string, readonly LimitExcess[]>> = {
  requests: [REQUESTS],
  tokens: [TOKENS],
  concurrent: [PLACES],
  held: [HELD],
  'held tokens': [HELD_TOKENS],
  budget: [SPENT],
  'a budget of tokens': [SPENT_TOKENS],
}

const toObject = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] as string]] : [])))

const SPENT_HEADERS = { 'retry-after': '123570', 'x-should-retry': 'false' }

/** What clients of OpenAI's API get, and of those whose vendors have no such headers. */
const OPENAI_HEADERS: Readonly<Record<string, Record<string, string>>> = {
  requests: {
    'retry-after': '2',
    'retry-after-ms': '1500',
    'x-should-retry': 'true',
    'x-ratelimit-limit-requests': '10',
    'x-ratelimit-remaining-requests': '0',
    // 10 of 120 a minute.
    'x-ratelimit-reset-requests': '5s',
  },
  tokens: {
    'retry-after': '1',
    'retry-after-ms': '121',
    'x-should-retry': 'true',
    'x-ratelimit-limit-tokens': '400000',
    'x-ratelimit-remaining-tokens': '1000',
    'x-ratelimit-reset-tokens': '59.85s',
  },
  concurrent: {
    'retry-after': '1',
    'retry-after-ms': '1000',
    'x-should-retry': 'true',
    'x-ratelimit-limit-requests': '20',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1s',
  },
  held: { 'retry-after': '1', 'retry-after-ms': '1000', 'x-should-retry': 'true' },
  'held tokens': { 'retry-after': '1', 'retry-after-ms': '1000', 'x-should-retry': 'true' },
  budget: SPENT_HEADERS,
  'a budget of tokens': { ...SPENT_HEADERS, 'retry-after': '37170' },
}

const ANTHROPIC_HEADERS: Readonly<Record<string, Record<string, string>>> = {
  ...OPENAI_HEADERS,
  requests: {
    'retry-after': '2',
    'retry-after-ms': '1500',
    'x-should-retry': 'true',
    'anthropic-ratelimit-requests-limit': '10',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': '2026-11-29T12:40:36Z',
  },
  tokens: {
    'retry-after': '1',
    'retry-after-ms': '121',
    'x-should-retry': 'true',
    'anthropic-ratelimit-tokens-limit': '400000',
    'anthropic-ratelimit-tokens-remaining': '1000',
    'anthropic-ratelimit-tokens-reset': '2026-11-29T12:41:31Z',
  },
  concurrent: {
    'retry-after': '1',
    'retry-after-ms': '1000',
    'x-should-retry': 'true',
    'anthropic-ratelimit-requests-limit': '20',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': '2026-11-29T12:40:32Z',
  },
}

const CODES: Readonly<Record<string, readonly [code: string, openai: string, anthropic: string]>> = {
  requests: ['rate_limit_exceeded', 'requests', 'rate_limit_error'],
  tokens: ['rate_limit_exceeded', 'tokens', 'rate_limit_error'],
  concurrent: ['rate_limit_exceeded', 'requests', 'rate_limit_error'],
  held: ['rate_limit_exceeded', 'requests', 'rate_limit_error'],
  'held tokens': ['rate_limit_exceeded', 'tokens', 'rate_limit_error'],
  budget: ['insufficient_quota', 'insufficient_quota', 'billing_error'],
  'a budget of tokens': ['insufficient_quota', 'insufficient_quota', 'billing_error'],
}

for (const format of ERROR_FORMATS)
  for (const [kind, excesses] of Object.entries(KINDS))
    test(`a refusal for ${kind} in the format ${format} has its headers, type and code`, () => {
      const refusal = describeRefusal(excesses, format, AT)
      const isSpent = excesses[0]?.kind === 'budget'
      const table = format === 'anthropic' ? ANTHROPIC_HEADERS : OPENAI_HEADERS
      const expected = table[kind] ?? {}
      // Their clients sleep before they try again after a 429, whatever `x-should-retry` says.
      const isImpatient = isSpent && (format === 'cohere' || format === 'bedrock')
      assert.equal(toObject(refusal.headers), isImpatient ? { 'x-should-retry': 'false' } : expected)
      assert.is(refusal.rule, RULE)
      assert.is(refusal.code, isSpent ? 'budget_exceeded' : 'rate_limit_exceeded')
      assert.is(ERRORS[refusal.code].status, 429)
      const body = JSON.parse(formatErrorBody(refusal.code, format, 'r1', refusal))
      const [code, openai, anthropic] = CODES[kind] ?? []
      if (format === 'openai')
        assert.equal(body, { error: { message: refusal.message, type: openai, param: null, code } })
      if (format === 'anthropic') assert.equal(body.error, { type: anthropic, message: refusal.message })
      if (format === 'gemini') {
        assert.is(body.error.status, 'RESOURCE_EXHAUSTED')
        const [, pause] = body.error.details
        const ms = expected['retry-after-ms']
        assert.is(pause?.retryDelay, ms === undefined ? undefined : `${Number(ms) / 1_000}s`)
      }
      assert.ok(JSON.stringify(body).includes(JSON.stringify(refusal.message).slice(1, -1)))
    })

const START = 'Rate limit reached: the rule "team1-month" allows'
const MESSAGES: Readonly<Record<string, string>> = {
  requests: `${START} 120 requests a minute (10 at once) for all its users together, and 10 of 10 are used. Please try again in 1.5s. All of it is back at 2026-11-29 13:40:36 Europe/Berlin (UTC+01:00). Ask platform@ for more.`,
  tokens: `${START} 400,000 tokens a minute for all its users together, and 399,000 of 400,000 are used; what is left is too little for this request. Please try again in 0.121s. All of it is back at 2026-11-29 13:41:31 Europe/Berlin (UTC+01:00). Ask platform@ for more.`,
  concurrent: `${START} 20 requests at one time for all its users together, and 20 are in flight. Please try again in 1s. Ask platform@ for more.`,
  held: `${START} $500.00 a month for all its users together, of which $499.99 is used, and the rest is held for requests in flight. Please try again in 1s. It resets at 2026-12-01 00:00 Europe/Berlin (UTC+01:00). Ask platform@ for more.`,
  'held tokens': `${START} 1,000,000 tokens a week for all its users together, of which 999,000 tokens are used, and the rest is held for requests in flight. Please try again in 1s. It resets at 2026-11-30 00:00 Europe/Berlin (UTC+01:00). Ask platform@ for more.`,
  budget:
    'You exceeded your current quota: the rule "team1-month" allows $500.00 a month for all its users together, and $500.01 is used. It resets at 2026-12-01 00:00 Europe/Berlin (UTC+01:00). Ask platform@ for more.',
  'a budget of tokens':
    'You exceeded your current quota: the rule "team1-month" allows 1,000,000 tokens a week for all its users together, and 1,000,001 tokens are used. It resets at 2026-11-30 00:00 Europe/Berlin (UTC+01:00). Ask platform@ for more.',
}

for (const [kind, message] of Object.entries(MESSAGES))
  test(`the message of a refusal for ${kind} names the rule, what is used, the limit and the reset`, () => {
    for (const format of ERROR_FORMATS)
      assert.is(describeRefusal(KINDS[kind] ?? [], format, AT).message, message)
  })

const withRule = (excess: LimitExcess, rule: LimitRule): LimitExcess => ({ ...excess, rule })

test('a message says whose limit it is, and whom to ask if the operator does not', () => {
  const said = (entry: object): string =>
    describeRefusal([withRule(PLACES, makeRule({ name: 'r', concurrent: 20, ...entry }))], 'openai', AT)
      .message
  assert.match(said({ per: 'key' }), / 20 requests at one time for each key, and 20 are in flight\./)
  assert.match(said({ per: 'user' }), / for each user, /)
  assert.match(said({ per: 'team' }), / for each team, /)
  assert.match(said({ per: 'env' }), / for each environment, /)
  assert.match(said({}), / Please try again in 1s\. Ask the operator of this relay for more\.$/)
})

const RESETS: readonly (readonly [zone: string, at: string, shown: string])[] = [
  ['UTC', '2026-12-01T00:00:00Z', '2026-12-01 00:00 UTC'],
  ['Europe/Berlin', '2026-12-01T00:00:00+01:00', '2026-12-01 00:00 Europe/Berlin (UTC+01:00)'],
  ['Europe/Berlin', '2026-07-01T00:00:00+02:00', '2026-07-01 00:00 Europe/Berlin (UTC+02:00)'],
  // This hour comes twice.
  ['Europe/Berlin', '2026-10-25T02:00:00+02:00', '2026-10-25 02:00 Europe/Berlin (UTC+02:00)'],
  ['Europe/Berlin', '2026-10-25T02:00:00+01:00', '2026-10-25 02:00 Europe/Berlin (UTC+01:00)'],
  ['America/Sao_Paulo', '2026-12-01T00:00:00-03:00', '2026-12-01 00:00 America/Sao_Paulo (UTC-03:00)'],
  ['America/St_Johns', '2026-12-01T00:00:00-03:30', '2026-12-01 00:00 America/St_Johns (UTC-03:30)'],
  ['Pacific/Apia', '2026-12-01T00:00:00+13:00', '2026-12-01 00:00 Pacific/Apia (UTC+13:00)'],
]

for (const [timezone, moment, shown] of RESETS)
  test(`a budget that resets at ${moment} says so in its zone: ${shown}`, () => {
    const rule = makeRule({ name: 'r', usd: { hour: 1 }, timezone })
    const at = Date.parse(moment)
    const { message } = describeRefusal(
      [{ ...SPENT, rule, budget: HOUR ?? null, limit: USD, used: USD, resetsAt: at }],
      'openai',
      at - 60_000,
    )
    assert.ok(message.includes(` It resets at ${shown}. `), message)
  })

const MONEY: readonly (readonly [limit: number, used: bigint, shown: string])[] = [
  [500, 500_012_345_678n, '$500.00 a month for all its users together, and $500.01 is used'],
  [500, 500_000_000_001n, '$500.00 a month for all its users together, and $500.00 is used'],
  [
    1_234_567 / 2,
    1_234_567_890_000_000n,
    '$617,283.50 a month for all its users together, and $1,234,567.89 is used',
  ],
  // All digits of a limit are shown, and as many of what is used.
  [1.0005, 1_000_600_000n, '$1.0005 a month for all its users together, and $1.0006 is used'],
  [0.0005, 512_345n, '$0.0005 a month for all its users together, and $0.000512 is used'],
  [0.000000001, 3n, '$0.000000001 a month for all its users together, and $0.000000003 is used'],
  [0.5, 501_000_000n, '$0.50 a month for all its users together, and $0.501 is used'],
  [1, 10n ** 18n, '$1.00 a month for all its users together, and $1,000,000,000.00 is used'],
]

for (const [limit, used, shown] of MONEY)
  test(`money reads as ${shown}`, () => {
    const rule = makeRule({ name: 'r', usd: { month: limit } })
    const budget = rule.budgets[0] ?? null
    const excess = { ...SPENT, rule, budget, limit: budget?.amount ?? 0, used }
    assert.ok(describeRefusal([excess], 'openai', AT).message.includes(`allows ${shown}.`))
  })

// Several rules

const OTHER = makeRule({ name: 'other', usd: { day: 60 }, timezone: 'UTC' })
const SPENT_DAY: LimitExcess = {
  ...SPENT,
  rule: OTHER,
  budget: DAY ?? null,
  limit: 60 * USD,
  used: 60 * USD,
  resetsAt: Date.parse('2026-11-30T00:00:00Z'),
}
const SPENT_NOW: LimitExcess = { ...SPENT_DAY, resetsAt: AT + 500 }

const SEVERAL: readonly (readonly [string, readonly LimitExcess[], LimitExcess])[] = [
  ['the longer of two budgets', [SPENT_DAY, SPENT], SPENT],
  ['the longer wait of two rates', [TOKENS, REQUESTS], REQUESTS],
  ['a budget, and not a rate', [REQUESTS, SPENT_DAY, TOKENS], SPENT_DAY],
  ['a rate, and not a budget that resets before it', [SPENT_NOW, REQUESTS], REQUESTS],
  ['a budget, and not one of which the rest is held', [HELD, SPENT_DAY], SPENT_DAY],
]

for (const [name, excesses, last] of SEVERAL)
  test(`of several rules the one that resets last is named: ${name}`, () => {
    for (const order of [excesses, [...excesses].reverse()]) {
      const refusal = describeRefusal(order, 'openai', AT)
      const alone = describeRefusal([last], 'openai', AT)
      assert.is(refusal.message, alone.message)
      assert.is(refusal.rule, last.rule)
      assert.is(refusal.code, alone.code)
      assert.is(findHeader(refusal.headers, 'retry-after'), findHeader(alone.headers, 'retry-after'))
    }
  })

test('several rates that are used up are all told in headers', () => {
  const { headers } = describeRefusal([TOKENS, REQUESTS, PLACES], 'openai', AT)
  assert.is(findHeader(headers, 'x-ratelimit-limit-requests'), '10')
  assert.is(findHeader(headers, 'x-ratelimit-limit-tokens'), '400000')
})

test('a client is asked to wait a minute at most', () => {
  const retryOf = (retryMs: number): string | undefined =>
    findHeader(describeRefusal([{ ...TOKENS, retryMs }], 'openai', AT).headers, 'x-should-retry')
  assert.is(retryOf(60_000), 'true')
  assert.is(retryOf(60_001), 'false')
})

// For any excesses

const anyExcess: fc.Arbitrary<LimitExcess> = fc.record({
  rule: fc.constant(RULE),
  kind: fc.constantFrom<LimitExcess['kind'][]>('requests', 'tokens', 'concurrent'),
  budget: fc.constant(null),
  limit: fc.integer({ min: 1, max: 10_000_000 }),
  used: fc.double({ min: 0, max: 2e7, noNaN: true }),
  retryMs: fc.double({ min: 0, max: 1e8, noNaN: true }),
  resetsAt: fc.constant(null),
})
const anyBudget: fc.Arbitrary<LimitExcess> = fc.record({
  rule: fc.constant(RULE),
  kind: fc.constantFrom<LimitExcess['kind'][]>('budget', 'held'),
  budget: fc.constantFrom(...RULE.budgets),
  limit: fc.integer({ min: 1 }),
  used: fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 10n ** 24n })),
  retryMs: fc.nat(),
  resetsAt: fc.integer({ min: AT - 10_000, max: AT + 32 * 86_400_000 }),
})

test('whoever waits as long as told has waited for every rule, and Codex reads the same pause', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyExcess, anyBudget), { minLength: 1, maxLength: 6 }),
      fc.constantFrom<ErrorFormat[]>('openai', 'anthropic'),
      (excesses, format) => {
        const { code, message, headers, rule } = describeRefusal(excesses, format, AT)
        const asked = readAskedMs(headers, AT) ?? 0
        for (const { kind, resetsAt, retryMs } of excesses)
          assert.ok(asked >= (kind === 'budget' ? (resetsAt ?? 0) - AT : retryMs), `${asked} ${kind}`)
        const seconds = findHeader(headers, 'retry-after') ?? ''
        assert.match(seconds, /^[1-9]\d*$/)
        assert.ok(Number(seconds) * 1_000 >= asked)
        for (const value of headers) assert.match(value, /^[\x21-\x7e]+$/)
        assert.match(message, /^[^\n]+$/)
        assert.ok(message.includes(`"${rule.name}"`))
        if (code !== 'rate_limit_exceeded') return
        const [, pause] = /try again in\s*(\d+(?:\.\d+)?)s/i.exec(message) ?? []
        assert.is(Math.round(Number(pause) * 1_000), asked)
      },
    ),
  )
})

// Models

test('a refused model names the rule and what it allows', () => {
  const rule = makeRule({
    name: 'no-opus',
    models: { allow: ['gpt-*', 'claude-haiku-*'], deny: 'claude-opus-*' },
  })
  const refusal = describeBarredModel(rule)
  assert.is(refusal.code, 'model_not_allowed')
  assert.is(ERRORS[refusal.code].status, 403)
  assert.is(
    refusal.message,
    'The rule "no-opus" does not allow this model. It allows: gpt-*, claude-haiku-*. It denies: claude-opus-*. Ask the operator of this relay which models may be used.',
  )
  const many = makeRule({ name: 'many', models: { deny: Array.from({ length: 12 }, (_, i) => `m${i}`) } })
  assert.match(describeBarredModel(many).message, /It denies: m0, .*, m9 and 2 more\. /)
  assert.match(describeUnpriced(RULE).message, /"team1-month" limits money.*Ask platform@ for more\.$/)
})

test.run()

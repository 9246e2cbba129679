import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { type LimitLeft, LimitTicket } from '../../../src/exchange/limit-ticket.js'
import { addLimitHeaders } from '../../../src/limits/responses/response-headers.js'
import { makeRule } from '../../support/limit-rules.js'

const AT = Date.parse('2026-11-29T12:00:00Z')
const NOW = AT + 1_500
const USD = 1_000_000_000

const RULE = makeRule({
  requestsPerMinute: 120,
  tokensPerMinute: 400_000,
  usd: { day: 60, month: 500 },
  tokens: { hour: 1_000, week: 1_000_000 },
})
const [DAY, MONTH, HOUR, WEEK] = RULE.budgets

const left = (
  budget: LimitRule['budgets'][number] | null | undefined,
  limit: number,
  remaining: number,
  resetMs: number,
): LimitLeft => ({ rule: RULE, budget: budget ?? null, limit, remaining, resetMs })

function headersOf(
  lefts: { requests?: LimitLeft; tokens?: LimitLeft; usd?: LimitLeft },
  upstream: readonly string[] = [],
  status = 200,
): Record<string, string> {
  const ticket = new LimitTicket([], 0, 0, AT, 0)
  ticket.requestsLeft = lefts.requests ?? null
  ticket.tokensLeft = lefts.tokens ?? null
  ticket.usdLeft = lefts.usd ?? null
  const headers = [...upstream]
  addLimitHeaders(headers, ticket, status, NOW)
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] as string] as const] : []))
  assert.is(new Set(pairs.map(([name]) => name)).size, pairs.length, 'a name comes twice')
  return Object.fromEntries(pairs)
}

const REQUESTS = left(null, 120, 118.7, 650)
const TOKENS = left(null, 400_000, 399_000.9, 61_000)
const MONEY = left(MONTH, 500 * USD, 12_340_000_000, 86_400_000)

test('a response tells what is left of requests, tokens and money, and in how many seconds it is whole', () => {
  assert.equal(headersOf({ requests: REQUESTS, tokens: TOKENS, usd: MONEY }), {
    'x-thinwire-limit-requests': '120',
    'x-thinwire-limit-remaining-requests': '118',
    'x-thinwire-limit-reset-requests': '0',
    'x-thinwire-limit-tokens': '400000',
    'x-thinwire-limit-remaining-tokens': '399000',
    'x-thinwire-limit-reset-tokens': '60',
    'x-thinwire-limit-usd': '500',
    'x-thinwire-limit-remaining-usd': '12.34',
    'x-thinwire-limit-reset-usd': '86399',
  })
})

/** Names are kept as the upstream wrote them. */
const LIMITS_OF_UPSTREAM = [
  'X-RateLimit-Remaining-Requests',
  '9',
  'anthropic-ratelimit-tokens-remaining',
  '1000',
  'Retry-After',
  '1',
]

test("the upstream's own limits stay as they are", () => {
  const headers = headersOf({ requests: REQUESTS, usd: MONEY }, LIMITS_OF_UPSTREAM)
  assert.is(headers['X-RateLimit-Remaining-Requests'], '9')
  assert.is(headers['anthropic-ratelimit-tokens-remaining'], '1000')
  assert.is(headers['Retry-After'], '1')
})

test('a request without an amount that is left changes nothing', () => {
  const upstream = [...LIMITS_OF_UPSTREAM, 'X-Thinwire-Limit-USD', '7']
  assert.equal(Object.keys(headersOf({}, upstream)).length, upstream.length / 2)
})

test('limits of another relay behind this one are replaced, as they are those of its key', () => {
  const upstream = [
    'X-Thinwire-Limit-USD',
    '7',
    'x-thinwire-limit-remaining-tokens',
    '8',
    'x-thinwire-error',
    'x',
  ]
  const headers = headersOf({ requests: REQUESTS }, upstream)
  assert.equal(Object.keys(headers).sort(), [
    'x-thinwire-error',
    'x-thinwire-limit-remaining-requests',
    'x-thinwire-limit-requests',
    'x-thinwire-limit-reset-requests',
  ])
})

/** As it was seen in a response to Claude Code. */
const FAMILY = [
  'anthropic-ratelimit-unified-5h-reset',
  '1785518400',
  'anthropic-ratelimit-unified-5h-status',
  'allowed',
  'anthropic-ratelimit-unified-5h-utilization',
  '0.41',
  'Anthropic-Ratelimit-Unified-7d-Reset',
  '1786006800',
  'anthropic-ratelimit-unified-7d-status',
  'allowed',
  'anthropic-ratelimit-unified-7d-utilization',
  '0.69',
  'anthropic-ratelimit-unified-fallback-percentage',
  '0.5',
  'anthropic-ratelimit-unified-overage-disabled-reason',
  'org_level_disabled',
  'anthropic-ratelimit-unified-overage-status',
  'rejected',
  'anthropic-ratelimit-unified-representative-claim',
  'five_hour',
  'anthropic-ratelimit-unified-reset',
  '1785518400',
  'anthropic-ratelimit-unified-status',
  'allowed',
]

const familyOf = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const [, field] = /^anthropic-ratelimit-unified-(.+)$/i.exec(name) ?? []
      return field === undefined ? [] : [[field, value] as const]
    }),
  )

const UNCHANGED = familyOf(
  Object.fromEntries(FAMILY.flatMap((name, i) => (i % 2 === 0 ? [[name, FAMILY[i + 1] as string]] : []))),
)

test('the family that Claude Code shows as the plan is replaced as a whole where money is limited', () => {
  assert.equal(familyOf(headersOf({ usd: MONEY }, FAMILY)), {
    status: 'allowed_warning',
    reset: String((AT + 86_400_000) / 1_000),
    'representative-claim': 'seven_day',
    '7d-status': 'allowed_warning',
    '7d-reset': String((AT + 86_400_000) / 1_000),
    '7d-utilization': '0.9753',
    '7d-surpassed-threshold': '0.8',
  })
})

test('of two budgets the one that is used most speaks for the plan', () => {
  const usd = left(DAY, 60 * USD, 30 * USD, 3_600_500)
  const tokens = left(WEEK, 1_000_000, 900_000, 7_200_000)
  assert.equal(familyOf(headersOf({ usd, tokens }, FAMILY)), {
    status: 'allowed',
    reset: String(AT / 1_000 + 3_601),
    'representative-claim': 'five_hour',
    '5h-status': 'allowed',
    '5h-reset': String(AT / 1_000 + 3_601),
    '5h-utilization': '0.5',
    '7d-status': 'allowed',
    '7d-reset': String(AT / 1_000 + 7_200),
    '7d-utilization': '0.1',
  })
  const sameWindow = familyOf(headersOf({ usd, tokens: left(HOUR, 1_000, 50, 60_000) }, FAMILY))
  assert.is(sameWindow['5h-utilization'], '0.95')
  assert.is(sameWindow['5h-reset'], sameWindow.reset)
})

test('a budget that this request has used up is a warning: the request has passed', () => {
  const family = familyOf(headersOf({ usd: left(DAY, 60 * USD, -5, 1_000) }, FAMILY))
  assert.is(family.status, 'allowed_warning')
  assert.is(family['5h-utilization'], '1')
})

test('the family stays as a whole where there is no budget, or where it explains a refusal', () => {
  assert.equal(familyOf(headersOf({ requests: REQUESTS, tokens: TOKENS }, FAMILY)), UNCHANGED)
  assert.equal(familyOf(headersOf({ usd: MONEY }, FAMILY, 429)), UNCHANGED)
})

test('no family is made up for an upstream that sends none', () => {
  assert.equal(familyOf(headersOf({ usd: MONEY, tokens: TOKENS }, LIMITS_OF_UPSTREAM)), {})
})

test.run()

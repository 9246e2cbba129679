import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { describeRefusal } from '../../../src/limits/responses/refusal.js'
import { formatErrorEvent } from '../../../src/relay/websocket/error-event.js'
import { makeRule } from '../../support/limit-rules.js'

const RULE = makeRule({ name: 'everyone', requestsPerMinute: 120, usd: { day: 60 } })
const AT = Date.parse('2026-11-29T12:00:00Z')
const ABOUT = { lane: 's1', eventId: 'e1' }

const limited = describeRefusal(
  [{ rule: RULE, kind: 'requests', budget: null, limit: 120, used: 120, retryMs: 500, resetsAt: null }],
  'openai',
  AT,
)
const spent = describeRefusal(
  [
    {
      rule: RULE,
      kind: 'budget',
      budget: RULE.budgets[0] ?? null,
      limit: 60e9,
      used: 61e9,
      retryMs: 1,
      resetsAt: AT + 3_600_000,
    },
  ],
  'openai',
  AT,
)

test('a refused response of a WebSocket says what a refused request does, with status and headers', () => {
  const style = { isRealtime: false, requestId: 'r1' }
  assert.equal(JSON.parse(formatErrorEvent(limited.code, limited, style, ABOUT)), {
    type: 'error',
    status: 429,
    error: { message: limited.message, type: 'requests', param: null, code: 'rate_limit_exceeded' },
    headers: {
      'retry-after': '1',
      'retry-after-ms': '500',
      'x-should-retry': 'true',
      'x-ratelimit-limit-requests': '120',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '1m0s',
    },
    stream_id: 's1',
  })
  assert.equal(JSON.parse(formatErrorEvent(spent.code, spent, style, { lane: '', eventId: null })), {
    type: 'error',
    status: 429,
    error: {
      message: spent.message,
      type: 'insufficient_quota',
      param: null,
      code: 'insufficient_quota',
    },
    headers: { 'retry-after': '3600', 'x-should-retry': 'false' },
  })
})

test('the Realtime API has an id for the event, and no place for headers', () => {
  assert.equal(
    JSON.parse(formatErrorEvent(spent.code, spent, { isRealtime: true, requestId: 'r1' }, ABOUT)),
    {
      type: 'error',
      event_id: 'event_r1',
      error: {
        message: spent.message,
        type: 'insufficient_quota',
        param: null,
        code: 'insufficient_quota',
        event_id: 'e1',
      },
    },
  )
})

test('an error without headers of its own has none', () => {
  const style = { isRealtime: false, requestId: 'r1' }
  const event = JSON.parse(formatErrorEvent('no_route', {}, style, { lane: '', eventId: null }))
  assert.equal(Object.keys(event), ['type', 'status', 'error'])
})

test.run()

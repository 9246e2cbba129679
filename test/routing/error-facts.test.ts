import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseJson } from '../../src/json/values.js'
import { findDelayMs, parseDurationMs } from '../../src/routing/delay-text.js'
import { readErrorBody } from '../../src/routing/error-facts.js'
import { fc } from '../support/property.js'

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0)

const read = (body: unknown) => readErrorBody(Buffer.from(JSON.stringify(body)), NOW)

/** Bodies, the words in them, and when to ask again. */
const BODIES: readonly (readonly [string, unknown, string, number | null])[] = [
  [
    'OpenAI',
    { error: { message: 'x', type: 'insufficient_quota', param: null, code: 'insufficient_quota' } },
    'insufficient_quota',
    null,
  ],
  [
    'OpenAI, a limit',
    {
      error: {
        message:
          'Rate limit reached for gpt in organization org-x on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 7.5s. Visit https://x.',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    },
    'tokens rate_limit_exceeded',
    7_500,
  ],
  [
    'OpenAI, milliseconds',
    { error: { message: 'Please try again in 20ms.', code: 'rate_limit_exceeded' } },
    'rate_limit_exceeded',
    20,
  ],
  [
    'Groq, a day',
    {
      error: {
        message: 'tokens per day (TPD): Limit 100000. Please try again in 7m12.5s.',
        code: 'rate_limit_exceeded',
      },
    },
    'rate_limit_exceeded',
    432_500,
  ],
  [
    'Azure',
    {
      error: {
        code: '429',
        message: 'Requests have exceeded the rate limit. Please retry after 26 seconds.',
      },
    },
    '429',
    26_000,
  ],
  [
    'Azure, a gateway',
    { statusCode: 429, message: 'Rate limit is exceeded. Try again in 1 minute.' },
    '',
    60_000,
  ],
  [
    'Anthropic',
    { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'r' },
    'overloaded_error',
    null,
  ],
  [
    'Anthropic, own limit',
    {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message:
          'You have reached your specified API usage limits. You will regain access on 2026-01-16 at 00:00 UTC.',
      },
    },
    'invalid_request_error',
    43_200_000,
  ],
  [
    'Gemini',
    {
      error: {
        code: 429,
        message: 'Quota exceeded. Please retry in 34.07s.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          { '@type': 'type.googleapis.com/google.rpc.QuotaFailure' },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
        ],
      },
    },
    '429 resource_exhausted',
    34_000,
  ],
  [
    'Gemini, a list',
    [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', details: [{ retryDelay: '1.5s' }] } }],
    '429 resource_exhausted',
    1_500,
  ],
  [
    'Gemini, a key',
    { error: { code: 400, status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] } },
    '400 invalid_argument api_key_invalid',
    null,
  ],
  [
    'AWS',
    { __type: 'com.amazon.coral.service#AccessDeniedException', Message: 'no' },
    'accessdeniedexception',
    null,
  ],
  [
    'OpenRouter',
    {
      error: { code: 429, message: 'x', metadata: { headers: { 'X-RateLimit-Reset': String(NOW + 5_000) } } },
    },
    '429',
    5_000,
  ],
  ['FastAPI', { detail: 'Not authenticated' }, '', null],
  [
    'a response that failed',
    {
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'server_error', message: 'x' } },
    },
    'server_error failed',
    null,
  ],
  ['members with numbers', { error: { type: 'x', retry_after: 12 } }, 'x', 12_000],
  ['members with texts', { error: { type: 'x', retry_after_seconds: '2.5' } }, 'x', 2_500],
  ['milliseconds', { retry_after_ms: 150, error: { type: 'x' } }, 'x', 150],
  ['an error as a text', { error: 'model is overloaded, retry in 3 seconds' }, '', 3_000],
]

for (const [name, body, words, delayMs] of BODIES) {
  test(`the error of ${name} is read: ${words || 'no word'}, ${delayMs} ms`, () => {
    const facts = read(body)
    assert.is(facts?.words.join(' '), words)
    assert.is(facts?.delayMs, delayMs)
  })
}

test('what is no JSON object has no facts', () => {
  for (const text of ['', '<html>try again in 5s</html>', '"x"', '[]', '[1]', 'null', '{"error":', '5'])
    assert.is(readErrorBody(Buffer.from(text), NOW), null, text)
})

test('any JSON is read without an exception, and a delay is never negative or without end', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const delayMs = readErrorBody(Buffer.from(`{"error":${json},"retry_after":${json}}`), NOW)?.delayMs ?? 0
      assert.ok(parseJson(json) === undefined || (delayMs >= 0 && Number.isFinite(delayMs)))
    }),
  )
})

test('a long message is read in linear time, and only its beginning', () => {
  for (const part of ['try again in ', '1m ', 'retry ', '1 ', '9'.repeat(50)]) {
    const facts = read({ error: { message: part.repeat(20_000) } })
    assert.ok((facts?.message.length ?? 0) <= 2_000)
  }
})

const DURATIONS: readonly (readonly [string, number | null])[] = [
  ['7.5s', 7_500],
  ['20ms', 20],
  ['1m30s', 90_000],
  ['6m0s', 360_000],
  ['2h', 7_200_000],
  ['1h2m3.5s', 3_723_500],
  ['1 minute and 5 seconds', 65_000],
  ['2 minutes, 5 secs', 125_000],
  ['1 day', 86_400_000],
  ['5', null],
  ['', null],
  ['s', null],
  ['5 apples', null],
  ['5sx', null],
  ['-5s', null],
]

for (const [text, ms] of DURATIONS) {
  test(`"${text}" ${ms === null ? 'is no duration' : `takes ${ms} ms`}`, () => {
    assert.is(parseDurationMs(text), ms)
    if (ms !== null) assert.is(findDelayMs(`Slow down. Please try again in ${text}.`, NOW), ms)
  })
}

test('every duration is read back', () => {
  const part = fc.tuple(fc.nat(59), fc.nat(59), fc.nat(999))
  fc.assert(
    fc.property(part, ([minutes, seconds, ms]) => {
      const text = `${minutes}m${seconds}.${String(ms).padStart(3, '0')}s`
      assert.is(parseDurationMs(text), minutes * 60_000 + seconds * 1_000 + ms)
    }),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildErrorHeaders, ERRORS, type ErrorCode, formatErrorBody } from '../../src/api/errors.js'
import { findHeader } from '../../src/http/flat-headers.js'

const CODES = Object.keys(ERRORS) as ErrorCode[]

test("every error has OpenAI's four fields, and says something", () => {
  for (const code of CODES) {
    const body = JSON.parse(formatErrorBody(code, 'openai', 'r1'))
    assert.equal(Object.keys(body), ['error'])
    assert.equal(Object.keys(body.error), ['message', 'type', 'param', 'code'])
    assert.is(body.error.code, code)
    assert.ok(body.error.message.length > 10)
    assert.is(typeof body.error.type, 'string')
  }
})

test("every error has Anthropic's shape, and says the same", () => {
  for (const code of CODES) {
    const body = JSON.parse(formatErrorBody(code, 'anthropic', 'r1'))
    assert.equal(body, {
      type: 'error',
      error: { type: ERRORS[code].anthropic, message: ERRORS[code].message },
      request_id: 'r1',
    })
  }
})

test('every error is JSON of its true length, told apart by a header, readable from a page', () => {
  for (const code of CODES) {
    const headers = buildErrorHeaders(code, 'openai', 'r1', 7)
    assert.is(findHeader(headers, 'content-length'), '7')
    assert.is(findHeader(headers, 'x-thinwire-error'), code)
    assert.is(findHeader(headers, 'x-request-id'), 'r1')
    assert.is(findHeader(headers, 'access-control-allow-origin'), '*')
    assert.match(findHeader(headers, 'content-type') ?? '', /^application\/json/)
  }
})

test('clients are told not to repeat what cannot succeed or may have cost, and to wait where waiting helps', () => {
  for (const code of CODES) {
    const { status, retry } = ERRORS[code]
    const headers = buildErrorHeaders(code, 'openai', 'r1', 0)
    assert.is(findHeader(headers, 'x-should-retry'), retry === null ? undefined : String(retry), code)
    assert.is(findHeader(headers, 'retry-after') !== undefined, status === 429 || status === 503, code)
    if (status >= 400 && status < 408) assert.is(retry, false, code)
  }
  assert.is(ERRORS.upstream_timeout.retry, false)
})

test.run()

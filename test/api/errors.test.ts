import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { describeRefusedKey } from '../../src/access/refused-key.js'
import { ERROR_FORMATS } from '../../src/api/error-format.js'
import { buildErrorHeaders, formatErrorBody } from '../../src/api/error-response.js'
import { ERRORS, type ErrorCode } from '../../src/api/errors.js'
import { findHeader, findHeaders } from '../../src/http/flat-headers.js'

const CODES = Object.keys(ERRORS) as ErrorCode[]

test("in OpenAI's format every error has the four fields of one, and a message", () => {
  for (const code of CODES) {
    const body = JSON.parse(formatErrorBody(code, 'openai', 'r1'))
    assert.equal(Object.keys(body), ['error'])
    assert.equal(Object.keys(body.error), ['message', 'type', 'param', 'code'])
    // What is not there, and what is used up, is said as the vendor says it.
    const own: Partial<Record<ErrorCode, string | null>> = {
      object_not_found: null,
      budget_exceeded: 'insufficient_quota',
    }
    assert.is(body.error.code, own[code] === undefined ? code : own[code])
    assert.ok(body.error.message.length > 10)
    assert.is(typeof body.error.type, 'string')
  }
})

test("in Anthropic's format every error has the same message and a request id", () => {
  for (const code of CODES) {
    const body = JSON.parse(formatErrorBody(code, 'anthropic', 'r1'))
    assert.equal(body, {
      type: 'error',
      error: { type: ERRORS[code].anthropic, message: ERRORS[code].message },
      request_id: 'r1',
    })
  }
})

/** The enumerations of the vendors: Anthropic's API reference, Errors; OpenAI's, Error codes; `google.rpc.Code`. */
const ANTHROPIC: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}
const GOOGLE: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}
const OPENAI_TYPES = ['invalid_request_error', 'server_error', 'requests', 'insufficient_quota']

for (const format of ERROR_FORMATS)
  for (const code of CODES)
    test(`${code} in the format ${format} is what the vendor documents for its status`, () => {
      const { status, message } = ERRORS[code]
      const body = JSON.parse(formatErrorBody(code, format, 'r1'))
      switch (format) {
        case 'openai':
          assert.ok(OPENAI_TYPES.includes(body.error.type))
          assert.is(body.error.type === 'server_error', status >= 500)
          return
        case 'anthropic': {
          const other = status < 500 ? 'invalid_request_error' : 'api_error'
          const spent = code === 'budget_exceeded' ? 'billing_error' : undefined
          assert.is(body.error.type, spent ?? ANTHROPIC[status] ?? other)
          return
        }
        case 'gemini': {
          const details = [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: code.toUpperCase(),
              domain: 'thinwire',
            },
          ]
          const word = GOOGLE[status] ?? 'INVALID_ARGUMENT'
          assert.equal(body, { error: { code: status, message, status: word, details } })
          // AIP-193.
          assert.match(details[0]?.reason ?? '', /^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$/)
          return
        }
        case 'ollama':
          assert.equal(body, { error: message })
          return
        case 'cohere':
          assert.equal(body, { id: 'r1', message })
          return
        case 'bedrock':
          assert.equal(body, { message })
      }
    })

const KEY = 'lc_prod_team1_ada_0123456789abcdefghijWXYZ'

test("a refused key is reported in OpenAI's words, with little of the key, and our advice behind", () => {
  const told = (code: ErrorCode, ...keys: string[]) => describeRefusedKey(code, keys)
  for (const code of CODES.filter((each) => ERRORS[each].status === 401 && each !== 'missing_api_key'))
    assert.is(told(code, KEY), `Incorrect API key provided: lc_****WXYZ. ${ERRORS[code].message}`)
  assert.match(
    told('malformed_api_key', 'sk-0123456789abcdefghij') ?? '',
    /provided: sk-\*{4}ghij\. This is not/,
  )
  assert.match(told('malformed_api_key', 'sk-0123456789abcdefghij', KEY) ?? '', /provided: lc_\*{4}WXYZ\. /)
  for (const odd of ['', 'short', 'lc_short', 'ä'.repeat(40), '<script>alert("x")</script>'])
    assert.match(told('malformed_api_key', odd) ?? '', /provided: \*{4}\. /, odd)
  assert.is(told('missing_api_key'), undefined)
  assert.is(told('draining', KEY), undefined)
  assert.match(ERRORS.missing_api_key.message, /^You didn't provide an API key\. /)
})

test("in Bedrock's format every error is a message, and its name is in a header", () => {
  for (const code of CODES) {
    assert.equal(JSON.parse(formatErrorBody(code, 'bedrock', 'r1')), { message: ERRORS[code].message })
    const name = findHeader(buildErrorHeaders(code, 'bedrock', 'r1', 7), 'x-amzn-errortype')
    assert.match(name ?? '', /^[A-Z]\w+Exception$/)
    assert.is(findHeader(buildErrorHeaders(code, 'openai', 'r1', 7), 'x-amzn-errortype'), undefined)
  }
})

test('the headers of an error have its length and its code, and let web pages read it', () => {
  for (const code of CODES) {
    const headers = buildErrorHeaders(code, 'openai', 'r1', 7)
    assert.is(findHeader(headers, 'content-length'), '7')
    assert.is(findHeader(headers, 'x-thinwire-error'), code)
    assert.is(findHeader(headers, 'x-request-id'), 'r1')
    assert.is(findHeader(headers, 'access-control-allow-origin'), '*')
    assert.match(findHeader(headers, 'content-type') ?? '', /^application\/json/)
  }
})

test('an error forbids a retry that cannot succeed or may cost twice, and asks for a pause where it helps', () => {
  for (const code of CODES) {
    const { status, retry } = ERRORS[code]
    const headers = buildErrorHeaders(code, 'openai', 'r1', 0)
    assert.is(findHeader(headers, 'x-should-retry'), retry === null ? undefined : String(retry), code)
    // A 429 says how long to wait only where that is known: else each client has its own pause, and they do not all
    // come back at the same time.
    const pause = status === 503 ? '1' : code === 'too_many_refusals' ? '60' : undefined
    assert.is(findHeader(headers, 'retry-after'), pause, code)
    if (status >= 400 && status < 408) assert.is(retry, false, code)
  }
  assert.is(ERRORS.upstream_timeout.retry, false)
})

test('a refusal replaces the message, the type, the param and headers, and shows its headers to web pages', () => {
  const details = {
    message: 'No more.',
    param: 'model',
    openaiType: 'tokens',
    headers: ['retry-after', '7', 'x-should-retry', 'false', 'x-ratelimit-limit-tokens', '10'],
  }
  const { error } = JSON.parse(formatErrorBody('rate_limit_exceeded', 'openai', 'r1', details))
  assert.equal(error, { message: 'No more.', type: 'tokens', param: 'model', code: 'rate_limit_exceeded' })
  const headers = buildErrorHeaders('rate_limit_exceeded', 'openai', 'r1', 0, details)
  for (let i = 0; i < details.headers.length; i += 2)
    assert.equal(findHeaders(headers, details.headers[i] as string), [details.headers[i + 1]])
  const exposed = (findHeader(headers, 'access-control-expose-headers') ?? '').split(', ')
  for (const name of ['x-request-id', 'x-thinwire-error', 'retry-after', 'x-ratelimit-limit-tokens'])
    assert.ok(exposed.includes(name), name)
})

const README = readFileSync(new URL('../../../src/api/README.md', import.meta.url), 'utf8')

test('the README lists every error code with its status, a cause and a cure, and no other code', () => {
  const rows = [...README.matchAll(/^\| `(\w+)` \| (\d+) \| ([^|]{10,}) \| ([^|]{5,}) \|$/gm)]
  const documented = rows.map(([, code, status]) => [code, Number(status)] as const)
  const expected = CODES.map((code) => [code, ERRORS[code].status] as const)
  const sort = (list: (readonly [string | undefined, number])[]): unknown =>
    list.sort(([a], [b]) => String(a).localeCompare(String(b)))
  assert.equal(sort(documented), sort(expected))
  const table = README.slice(README.indexOf('| --- |')).trimEnd().split('\n').slice(1)
  assert.is(table.length, rows.length, 'a row of the table is malformed')
})

test('every message says what was wrong and what to change, in two sentences or more', () => {
  for (const code of CODES) {
    const { message } = ERRORS[code]
    assert.match(message, /^[A-Z].+[.:] .+\.$/, code)
  }
})

test('every setting that a message or the README names is a setting of the config', () => {
  const schema = JSON.parse(readFileSync(new URL('../../config.schema.json', import.meta.url), 'utf8'))
  const texts = [README, ...CODES.map((code) => ERRORS[code].message)].join('\n')
  const named = new Set(texts.match(/\b(?:keys|limits|timeouts|cache|stored|upstreams)\.\w+(?:\.\w+)*/g))
  assert.ok(named.size > 10)
  for (const name of named) {
    if (/\.(?:test\.)?[jt]s$/.test(name)) continue
    let section = schema
    for (const part of name.split('.')) section = section?.properties?.[part] ?? section?.additionalProperties
    assert.ok(section, name)
  }
})

test.run()

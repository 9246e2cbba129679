import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildErrorHeaders, ERRORS, type ErrorCode, formatErrorBody } from '../../src/api/errors.js'
import { findHeader } from '../../src/http/flat-headers.js'

const CODES = Object.keys(ERRORS) as ErrorCode[]

test("in OpenAI's format every error has the four fields of one, and a message", () => {
  for (const code of CODES) {
    const body = JSON.parse(formatErrorBody(code, 'openai', 'r1'))
    assert.equal(Object.keys(body), ['error'])
    assert.equal(Object.keys(body.error), ['message', 'type', 'param', 'code'])
    // What is not there is said as the vendor says it.
    assert.is(body.error.code, code === 'object_not_found' ? null : code)
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
    assert.is(findHeader(headers, 'retry-after') !== undefined, status === 429 || status === 503, code)
    if (status >= 400 && status < 408) assert.is(retry, false, code)
  }
  assert.is(ERRORS.upstream_timeout.retry, false)
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

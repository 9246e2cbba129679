import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  buildResponseHeaders,
  createResponseFacts,
  filterRequestHeaders,
  findHeader,
  type ResponseFacts,
} from '../../src/http/headers.js'
import { fc } from '../support/property.js'

const DROPPED_FROM_REQUESTS = [
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Proxy-Authorization: Basic eA==',
  'Proxy-Authenticate: Basic',
  'TE: trailers',
  'Trailer: x-checksum',
  'Transfer-Encoding: chunked',
  'Upgrade: h2c',
  'HTTP2-Settings: AAMAAABk',
  'Host: relay.example.com',
  'Expect: 100-continue',
  'Content-Length: 5',
  'Origin: https://page.example.com',
  'Access-Control-Request-Method: POST',
  'Cookie: session=1',
  'Forwarded: for=1.2.3.4',
  'Via: 1.1 proxy',
  'X-Forwarded-For: 1.2.3.4',
  'X-Forwarded-Proto: https',
  'X-Real-IP: 1.2.3.4',
  'True-Client-IP: 1.2.3.4',
  'CDN-Loop: cloudflare',
  'CF-Connecting-IP: 1.2.3.4',
  'CF-Ray: 8a',
  'Sec-Fetch-Mode: cors',
  'X-Thinwire-Cache: off',
  'Authorization: Bearer lc_x',
  'X-API-Key: lc_x',
  'api-key: lc_x',
]

const KEPT_IN_REQUESTS = [
  'Content-Type: application/json',
  'Accept: application/json',
  'Accept-Encoding: gzip, br',
  'User-Agent: OpenAI/JS 6.49.0',
  'X-Stainless-Retry-Count: 0',
  'OpenAI-Organization: org-1',
  'anthropic-version: 2023-06-01',
  'anthropic-beta: a,b',
  'X-Request-ID: r1',
  'HTTP-Referer: https://app.example.com',
  'X-Title: app',
  'cf-aig-metadata: {"a":1}',
  'X-Client-Request-Id: c1',
]

function flat(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 2)]
  })
}

for (const line of DROPPED_FROM_REQUESTS) {
  test(`a request's ${line.split(':')[0]} ends at the relay`, () => {
    assert.equal(filterRequestHeaders(flat(['A: 1', line, 'B: 2']), [], false), ['A', '1', 'B', '2'])
  })
}

test("a request's other headers go on in their order and case, doubled ones included", () => {
  const raw = [...flat(KEPT_IN_REQUESTS), 'X-Twice', '1', 'x-twice', '2']
  assert.equal(filterRequestHeaders(raw, [], false), raw)
})

test('headers that Connection names end at the relay, in whatever case', () => {
  const raw = flat([
    'Connection: keep-alive, X-Secret',
    'x-secret: 1',
    'X-Other: 2',
    'connection: x-more',
    'X-More: 3',
  ])
  assert.equal(filterRequestHeaders(raw, [], false), ['X-Other', '2'])
})

test('Connection cannot take away what the relay puts on', () => {
  const raw = flat(['Connection: authorization, x-own', 'Authorization: Bearer lc_x'])
  const added = ['authorization', 'Bearer sk', 'x-own', '1']
  assert.equal(filterRequestHeaders(raw, added, false), added)
})

test('what the relay puts on replaces what the client sent by that name', () => {
  const raw = flat(['OpenAI-Organization: theirs', 'X-Api-Key: lc_x'])
  assert.equal(filterRequestHeaders(raw, ['openai-organization', 'ours'], false), [
    'openai-organization',
    'ours',
  ])
})

test("in passthrough the client's credentials go on", () => {
  const raw = flat(['Authorization: Bearer sk-theirs', 'x-api-key: k'])
  assert.equal(filterRequestHeaders(raw, [], true), raw)
})

function respond(lines: readonly string[], crossOrigin = false): { headers: string[]; facts: ResponseFacts } {
  const facts = createResponseFacts()
  const raw = flat(lines).map((text) => Buffer.from(text, 'latin1'))
  return { headers: buildResponseHeaders(raw, 'tw-1', 'admit;dur=1', crossOrigin, facts), facts }
}

const LAST = ['server-timing', 'admit;dur=1', 'access-control-allow-origin', '*']
const OURS = ['x-request-id', 'tw-1', ...LAST]

const DROPPED_FROM_RESPONSES = [
  'Connection: close',
  'Keep-Alive: timeout=5',
  'Transfer-Encoding: chunked',
  'Trailer: x',
  'TE: trailers',
  'Upgrade: h2c',
  'Proxy-Authenticate: Basic',
  'Alt-Svc: h3=":443"',
  'Access-Control-Allow-Origin: https://platform.example.com',
  'Access-Control-Allow-Credentials: true',
]

for (const line of DROPPED_FROM_RESPONSES) {
  test(`a response's ${line.split(':')[0]} ends at the relay`, () => {
    assert.equal(respond(['A: 1', line]).headers, ['A', '1', ...OURS])
  })
}

test("a response's other headers go on in their order and case, bytes above ASCII and doubled cookies included", () => {
  const lines = [
    'Set-Cookie: a=1',
    'set-cookie: b=2',
    'Content-Encoding: gzip',
    'Content-Length: 5',
    'openai-processing-ms: 4',
    'x-ratelimit-remaining-requests: 3',
    'retry-after-ms: 1500',
    'x-should-retry: true',
    'X-Text: caf\u00e9',
  ]
  assert.equal(respond(lines).headers, [...flat(lines), ...OURS])
})

test('headers that Connection names end at the relay, but framing and type never do', () => {
  const { headers } = respond(['X-Hop: 1', 'Content-Length: 5', 'Connection: x-hop, content-length', 'B: 2'])
  assert.equal(headers, ['Content-Length', '5', 'B', '2', ...OURS])
})

test("the upstream's request id is kept", () => {
  const { headers, facts } = respond(['X-Request-Id: req_9'])
  assert.equal(headers, ['X-Request-Id', 'req_9', ...LAST])
  assert.is(facts.requestId, 'req_9')
})

test('an event stream tells proxies not to hold it back, unless the upstream has said so itself', () => {
  const bare = respond(['Content-Type: Text/Event-Stream; charset=utf-8'])
  assert.ok(bare.facts.eventStream)
  assert.is(findHeader(bare.headers, 'cache-control'), 'no-cache, no-transform')
  assert.is(findHeader(bare.headers, 'x-accel-buffering'), 'no')
  const own = respond([
    'Content-Type: text/event-stream',
    'Cache-Control: no-store',
    'X-Accel-Buffering: yes',
  ])
  assert.is(findHeader(own.headers, 'cache-control'), 'no-store')
  assert.is(findHeader(own.headers, 'x-accel-buffering'), 'yes')
  assert.is(findHeader(respond(['Content-Type: application/json']).headers, 'cache-control'), undefined)
})

test('a page may read every header of the answer', () => {
  const { headers } = respond(['X-RateLimit-Remaining-Tokens: 1', 'Set-Cookie: a=1'], true)
  const names = findHeader(headers, 'access-control-expose-headers')?.split(', ')
  assert.ok(names?.includes('x-ratelimit-remaining-tokens'))
  assert.ok(names?.includes('x-request-id'))
  assert.not.ok(names?.includes('set-cookie'))
})

test('filtering twice is filtering once', () => {
  const line = fc.tuple(
    fc.constantFrom(
      ...[...DROPPED_FROM_REQUESTS, ...KEPT_IN_REQUESTS].map((text) => text.split(':')[0] ?? ''),
    ),
    fc.constantFrom('1', 'keep-alive', 'x-title, accept', 'a b'),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const once = filterRequestHeaders(lines.flat(), ['authorization', 'Bearer sk'], false)
      assert.equal(filterRequestHeaders(once, ['authorization', 'Bearer sk'], false), once)
    }),
  )
})

test.run()

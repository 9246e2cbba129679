import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findHeader } from '../../src/http/flat-headers.js'
import {
  addRelayHeaders,
  buildResponseHeaders,
  createResponseFacts,
  type ResponseFacts,
  readReasonPhrase,
  removeEntityHeaders,
  setEventStreamType,
  setHeader,
} from '../../src/http/response-headers.js'

function flat(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 2)]
  })
}

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
  // An upstream that sends these would be booked twice from the front's log.
  'X-Thinwire-Direct: 1',
  'x-thinwire-direct-key: k_0123456789:prod:team1:me',
]

for (const line of DROPPED_FROM_RESPONSES) {
  test(`the header ${line.split(':')[0]} of a response does not reach the client`, () => {
    assert.equal(respond(['A: 1', line]).headers, ['A', '1', ...OURS])
  })
}

test('all other response headers reach the client in their order and case, with bytes above ASCII and doubled cookies', () => {
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

test('response headers that Connection names do not reach the client, but length and type always do', () => {
  const { headers } = respond(['X-Hop: 1', 'Content-Length: 5', 'Connection: x-hop, content-length', 'B: 2'])
  assert.equal(headers, ['Content-Length', '5', 'B', '2', ...OURS])
})

test("the upstream's request id takes the place of the relay's", () => {
  const { headers, facts } = respond(['X-Request-Id: req_9'])
  assert.equal(headers, ['X-Request-Id', 'req_9', ...LAST])
  assert.is(facts.requestId, 'req_9')
})

test('an event stream asks proxies not to hold it back, unless the upstream has sent these headers itself', () => {
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

test('a page may read every header of a response but set-cookie', () => {
  const { headers } = respond(['X-RateLimit-Remaining-Tokens: 1', 'Set-Cookie: a=1'], true)
  const names = findHeader(headers, 'access-control-expose-headers')?.split(', ')
  assert.ok(names?.includes('x-ratelimit-remaining-tokens'))
  assert.ok(names?.includes('x-request-id'))
  assert.not.ok(names?.includes('set-cookie'))
})

test('a header that the relay sets replaces the upstream header of that name, and pages may read it', () => {
  const headers = flat(['X-Own: a', 'x-own: b'])
  setHeader(headers, 'x-own', 'c')
  setHeader(headers, 'x-new', 'd')
  assert.equal(headers, ['x-own', 'c', 'x-new', 'd'])
  addRelayHeaders(headers, 'tw-1', 'admit;dur=1', true)
  const names = findHeader(headers, 'access-control-expose-headers')?.split(', ') ?? []
  assert.equal(names.filter((name) => name === 'x-own' || name === 'x-new').sort(), ['x-new', 'x-own'])
})

test('a body that becomes an event stream gets the headers of one', () => {
  const headers = ['Content-Type', 'application/json', 'Cache-Control', 'max-age=1']
  setEventStreamType(headers)
  assert.equal(headers, [
    ...['content-type', 'text/event-stream; charset=utf-8'],
    ...['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no'],
  ])
})

test('headers that describe the exact bytes of a body are removed from a changed one', () => {
  const headers = flat(['ETag: "a"', 'Content-Length: 5', 'Content-Type: a/b', 'Digest: x', 'X: y'])
  removeEntityHeaders(headers)
  assert.equal(headers, ['Content-Type', 'a/b', 'X', 'y'])
})

test('a reason phrase keeps its bytes, and one with control characters is left out', () => {
  assert.is(readReasonPhrase('Not Found', 'utf8'), 'Not Found')
  assert.is(readReasonPhrase(undefined, 'utf8'), '')
  assert.is(readReasonPhrase('Été', 'utf8'), Buffer.from('Été').toString('latin1'))
  assert.is(readReasonPhrase('\u00c9t\u00e9', 'latin1'), '\u00c9t\u00e9')
  assert.is(readReasonPhrase('a\u0000b', 'latin1'), '')
  assert.is(readReasonPhrase('a\u007fb', 'utf8'), '')
})

test.run()

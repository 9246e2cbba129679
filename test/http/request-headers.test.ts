import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filterRequestHeaders, readContentLength } from '../../src/http/request-headers.js'
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
  'X-Original-URL: /admin',
  'X-Rewrite-URL: /admin',
  'X-HTTP-Method: DELETE',
  'X-HTTP-Method-Override: DELETE',
  'X-Method-Override: DELETE',
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
  test(`the header ${line.split(':')[0]} of a request does not reach the upstream`, () => {
    assert.equal(filterRequestHeaders(flat(['A: 1', line, 'B: 2']), [], false), ['A', '1', 'B', '2'])
  })
}

test('all other request headers reach the upstream in their order and case, doubled ones too', () => {
  const raw = [...flat(KEPT_IN_REQUESTS), 'X-Twice', '1', 'x-twice', '2']
  assert.equal(filterRequestHeaders(raw, [], false), raw)
})

test('request headers that Connection names do not reach the upstream, in any case of letters', () => {
  const raw = flat([
    'Connection: keep-alive, X-Secret',
    'x-secret: 1',
    'X-Other: 2',
    'connection: x-more',
    'X-More: 3',
  ])
  assert.equal(filterRequestHeaders(raw, [], false), ['X-Other', '2'])
})

test('Connection cannot remove headers that the relay adds', () => {
  const raw = flat(['Connection: authorization, x-own', 'Authorization: Bearer lc_x'])
  const added = ['authorization', 'Bearer sk', 'x-own', '1']
  assert.equal(filterRequestHeaders(raw, added, false), added)
})

test('a header that the relay adds replaces the header of that name from the client', () => {
  const raw = flat(['OpenAI-Organization: theirs', 'X-Api-Key: lc_x'])
  assert.equal(filterRequestHeaders(raw, ['openai-organization', 'ours'], false), [
    'openai-organization',
    'ours',
  ])
})

test("in passthrough mode the client's credentials reach the upstream", () => {
  const raw = flat(['Authorization: Bearer sk-theirs', 'x-api-key: k'])
  assert.equal(filterRequestHeaders(raw, [], true), raw)
})

test('filtering request headers twice gives the same as filtering them once', () => {
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

test('the length of a body is its declared length, -1 if it is chunked and 0 if there is none', () => {
  assert.is(readContentLength(flat(['Content-Length: 12'])), 12)
  assert.is(readContentLength(flat(['Transfer-Encoding: chunked'])), -1)
  assert.is(readContentLength(flat(['Accept: a'])), 0)
})

test.run()

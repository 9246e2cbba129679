import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type Response } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, head, SSE, whole } from '../../support/upstream.js'

const ORIGIN = 'Origin: vscode-file://vscode-app\r\n'

function assertOneOrigin(response: Response): void {
  const allowed = response.headers.filter(([name]) => name.toLowerCase() === 'access-control-allow-origin')
  assert.equal(
    allowed.map(([, value]) => value),
    ['*'],
  )
}

/** The response headers that a browser lets a page read. */
function exposed(response: Response): string[] {
  const values = response.headers.filter(([name]) => name.toLowerCase() === 'access-control-expose-headers')
  assert.is(values.length, 1)
  return values.flatMap(([, value]) => value.toLowerCase().split(/ *, */))
}

function preflight(path: string, ...lines: string[]): string {
  const all = [
    'host: relay',
    'Origin: vscode-file://vscode-app',
    'Access-Control-Request-Method: POST',
    ...lines,
  ]
  return `OPTIONS ${path} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`
}

test('a preflight needs no key, and allows every header that it names', () =>
  withRelay(OK, async (scene) => {
    const asked = 'authorization,content-type,x-stainless-retry-count,x-something-new'
    for (const path of [
      '/v1/chat/completions',
      '/chat/completions',
      '/v1/messages?beta=true',
      '/anything',
      '/',
    ]) {
      const response = await scene.ask(preflight(path, `Access-Control-Request-Headers: ${asked}`))
      assert.is(response.status, 204)
      assertOneOrigin(response)
      assert.is(headerOf(response, 'access-control-allow-headers'), asked)
      assert.match(headerOf(response, 'access-control-allow-methods') ?? '', /\bPOST\b.*\bDELETE\b/)
      assert.is(headerOf(response, 'content-length'), undefined)
    }
    assert.is(scene.upstream.requests.length, 0)
  }))

test('a preflight that names no header allows the headers that clients send', () =>
  withRelay(OK, async (scene) => {
    const allowed = headerOf(await scene.ask(preflight('/v1/models')), 'access-control-allow-headers') ?? ''
    for (const name of ['authorization', 'content-type', 'x-api-key', 'api-key', 'x-goog-api-key']) {
      assert.ok(allowed.split(', ').includes(name), name)
    }
  }))

test('a preflight allows a page to use a relay at a private address', () =>
  withRelay(OK, async (scene) => {
    const response = await scene.ask(preflight('/v1/models', 'Access-Control-Request-Private-Network: true'))
    assert.is(headerOf(response, 'access-control-allow-private-network'), 'true')
  }))

test('a preflight and its request can use the same connection', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(preflight('/v1/chat/completions'))
    assert.is((await client.response()).status, 204)
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}${ORIGIN}content-length: 2\r\n\r\n{}`)
    assert.is((await client.response(1)).status, 200)
    // The Origin must not reach the upstream, which could treat the request as one from a web page.
    assert.is(scene.upstream.requests[0]?.header('origin'), undefined)
  }))

const ANSWERS: Array<[string, Buffer]> = [
  ['a success', whole('200 OK', '{}', 'X-RateLimit-Remaining-Requests: 9', 'OpenAI-Version: 1')],
  ['an error of the upstream', whole('401 Unauthorized', '{}', 'Retry-After: 3')],
  ['a redirect', whole('307 Temporary Redirect', '', 'Location: https://example.com/')],
  ['a stream', Buffer.from(`${head('200 OK', SSE, CHUNKED)}2\r\nok\r\n0\r\n\r\n`)],
  [
    'a response with CORS headers of its own',
    whole(
      '200 OK',
      '{}',
      'Access-Control-Allow-Origin: https://theirs.example.com',
      'access-control-allow-origin: *',
      'Access-Control-Allow-Credentials: true',
      'Access-Control-Expose-Headers: x-theirs',
      'X-Theirs: 1',
    ),
  ],
]
for (const [name, answer] of ANSWERS) {
  test(`${name} can be read by any page, and so can all of its headers`, () =>
    withRelay(
      (request) => request.write(answer),
      async (scene) => {
        const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}\r\n`)
        assertOneOrigin(response)
        assert.is(headerOf(response, 'access-control-allow-credentials'), undefined)
        const names = exposed(response)
        assert.ok(names.includes('x-request-id'))
        for (const [header] of response.headers) {
          const lower = header.toLowerCase()
          // These headers are set by Node's server, or no page needs them.
          if (/^(date|connection|keep-alive|transfer-encoding|access-control-.*)$/.test(lower)) continue
          assert.ok(names.includes(lower), `${lower} is not exposed`)
        }

        const plain = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
        assertOneOrigin(plain)
        assert.is(headerOf(plain, 'access-control-expose-headers'), undefined)
      },
    ))
}

test('every error of the relay can be read by a page', () =>
  withRelay(
    (request) => request.reset(),
    async (scene: Scene) => {
      const errors: Array<[number, string]> = [
        [401, `GET /v1/x HTTP/1.1\r\nhost: relay\r\n${ORIGIN}\r\n`],
        [400, `GET /v1/../x HTTP/1.1\r\n${scene.auth}${ORIGIN}\r\n`],
        [413, `POST /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}content-length: 5000\r\n\r\n`],
        [417, `POST /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}expect: x\r\ncontent-length: 0\r\n\r\n`],
        [431, `GET /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}x: ${'y'.repeat(70_000)}\r\n\r\n`],
        [400, `GET /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}not a header\r\n\r\n`],
        [404, `POST /v1/x HTTP/1.1\r\n${scene.auth}${ORIGIN}content-length: 13\r\n\r\n{"model":"x"}`],
        [502, `GET /v1/models HTTP/1.1\r\n${scene.auth}${ORIGIN}\r\n`],
      ]
      for (const [status, request] of errors) {
        const response = await scene.ask(request)
        assert.is(response.status, status, response.body.toString())
        assertOneOrigin(response)
        const names = exposed(response)
        for (const name of ['x-request-id', 'x-thinwire-error', 'retry-after', 'x-should-retry']) {
          if (name === 'x-request-id') assert.ok(names.includes(name))
          assert.is(names.includes(name), headerOf(response, name) !== undefined, `${status} ${name}`)
        }
        assert.type(JSON.parse(response.body.toString()).error.message, 'string')
      }
    },
    { limits: { bodyBytes: 1024 }, routes: [{ path: '/models', upstream: 'up' }] },
  ))

test('every response that the relay makes itself can be read by a page', () =>
  withRelay(
    OK,
    async (scene) => {
      for (const path of ['/', '/healthz', '/readyz', '/v1/models', '/v1/models/mine']) {
        const response = await scene.ask(`GET ${path} HTTP/1.1\r\n${scene.auth}${ORIGIN}\r\n`)
        assert.is(response.status, 200)
        assertOneOrigin(response)
      }
    },
    { models: { mine: { upstream: 'up', model: 'theirs' } } },
  ))

test.run()

import { gunzipSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type Response } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, head, type Script, whole } from '../../support/upstream.js'

const get = (scene: Scene, more = ''): string => `GET /v1/x HTTP/1.1\r\n${scene.auth}${more}\r\n`

/** The response's headers as lines, without those that the relay or Node's server set. */
function theirs(response: Response): string[] {
  const ours = [
    'x-request-id',
    'server-timing',
    'access-control-allow-origin',
    'Date',
    'Connection',
    'Keep-Alive',
    'Transfer-Encoding',
  ]
  return response.headers.filter(([name]) => !ours.includes(name)).map(([name, value]) => `${name}: ${value}`)
}

test('the status and its reason reach the client unchanged', async () => {
  const statuses = [
    '200 OK',
    '200 ',
    '201 Created',
    '299 Fine, by me (really)',
    '302 Found',
    "418 I'm a teapot",
    '429 Slow Down',
    '451 Unavailable For Legal Reasons',
    '500 Internal Server Error',
    '529 Site is overloaded',
    '599 x',
    '999 Request denied',
  ]
  for (const status of statuses) {
    await withRelay(
      (request) => request.write(whole(status, '{"error":1}', 'content-type: application/json')),
      async (scene) => {
        const response = await scene.ask(get(scene))
        assert.is(`${response.status} ${response.reason}`, status)
        assert.is(headerOf(response, 'content-type'), 'application/json')
        assert.is(response.body.toString(), '{"error":1}')
      },
    )
  }
})

test('a status line without a reason is accepted', () =>
  withRelay(
    (request) => request.write('HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok'),
    async (scene) => assert.is((await scene.ask(get(scene))).status, 200),
  ))

test('a reason that is not ASCII reaches the client byte for byte', () =>
  // RFC 9112, 4: obs-text may stand in a reason phrase.
  withRelay(
    (request) => request.write(whole(Buffer.from('200 \u6210\u529f').toString('latin1'), 'ok')),
    async (scene) => {
      const response = await scene.ask(get(scene))
      assert.is(response.status, 200, response.body.toString())
      assert.is(Buffer.from(response.reason, 'latin1').toString(), '\u6210\u529f')
    },
  ))

test('response headers keep their case, order, duplicates and bytes', () => {
  const lines = [
    'X-Zeta: 1',
    'set-cookie: a=1; Path=/',
    'Content-Type: application/json',
    'Content-Length: 2',
    'Set-Cookie: b=2',
    'x-zeta: 2',
    'X-Empty: ',
    'x-latin: caf\u00e9',
    'OpenAI-Processing-MS: 12',
    'x-ratelimit-remaining-tokens: 1',
    'Retry-After: 7',
    'retry-after-ms: 6500',
    'x-should-retry: true',
    'X-Request-ID: req_upstream',
    'Server: theirs',
    'Vary: Origin',
    'Content-Encoding: identity',
    'Access-Control-Allow-Headers: x',
  ]
  return withRelay(
    (request) => request.write(Buffer.from(`${head('429 Slow', ...lines)}{}`, 'latin1')),
    async (scene) => {
      const response = await scene.ask(get(scene))
      const got = response.headers.map(([name, value]) => `${name}: ${value}`)
      assert.equal(got.slice(0, lines.length), lines)
      assert.is(response.headers.filter(([name]) => name.toLowerCase() === 'x-request-id').length, 1)
      assert.is(response.body.toString(), '{}')
    },
  )
})

test('a response whose upstream sent a Date has no second one', () =>
  withRelay(
    (request) => request.write(whole('200 OK', 'ok', 'Date: Thu, 01 Jan 2026 00:00:00 GMT')),
    async (scene) => {
      const response = await scene.ask(get(scene))
      const dates = response.headers.filter(([name]) => name.toLowerCase() === 'date')
      assert.equal(dates, [['Date', 'Thu, 01 Jan 2026 00:00:00 GMT']])
    },
  ))

test('headers about the connection to the upstream do not reach the client', () =>
  withRelay(
    (request) =>
      request.write(
        whole(
          '200 OK',
          'ok',
          'X-Before: named, and gone',
          'Connection: Upgrade, x-before, X-After, content-type',
          'Connection: close',
          'X-After: named, and gone',
          'Content-Type: text/plain',
          'Keep-Alive: timeout=1',
          'Proxy-Authenticate: Basic',
          'Proxy-Connection: close',
          'Trailer: x-sum',
          'Upgrade: h2,h2c',
          'Alt-Svc: h3=":443"',
          'X-Kept: 1',
        ),
      ),
    async (scene) => {
      const client = await scene.client()
      client.send(get(scene))
      const response = await client.response()
      assert.equal(theirs(response), ['content-length: 2', 'Content-Type: text/plain', 'X-Kept: 1'])
      assert.is(headerOf(response, 'connection'), 'keep-alive')
      // The upstream's `connection: close` does not close the client's connection.
      client.send(get(scene))
      assert.is((await client.response(1)).status, 200)
    },
  ))

test('a compressed body reaches the client unchanged, with its length', () => {
  const body = gzipSync(JSON.stringify({ text: 'thin '.repeat(1000) }))
  return withRelay(
    (request) =>
      request.write(whole('200 OK', body, 'Content-Encoding: gzip', 'content-type: application/json')),
    async (scene) => {
      const response = await scene.ask(get(scene, 'accept-encoding: gzip\r\n'))
      assert.is(headerOf(response, 'content-encoding'), 'gzip')
      assert.is(headerOf(response, 'content-length'), String(body.length))
      assert.is(headerOf(response, 'transfer-encoding'), undefined)
      assert.ok(response.body.equals(body))
      assert.is(gunzipSync(response.body).length > 5000, true)
    },
  )
})

test('a body that ends with the upstream connection gets chunks or a length for the client', async () => {
  const script: Script = async (request) => {
    await request.write(
      `HTTP/1.${request.target.endsWith('0') ? 0 : 1} 200 OK\r\ncontent-type: text/plain\r\n\r\n`,
    )
    await request.write('part 1, ')
    await request.write('part 2')
    request.end()
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(get(scene))
    assert.is((await client.response()).body.toString(), 'part 1, part 2')
    client.send(`GET /v1/x?1.0 HTTP/1.1\r\n${scene.auth}\r\n`)
    const second = await client.response(1)
    assert.ok(second.complete)
    assert.is(second.body.toString(), 'part 1, part 2')
  })
})

test('an HTTP/1.0 client gets a body without chunks that ends with the connection', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', CHUNKED))
      await request.chunk('one ')
      await request.chunk('two')
      await request.lastChunk()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.0\r\nauthorization: Bearer ${scene.relay.key}\r\n\r\n`)
      assert.is(await client.closed(), 'fin')
      const response = await client.response()
      assert.is(headerOf(response, 'transfer-encoding'), undefined)
      assert.is(response.body.toString(), 'one two')
    },
  ))

test.run()

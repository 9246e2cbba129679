import { createServer } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { randomBytes } from '../../support/random.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

/** `curl --http2` sends this offer with every plain request; a server may ignore it (RFC 9110, 7.8). */
const OFFER =
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n'

const post = (scene: Scene, more: string): string => `POST /v1/x HTTP/1.1\r\n${scene.auth}${OFFER}${more}`

test('a request that offers HTTP/2 is served as HTTP/1.1', () =>
  withRelay(OK, async (scene) => {
    const request = await scene.relayed(`GET /v1/x?a=b HTTP/1.1\r\n${scene.auth}${OFFER}X-Kept: 1\r\n\r\n`)
    assert.is(request.target, '/v1/x?a=b')
    assert.is(request.header('x-kept'), '1')
    assert.not.match(request.head, /upgrade|http2-settings|h2c/i)
    const lines = await scene.relay.requests(1)
    assert.equal(
      lines.map((line) => [line.end, line.status]),
      [['done', 200]],
    )
  }))

test('the connection of an upgrade offer stays in use, also for more offers', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    for (const [n, offer] of [OFFER, '', OFFER, OFFER, ''].entries()) {
      client.send(`GET /v1/${n} HTTP/1.1\r\n${scene.auth}${offer}\r\n`)
      const response = await client.response(n)
      assert.is(response.status, 200)
      assert.is(headerOf(response, 'connection'), 'keep-alive')
    }
    assert.equal(
      scene.upstream.requests.map((request) => request.target),
      ['/v1/0', '/v1/1', '/v1/2', '/v1/3', '/v1/4'],
    )
  }))

test('the other options in the Connection header of an upgrade offer are obeyed', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(
      `GET /v1/x HTTP/1.1\r\n${scene.auth}Connection: x-named, upgrade, close\r\nX-Named: 1\r\nUpgrade: h2c, websocket\r\n\r\n`,
    )
    assert.is((await client.response()).status, 200)
    assert.is(await client.closed(), 'fin')
    assert.is(scene.upstream.requests[0]?.header('x-named'), undefined)
  }))

test('a request with an upgrade offer may have a body, with any framing and in any number of pieces', () =>
  withRelay(OK, async (scene) => {
    const together = await scene.relayed(post(scene, 'content-length: 7\r\n\r\n{"a":1}'))
    assert.is(together.body.toString(), '{"a":1}')

    const client = await scene.client()
    client.send(post(scene, 'content-length: 7\r\n\r\n'))
    await until(() => scene.relay.inspect().openCount === 1, 'the head to be read')
    client.send('{"a"')
    client.send(':1}')
    assert.is((await client.response()).status, 200)
    assert.is(scene.upstream.requests[1]?.body.toString(), '{"a":1}')

    const chunked = await scene.relayed(
      post(scene, 'transfer-encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\n\r\n'),
    )
    assert.is(chunked.body.toString(), '{"a":1}')

    const large = randomBytes(3_000_000)
    const bytes = Buffer.concat([Buffer.from(post(scene, `content-length: ${large.length}\r\n\r\n`)), large])
    assert.ok((await scene.relayed(bytes)).body.equals(large))
  }))

test('a request with an upgrade offer gets the 100 Continue that it waits for', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(post(scene, 'expect: 100-continue\r\ncontent-length: 7\r\n\r\n'))
    await client.sees('HTTP/1.1 100 Continue\r\n\r\n')
    client.send('{"a":1}')
    assert.is((await client.response()).status, 200)
    assert.is(scene.upstream.requests[0]?.body.toString(), '{"a":1}')
  }))

const ECHO: Script = (request) => request.write(whole('200 OK', request.target))

/**
 * Whether this Node ignores an offer by itself; releases of 22 and of 24 differ. Such a Node reads nothing behind a
 * body that came with an offer, and no client pipelines there.
 */
const NATIVE = 'shouldUpgradeCallback' in createServer()

test('a request pipelined behind an upgrade offer is served in its turn', () =>
  withRelay(ECHO, async (scene) => {
    if (NATIVE) return
    const client = await scene.client()
    const second = `GET /v1/second HTTP/1.1\r\n${scene.auth}\r\n`
    client.send(`${post(scene, 'content-length: 7\r\n\r\n{"a":1}')}${second}`)
    assert.is((await client.response(0)).body.toString(), '/v1/x')
    assert.is((await client.response(1)).body.toString(), '/v1/second')
  }))

test('an upgrade offer pipelined behind a request in flight is served or its connection closed', () =>
  withRelay(ECHO, async (scene) => {
    const client = await scene.client()
    client.send(
      `GET /v1/first HTTP/1.1\r\n${scene.auth}\r\nGET /v1/second HTTP/1.1\r\n${scene.auth}${OFFER}\r\n`,
    )
    assert.is((await client.response(0)).body.toString(), '/v1/first')
    // The second request is served in its turn, or its connection is closed.
    await until(
      () => client.ending !== null || client.text.includes('/v1/second'),
      'the second response, or the end',
    )
    await until(() => scene.relay.inspect().openCount === 0, 'both to be over')
  }))

test('a POST that asks for a WebSocket is served as a POST', () =>
  // RFC 6455, 4.2.1: a handshake is a GET.
  withRelay(OK, async (scene) => {
    const request = await scene.relayed(
      `POST /v1/x HTTP/1.1\r\n${scene.auth}Connection: Upgrade\r\nUpgrade: websocket\r\ncontent-length: 7\r\n\r\n{"a":1}`,
    )
    assert.is(request.method, 'POST')
    assert.is(request.body.toString(), '{"a":1}')
  }))

test('a request with an upgrade offer is refused like any other, and all limits apply to it', () =>
  withRelay(
    OK,
    async (scene) => {
      const refusals: Array<[number, string]> = [
        [401, `GET /v1/x HTTP/1.1\r\nhost: relay\r\n${OFFER}\r\n`],
        [413, post(scene, 'content-length: 5000\r\n\r\n')],
        // A Node that ignores offers waits for more bytes.
        [NATIVE ? 408 : 400, post(scene, 'transfer-encoding: chunked\r\n\r\nzz\r\n')],
        [400, post(scene, 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n')],
        [408, post(scene, 'content-length: 100\r\n\r\nhalf')],
      ]
      for (const [status, bytes] of refusals) assert.is((await scene.ask(bytes)).status, status)
      assert.is(scene.upstream.requests.length, 0)
    },
    { limits: { bodyBytes: 1024 }, timeouts: { requestMs: 150 } },
  ))

test('a client that leaves cancels its request with an upgrade offer upstream', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    },
    async (scene) => {
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}${OFFER}\r\n`)
      await client.sees('data: 1')
      client.destroy()
      const request = await scene.upstream.request(0)
      await until(() => request.closed, 'the upstream request to be cancelled')
      assert.is((await scene.relay.requests(1))[0]?.end, 'client_gone')
    },
  ))

test('an idle connection that once carried an offer is closed by a drain', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}${OFFER}\r\n`)
    await client.response()
    assert.is(await scene.relay.app.drain(), 0)
    assert.is(await client.closed(), 'fin')
  }))

test.run()

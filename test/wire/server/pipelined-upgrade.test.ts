import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { type Script, whole } from '../../support/upstream.js'

/** An upstream that sends the target back, and nothing for `/v1/slow`. */
const ECHO: Script = (request) =>
  request.target === '/v1/slow' ? undefined : request.write(whole('200 OK', request.target))

/** Requests that take the connection away from Node's parser while an earlier one is in flight. */
const UPGRADES: Array<[string, string]> = [
  [
    'a WebSocket handshake',
    'GET /v1/second HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
  ],
  [
    'an offer of HTTP/2',
    'GET /v1/second HTTP/1.1\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n',
  ],
  ['CONNECT', 'CONNECT 127.0.0.1:1 HTTP/1.1\r\n'],
]

for (const [name, second] of UPGRADES) {
  for (const first of ['/healthz', '/v1/refused', '/v1/answered']) {
    test(`${name} behind ${first} leaves no request waiting and disturbs no other client`, () =>
      withRelay(ECHO, async (scene) => {
        const stream = await scene.bystander()
        const client = await scene.client()
        const headers = first === '/v1/refused' ? 'host: relay\r\n' : scene.auth
        client.send(`GET ${first} HTTP/1.1\r\n${headers}\r\n${second}${headers}\r\n`)
        const responses = (): number => client.text.split('HTTP/1.1 ').length - 1
        await until(() => responses() === 2 || client.ending !== null, 'both responses, or the end')
        await until(() => scene.relay.inspect().openCount === 1, 'both to be over')
        await stream.ends()
      }))
  }

  // CONNECT is never served, so it may end its connection at once.
  if (name === 'CONNECT') continue
  for (const leave of ['destroy', 'reset'] as const) {
    test(`a client that leaves (${leave}) with ${name} behind its request cancels the request`, () =>
      withRelay(ECHO, async (scene) => {
        const stream = await scene.bystander()
        const client = await scene.client()
        client.send(`GET /v1/slow HTTP/1.1\r\n${scene.auth}\r\n${second}${scene.auth}\r\n`)
        const request = await scene.upstream.request(1)
        client[leave]()
        await until(() => request.closed, 'the upstream request to be cancelled')
        await until(() => scene.relay.inspect().openCount === 1, 'both to be over')
        // If Node itself ignores the offer, it is a pipelined request that is sent upstream, and is cancelled too.
        const [first, ...others] = scene.asked.map(({ target }) => target)
        assert.is(first, '/v1/slow')
        assert.ok(others.length === 0 || name === 'an offer of HTTP/2')
        await stream.ends()
      }))
  }
}

test.run()

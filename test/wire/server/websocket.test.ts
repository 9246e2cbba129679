import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket, WebSocketServer } from 'ws'
import { headerOf } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { randomBytes } from '../../support/random.js'
import { startRelay, type TestRelay } from '../../support/relay.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'
import { whole } from '../../support/upstream.js'

test.after.each(runClock)

/** One side of a WebSocket, the messages that it got, and how it ended. */
class Peer {
  readonly messages: Array<Buffer | string> = []
  close: { code: number; reason: string } | null = null
  readonly socket: WebSocket

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, binary) => this.messages.push(binary ? data : data.toString()))
    socket.on('error', () => {})
    socket.on('close', (code, reason) => {
      this.close = { code, reason: reason.toString() }
    })
  }

  async message(n: number): Promise<Buffer | string> {
    await until(() => this.messages.length > n, `message ${n}`)
    return this.messages[n] ?? ''
  }

  async closed(): Promise<{ code: number; reason: string } | null> {
    await until(() => this.close !== null, 'the socket to close')
    return this.close
  }
}

interface Pair {
  readonly client: Peer
  readonly server: Peer
  /** The target of the handshake that the upstream got. */
  readonly target: string
  readonly headers: NodeJS.Dict<string | string[]>
}

interface Stage {
  readonly relay: TestRelay
  open(path: string, options?: { protocols?: string[]; headers?: Record<string, string> }): Promise<Pair>
}

/** Runs a relay in front of a real WebSocket server. */
async function withSockets(act: (stage: Stage) => Promise<void>, settings: object = {}): Promise<void> {
  const server = createServer()
  const sockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false })
  const opened: Array<Omit<Pair, 'client'>> = []
  sockets.on('connection', (socket, req) =>
    opened.push({ server: new Peer(socket), target: req.url ?? '', headers: req.headers }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const relay = await startRelay(`http://127.0.0.1:${port}/v1`, { ...settings })
  try {
    await act({
      relay,
      async open(path, { protocols = [], headers = { authorization: `Bearer ${relay.key}` } } = {}) {
        const n = opened.length
        const client = new Peer(new WebSocket(`${socketOrigin(relay.port)}${path}`, protocols, { headers }))
        await until(
          () => opened.length > n && client.socket.readyState === WebSocket.OPEN,
          'the socket to open',
        )
        const pair = opened[n]
        if (pair === undefined) throw new Error('the upstream has no such socket')
        return { client, ...pair }
      },
    })
  } finally {
    for (const socket of sockets.clients) socket.terminate()
    await relay.close()
    server.close()
  }
}

for (const path of ['/v1/realtime?model=gpt-realtime&x=a%20b', '/v1/responses?model=gpt-realtime']) {
  test(`a WebSocket at ${path} passes text, binary, large and many messages both ways in order`, () =>
    withSockets(async ({ relay, open }) => {
      const { client, server, target } = await open(path)
      assert.is(target, path)
      const large = randomBytes(3_000_000)
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        from.socket.send('{"type":"session.update"}')
        from.socket.send(Buffer.from([0, 255, 10, 13]))
        from.socket.send(large)
        from.socket.send('')
        for (let i = 0; i < 200; i++) from.socket.send(`message ${i}`)
        assert.is(await to.message(203), 'message 199')
        assert.equal(to.messages.slice(0, 2), ['{"type":"session.update"}', Buffer.from([0, 255, 10, 13])])
        assert.ok(large.equals(to.messages[2] as Buffer), 'other bytes')
        assert.is(to.messages[3], '')
      }
      client.socket.close(1000)
      await server.closed()
      const [line] = await relay.requests(1)
      assert.is(line?.end, 'done')
      assert.is(line?.status, 101)
      assert.ok(Number(line?.bytes_in) > large.length && Number(line?.bytes_out) > large.length)
      assert.is(line?.model, 'gpt-realtime')
    }))
}

const NAMES = { fast: { upstream: 'up', model: 'real one' }, own: { upstream: 'up' } }

const MODELS: Array<[sent: string, got: string, model: string]> = [
  ['/openai/deployments/own/realtime?api-version=2024-10-01-preview', '/v1/realtime?model=own', 'own'],
  ['/openai/deployments/fast/realtime?a=%20b', '/v1/realtime?a=%20b&model=real%20one', 'fast'],
  ['/openai/deployments/own/realtime?model=other', '/v1/realtime?model=own', 'own'],
  ['/openai/deployments/own/realtime?model=own', '/v1/realtime?model=own', 'own'],
  ['/v1/realtime?model=fast&x=1', '/v1/realtime?x=1&model=real%20one', 'fast'],
]

for (const [sent, got, model] of MODELS) {
  test(`a handshake for ${sent} has the model ${model} and goes upstream as ${got}`, () =>
    withSockets(
      async ({ relay, open }) => {
        const { client, target } = await open(sent)
        assert.is(target, got)
        client.socket.close(1000)
        const [line] = await relay.requests(1)
        assert.is(line?.model, model)
      },
      { models: NAMES },
    ))
}

test('no model is put into the query of a handshake that names none', () =>
  withSockets(
    async ({ open }) => {
      const { client, target } = await open('/v1/realtime?x=1')
      assert.is(target, '/v1/realtime?x=1')
      client.socket.close(1000)
    },
    { routes: [{ targets: [{ upstream: 'up', model: 'real one' }] }] },
  ))

test('the longest silence of a WebSocket is recorded', () =>
  withSockets(async ({ relay, open }) => {
    const { client, server } = await open('/v1/realtime')
    for (let i = 0; i < 2; i++) {
      server.socket.send(`message ${i}`)
      await client.message(i)
    }
    client.socket.close(1000)
    await server.closed()
    const [record] = await relay.records(1)
    assert.ok(Number(record?.gap_max_ms) > 0)
  }))

const HEAD_OF_101 =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

test('bytes that the upstream sends right behind its 101 reach the client', () =>
  withRelay(
    async (request) => {
      await request.write(Buffer.from(`${HEAD_OF_101}\x81\x02hi`, 'latin1'))
    },
    async (scene) => {
      const client = await scene.client()
      client.send(handshake(scene))
      await client.sees('\r\n\r\n\x81\x02hi')
      assert.match(client.text, /^HTTP\/1\.1 101 /)
    },
  ))

test('bytes that the client sends right behind its handshake reach the upstream', () =>
  withRelay(
    async (request) => {
      await request.write(HEAD_OF_101)
      request.socket.on('data', (piece) => request.socket.write(piece))
    },
    async (scene) => {
      const client = await scene.client()
      client.send(`${handshake(scene)}early`)
      await client.sees('\r\n\r\nearly')
      client.send(', late')
      await client.sees('\r\n\r\nearly, late')
    },
  ))

test('WebSocket close codes and reasons pass both ways', () =>
  withSockets(async ({ open }) => {
    const first = await open('/v1/realtime')
    first.client.socket.close(4001, 'by the client')
    assert.equal(await first.server.closed(), { code: 4001, reason: 'by the client' })
    assert.is((await first.client.closed())?.code, 4001)
    const second = await open('/v1/realtime')
    second.server.socket.close(1011, 'by the upstream')
    assert.equal(await second.client.closed(), { code: 1011, reason: 'by the upstream' })
  }))

test('a WebSocket side that dies ends the other side without a closing handshake', () =>
  withSockets(async ({ relay, open }) => {
    const first = await open('/v1/realtime')
    first.client.socket.terminate()
    assert.is((await first.server.closed())?.code, 1006)
    const second = await open('/v1/realtime')
    second.server.socket.terminate()
    assert.is((await second.client.closed())?.code, 1006)
    await relay.requests(2)
    assert.is(relay.inspect().openCount, 0)
  }))

test("a handshake goes upstream with the relay's credential instead of the client's key, and its other headers pass", () =>
  withSockets(async ({ relay, open }) => {
    const ways = [
      { authorization: `Bearer ${relay.key}` },
      { 'x-api-key': relay.key },
      { authorization: 'Bearer wrong', 'api-key': relay.key },
    ]
    for (const way of ways) {
      const { headers, client } = await open('/v1/realtime', {
        headers: { ...way, 'OpenAI-Beta': 'realtime=v1', cookie: 'a=1', 'x-forwarded-for': '10.0.0.1' },
      })
      assert.is(headers.authorization, 'Bearer sk-upstream-secret')
      assert.is(headers['openai-beta'], 'realtime=v1')
      assert.not.match(JSON.stringify(headers), /lc_|wrong|a=1|10\.0\.0\.1/)
      client.socket.terminate()
    }
    assert.not(JSON.stringify(relay.lines).includes(relay.key))
  }))

test('a browser may send its key as a subprotocol, which the upstream does not see', () =>
  withSockets(async ({ relay, open }) => {
    const { client, headers } = await open('/v1/realtime?model=x', {
      protocols: ['realtime', `openai-insecure-api-key.${relay.key}`, 'openai-beta.realtime-v1'],
      headers: {},
    })
    assert.is(
      headers['sec-websocket-protocol']?.toString().replace(/\s/g, ''),
      'realtime,openai-beta.realtime-v1',
    )
    assert.is(headers.authorization, 'Bearer sk-upstream-secret')
    assert.is(client.socket.protocol, 'realtime')
  }))

function handshake(scene: Scene, credentials = scene.auth): string {
  return `GET /v1/realtime HTTP/1.1\r\n${credentials}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
}

for (const status of ['426 Upgrade Required', '401 Unauthorized', '200 OK']) {
  test(`a response ${status} to a handshake reaches the client`, () =>
    withRelay(
      (request) =>
        request.write(whole(status, '{"error":"no"}', 'Content-Type: application/json', 'X-Theirs: 1')),
      async (scene) => {
        const client = await scene.client()
        client.send(handshake(scene))
        const response = await client.response()
        assert.is(`${response.status} ${response.reason}`, status)
        assert.is(response.body.toString(), '{"error":"no"}')
        assert.is(headerOf(response, 'x-theirs'), '1')
        assert.is(headerOf(response, 'connection'), 'close')
        assert.is(await client.closed(), 'fin')
        const [line] = await scene.relay.requests(1)
        assert.is(line?.end, 'done')
        assert.is(line?.status, Number(status.slice(0, 3)))
      },
    ))
}

test('a handshake that is not admitted never reaches the upstream', () =>
  withRelay(OK, async (scene) => {
    const bad = [
      '',
      'authorization: Bearer sk-wrong\r\n',
      'sec-websocket-protocol: openai-insecure-api-key.sk-wrong\r\n',
    ]
    for (const credentials of bad) {
      const client = await scene.client()
      client.send(handshake(scene, `host: relay\r\n${credentials}`))
      const response = await client.response()
      assert.is(response.status, 401)
      assert.match(JSON.parse(response.body.toString()).error.code, /_api_key$/)
      assert.is(await client.closed(), 'fin')
    }
    assert.is(scene.upstream.requests.length, 0)
    assert.equal(
      (await scene.relay.requests(3)).map((line) => line.end),
      ['refused', 'refused', 'refused'],
    )
  }))

test('a handshake with an upstream that cannot be reached gives 502', () =>
  withRelay(OK, async (scene) => {
    await scene.upstream.close()
    const response = await scene.ask(handshake(scene))
    assert.is(response.status, 502)
    assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_unreachable')
    assert.not.match(response.body.toString(), /127\.0\.0\.1|sk-upstream-secret/)
  }))

test('a handshake without a response from the upstream gives 504', () =>
  withRelay(
    () => {},
    async (scene) => {
      const pass = stopClock()
      const answer = scene.ask(handshake(scene))
      const request = await scene.upstream.request(0)
      pass(101)
      assert.is((await answer).status, 504)
      await until(() => request.closed, 'the connection to close')
    },
    { timeouts: { firstByteMs: 100 } },
  ))

test('a WebSocket without an open response is closed when the relay shuts down', () =>
  withSockets(async ({ relay, open }) => {
    const { client, server } = await open('/v1/realtime')
    assert.is(await relay.app.drain(), 0)
    assert.equal(await client.closed(), { code: 1001, reason: 'draining' })
    assert.is((await server.closed())?.code, 1001)
    assert.is((await relay.requests(1))[0]?.end, 'done')
  }))

test('a WebSocket whose response is open at the end of the drain is cut', () =>
  withSockets(
    async ({ relay, open }) => {
      const { client, server } = await open('/v1/realtime?model=m')
      server.socket.send('{"type":"response.created","response":{"id":"r1"}}')
      await client.message(0)
      assert.is(await relay.app.drain(), 1)
      assert.is((await client.closed())?.code, 1006)
      assert.is((await server.closed())?.code, 1006)
      assert.equal(
        (await relay.requests(2)).map((line) => line.end),
        ['shutdown', 'shutdown'],
      )
    },
    { timeouts: { drainMs: 50 } },
  ))

test.run()

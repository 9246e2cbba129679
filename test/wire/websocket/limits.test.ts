import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runClock, stopClock } from '../../support/clock.js'
import { until } from '../../support/until.js'
import {
  answer,
  codeOf,
  create,
  type Peer,
  type SocketScene,
  SocketUpstream,
  withSockets,
} from './sockets.js'

test.after.each(runClock)

/** Opens a connection with a response that has begun. */
async function begin({ up, open }: SocketScene): Promise<{ client: Peer; peer: Peer }> {
  const client = open()
  await client.opened()
  client.send(create('m'))
  const { peer } = await up.connection(up.accepted.length)
  await peer.event(0)
  peer.send(...answer('r1', 'm', null))
  await client.event(2)
  return { client, peer }
}

const END = { type: 'response.completed', response: { id: 'r1', status: 'completed', usage: null } }

test('a drain ends idle connections at once, and others after their response', () =>
  withSockets(async (scene) => {
    const { relay, open, connections } = scene
    const idle = open()
    await idle.opened()
    const { client, peer } = await begin(scene)
    const drained = relay.app.drain()
    assert.equal(await idle.closed(), { code: 1001, reason: 'draining' })
    client.send(create('m'))
    assert.is((await client.event(3)).status, 503)
    peer.send(END)
    assert.equal(await client.closed(), { code: 1001, reason: 'draining' })
    assert.is(await drained, 0)
    assert.equal(
      (await connections(2)).map(({ end }) => end),
      ['done', 'done'],
    )
  }))

test('an open response takes a place of its upstream, and an idle connection takes none', () =>
  withSockets(
    async (scene) => {
      const { open, up, relay, responses } = scene
      const { client, peer } = await begin(scene)
      const other = open()
      await other.opened()
      other.send(create('m'))
      assert.equal([(await other.event(0)).status, (await other.closed()).code], [503, 1013])
      client.send(create('m'))
      assert.is(codeOf(await client.event(3)), 'upstream_busy')
      peer.send(END)
      await client.event(4)
      const third = open()
      await third.opened()
      third.send(create('m'))
      await (await up.connection(1)).peer.event(0)
      assert.is(relay.inspect().boundsHit.upstreamMaxConcurrentRequests, 2)
      assert.equal(
        (await responses(3)).map(({ error_code }) => error_code),
        ['upstream_busy', 'upstream_busy', null],
      )
    },
    {},
    { up: { limits: { maxConcurrentRequests: 1 } } },
  ))

test('each response beside another one on a connection counts for its key', () =>
  withSockets(
    async (scene) => {
      const { client, peer } = await begin(scene)
      client.send(create('m', { stream_id: 'b' }))
      await peer.event(1)
      client.send(create('m', { stream_id: 'c' }))
      const refusal = await client.event(3)
      assert.equal([refusal.status, refusal.stream_id], [429, 'c'])
      peer.send(...answer('r2', 'm', {}, { stream_id: 'b' }))
      await client.event(7)
      client.send(create('m', { stream_id: 'c' }))
      await peer.event(2)
    },
    { limits: { maxConcurrentRequestsPerKey: 2 } },
  ))

for (const path of ['/v1/responses', '/v1/realtime?model=m'])
  test(`a message that is longer than a body may be closes the connection at ${path}`, () =>
    withSockets(
      async ({ relay, open, connections }) => {
        const client = open(path)
        await client.opened()
        client.send(create('m', { input: 'x'.repeat(5_000) }))
        assert.is((await client.event(0)).type, 'error')
        assert.equal(await client.closed(), { code: 1009, reason: 'body_too_large' })
        assert.equal(
          (await connections(1)).map(({ end, error_code }) => [end, error_code]),
          [['refused', 'body_too_large']],
        )
        assert.is(relay.inspect().boundsHit.bodyBytes, 1)
        await until(() => relay.inspect().bufferedBytes === 0, 'the memory to be given back')
      },
      { limits: { bodyBytes: 4_096 } },
    ))

for (const path of ['/v1/responses', '/v1/realtime?model=m'])
  test(`a message that does not arrive in time closes the connection at ${path}`, () =>
    withSockets(
      async ({ relay, open, connections }) => {
        const pass = stopClock()
        const client = open(path)
        await client.opened()
        client.socket.send('{"type":"response.create","model":"m",', { fin: false })
        await until(() => relay.inspect().bufferedBytes > 0, 'the message to be held')
        pass(101)
        assert.equal(await client.closed(), { code: 1008, reason: 'request_timeout' })
        assert.is(codeOf(client.events[0]), 'request_timeout')
        assert.equal(
          (await connections(1)).map(({ end, error_code }) => [end, error_code]),
          [['refused', 'request_timeout']],
        )
        assert.is(relay.inspect().boundsHit.requestMs, 1)
        await until(() => relay.inspect().bufferedBytes === 0, 'the memory to be given back')
      },
      { timeouts: { requestMs: 100 } },
    ))

test('messages that are held count for the memory of all clients', () =>
  withSockets(
    async ({ relay, open }) => {
      const client = open()
      await client.opened()
      client.send(create('m', { input: 'x'.repeat(50_000) }))
      assert.equal(await client.closed(), { code: 1013, reason: 'relay_busy' })
      assert.is(relay.inspect().boundsHit.bufferedBytes, 1)
      await until(() => relay.inspect().bufferedBytes === 0, 'the memory to be given back')
    },
    { limits: { bufferedBytes: 40_000 } },
  ))

test('a large message passes whole, and its memory is given back', () =>
  withSockets(async ({ relay, up, open }) => {
    const client = open()
    await client.opened()
    const sent = create('m', { input: 'x\u00e4'.repeat(1_000_000) })
    client.send(sent)
    const { peer } = await up.connection(0)
    assert.equal(await peer.event(0), sent)
    assert.is(relay.inspect().bufferedBytes, 0)
  }))

test('a response that falls silent is cut, and a quiet connection is not', () =>
  withSockets(
    async (scene) => {
      const pass = stopClock()
      const quiet = scene.open()
      await quiet.opened()
      const { client, peer } = await begin(scene)
      pass(101)
      assert.equal(await client.closed(), { code: 1011, reason: 'upstream_idle' })
      await peer.closed()
      const [response] = await scene.responses(1)
      assert.equal([response?.end, (await scene.connections(1))[0]?.end], ['upstream_idle', 'upstream_idle'])
      assert.is(quiet.socket.readyState, 1)
    },
    { timeouts: { idleMs: 100 } },
  ))

test('an upstream that does not begin a response in time is cut', () =>
  withSockets(
    async ({ up, open, responses }) => {
      const pass = stopClock()
      const client = open()
      await client.opened()
      client.send(create('m'))
      await (await up.connection(0)).peer.event(0)
      pass(101)
      assert.is((await client.closed()).code, 1011)
      assert.is((await responses(1))[0]?.end, 'upstream_idle')
    },
    { timeouts: { firstByteMs: 100 } },
  ))

test('a connection without a message is closed after the time for it, pings or not', () =>
  withSockets(
    async ({ relay, up, open, connections }) => {
      const pass = stopClock()
      const unused = open()
      const client = open('/v1/realtime?model=m')
      await unused.opened()
      const { peer } = await up.connection(0)
      await client.opened()
      peer.socket.ping('a')
      await until(() => client.pings.length === 1, 'the ping')
      pass(101)
      for (const each of [unused, client])
        assert.equal(await each.closed(), { code: 1001, reason: 'no message for too long' })
      assert.is(relay.inspect().boundsHit.websocketQuietMs, 2)
      assert.equal(
        (await connections(2)).map(({ end }) => end),
        ['done', 'done'],
      )
    },
    { timeouts: { websocketQuietMs: 100 } },
  ))

test('a client that does not read holds the upstream up, and is disconnected after a while', () =>
  withSockets(
    async (scene) => {
      const { client, peer } = await begin(scene)
      const socket = (client.socket as unknown as { _socket: { pause(): void } })._socket
      socket.pause()
      const delta = { type: 'response.output_text.delta', delta: 'x'.repeat(100_000) }
      let sent = 0
      while (peer.socket.bufferedAmount < 4_000_000 && sent < 2_000) {
        peer.send(delta)
        sent++
        if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      assert.ok(sent < 2_000, 'the relay took everything')
      const exchange = scene.relay.inspect().exchanges[0]
      assert.ok(Number(exchange?.unsentBytes) < 8_000_000, `${exchange?.unsentBytes} bytes wait in the relay`)
      const [response] = await scene.responses(1)
      assert.is(response?.end, 'client_stalled')
      assert.is((await scene.connections(1))[0]?.end, 'client_stalled')
    },
    { timeouts: { clientStallMs: 500 } },
  ))

test('an upstream that does not read holds the client up', () =>
  withSockets(async (scene) => {
    const { client, peer } = await begin(scene)
    const socket = (peer.socket as unknown as { _socket: { pause(): void; resume(): void } })._socket
    socket.pause()
    const audio = { type: 'input_audio_buffer.append', audio: 'x'.repeat(100_000) }
    let sent = 0
    while (client.socket.bufferedAmount < 4_000_000 && sent < 2_000) {
      client.send(audio)
      sent++
      if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.ok(sent < 2_000, 'the relay took everything')
    socket.resume()
    await peer.event(sent)
    assert.is(scene.relay.inspect().bufferedBytes, 0)
  }))

for (const [what, settings, entry] of [
  ['for all', { websockets: false }, {}],
  ['for an upstream', {}, { websockets: false }],
] as const)
  for (const path of ['/v1/responses', '/v1/realtime?model=m'])
    test(`WebSockets that are off ${what} are answered with 426 at ${path}`, () =>
      withSockets(
        async ({ open, up, connections }) => {
          const { status, body } = await open(path).refused()
          assert.is(status, 426)
          assert.is(JSON.parse(body).error.code, 'upgrade_unsupported')
          assert.is(up.accepted.length, 0)
          assert.equal(
            (await connections(1)).map(({ end, status: told }) => [end, told]),
            [['refused', 426]],
          )
        },
        settings,
        { up: entry },
      ))

test('an upstream may have WebSockets that are off for others', () =>
  withSockets(
    async ({ upstreams, open }) => {
      const client = open()
      await client.opened()
      client.send(create('m'))
      await (await upstreams.on?.connection(0))?.peer.event(0)
    },
    { websockets: false, routes: [{ targets: [{ upstream: 'off' }, { upstream: 'on' }] }] },
    { off: {}, on: { websockets: true } },
  ))

for (const status of [404, 405, 426])
  test(`after an upstream without WebSockets (${status}) the next handshake gets 426, so that the client uses HTTP`, () =>
    withSockets(
      async ({ open }) => {
        const first = open()
        await first.opened()
        first.send(create('m'))
        assert.is((await first.closed()).code, 1011)
        assert.is((await open().refused()).status, 426)
      },
      {},
      { up: {} },
      { up: new SocketUpstream({ status, body: 'no' }) },
    ))

test('a handshake without a valid key or version is refused', () =>
  withSockets(async ({ relay }) => {
    const lines = [
      'sec-websocket-version: 13\r\n',
      'sec-websocket-version: 13\r\nsec-websocket-key: short\r\n',
      'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
      'sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    ]
    for (const line of lines) {
      const client = await relay.client()
      client.send(
        `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\nconnection: upgrade\r\nupgrade: websocket\r\n${line}\r\n`,
      )
      assert.is((await client.response()).status, 400)
    }
  }))

test.run()

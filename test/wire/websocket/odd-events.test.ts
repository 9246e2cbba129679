import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import type { RawClient } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { startRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream } from '../../support/upstream.js'
import { answer, create, USAGE, withSockets } from './sockets.js'

test.after.each(runClock)

const MASK = Buffer.from([9, 8, 7, 6])

const HANDSHAKE =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

test('a completed response that is too long to be read whole has its usage, and is over', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open()
    await client.opened()
    client.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    const [created = {}] = answer('r1', 'm')
    const output = [{ type: 'image_generation_call', result: 'A'.repeat(6_000_000) }]
    peer.send(created, { type: 'response.image', image: 'B'.repeat(5_000_000) })
    peer.send({
      type: 'response.completed',
      response: { id: 'r1', status: 'completed', output, usage: USAGE },
    })
    const [record] = await responses(1)
    assert.equal(
      [
        record?.end,
        record?.prompt_tokens,
        record?.completion_tokens,
        record?.events,
        record?.unparsed_events,
      ],
      ['done', 120, 12, 3, 2],
    )
    assert.ok(Number(record?.bytes_out) > 11_000_000)
    assert.is((await client.event(2)).type, 'response.completed')
  }))

test('messages that are no events are counted as unparsed, and pass', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open()
    await client.opened()
    client.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    const odd = ['', 'no json', '[]', '5', '{"no":"type"}', '{"type":5}']
    for (const text of odd) peer.socket.send(text)
    peer.socket.send(Buffer.from('binary'))
    peer.send({ type: 'codex.rate_limits', x: 1 }, { type: 'session.updated', session: null })
    peer.send(...answer('r1', 'm'))
    const [record] = await responses(1)
    assert.equal([record?.end, record?.unparsed_events, record?.prompt_tokens], ['done', odd.length, 120])
    await until(() => client.messages.length === odd.length + 7, 'all messages')
    assert.equal(client.messages.slice(0, odd.length), odd)
  }))

test('an error that ends a response that had begun closes its record after a while', () =>
  withSockets(async ({ up, open, responses }) => {
    const pass = stopClock()
    const client = open()
    await client.opened()
    client.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    peer.send(...answer('r1', 'm', null), {
      type: 'error',
      code: 'server_error',
      message: 'flat',
      param: null,
    })
    await client.event(3)
    pass(2_001)
    const [record] = await responses(1)
    assert.equal([record?.end, record?.stream_error, record?.status], ['done', 'server_error', 200])
    // The next one in its lane is not taken for it.
    client.send(create('m'))
    await peer.event(1)
    peer.send({ type: 'error', status: 400, error: { code: 'bad', message: 'no' } })
    assert.equal([(await responses(2))[1]?.stream_error, (await responses(2))[1]?.status], ['bad', 400])
  }))

test('a response that waits for its turn in a lane is not late, and one that has its turn is', () =>
  withSockets(
    async ({ up, open, responses }) => {
      const pass = stopClock()
      const client = open()
      await client.opened()
      client.send(create('first'), create('second'))
      const { peer } = await up.connection(0)
      await peer.event(1)
      const [created = {}, delta = {}, , completed = {}] = answer('r1', 'first')
      peer.send(created)
      await client.event(0)
      pass(101)
      peer.send(delta)
      await client.event(1)
      assert.is(client.socket.readyState, 1)
      peer.send(completed)
      await client.event(2)
      pass(99)
      assert.is(client.socket.readyState, 1)
      pass(2)
      assert.is((await client.closed()).code, 1011)
      assert.equal(
        (await responses(2)).map(({ model, end }) => [model, end]),
        [
          ['first', 'done'],
          ['second', 'upstream_idle'],
        ],
      )
    },
    { timeouts: { firstByteMs: 100, idleMs: 10_000 } },
  ))

test('a response that the upstream begins by itself is a record too', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open()
    await client.opened()
    client.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    peer.send(...answer('r1', 'm'), ...answer('r2', 'm-2'))
    assert.equal(
      (await responses(2)).map(({ model, upstream_model, end, bytes_in }) => [
        ...[model, upstream_model, end, Number(bytes_in) > 0],
      ]),
      [
        ['m', 'm', 'done', true],
        [null, 'm-2', 'done', false],
      ],
    )
  }))

test('a first message that asks for no response opens the connection, and is no response', () =>
  withSockets(async ({ relay, up, open, connections }) => {
    for (const [n, text] of ['{"type":"response.steer"}', 'no json', '[]'].entries()) {
      const client = open()
      await client.opened()
      client.socket.send(text)
      const { peer } = await up.connection(n)
      await until(() => peer.messages.length === 1, 'the message')
      assert.is(peer.messages[0], text)
      client.socket.close(1000)
    }
    await connections(3)
    assert.is((await relay.records(3)).length, 3)
  }))

test('frames that cannot be read pass, and their connection is not cut for silence', async () => {
  const compressed = encodeFrame(1, Buffer.from('compressed'), null)
  compressed[0] = 0xc1
  let connections = 0
  const server = createServer((socket) => {
    connections++
    const isFirst = connections === 1
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('data', () => isFirst && socket.write(compressed))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const relay = await startRelay(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, {
    timeouts: { idleMs: 100, firstByteMs: 100 },
  })
  const pass = stopClock()
  const begin = async (): Promise<RawClient> => {
    const client = await relay.client()
    client.send(
      `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\n${HANDSHAKE}`,
    )
    client.send(encodeFrame(1, Buffer.from(JSON.stringify(create('m'))), MASK))
    return client
  }
  const client = await begin()
  await client.sees(compressed.toString('latin1'))
  const silent = await begin()
  await until(
    () => connections === 2 && relay.inspect().bufferedBytes === 0,
    'the message of the other client',
  )
  pass(101)
  // The limit has been applied to all connections when it has cut this one.
  await silent.sees('upstream_idle')
  silent.destroy()
  await relay.records(2)
  assert.is(relay.inspect().openCount, 1)
  client.destroy()
  const records = await relay.records(4)
  assert.equal(
    records.slice(2).map(({ end, unparsed_events }) => [end, unparsed_events]),
    [
      ['client_gone', 1],
      ['client_gone', null],
    ],
  )
  await relay.close()
  server.close()
})

for (const [what, bytes] of [
  ['no frames', Buffer.from('hello there')],
  ['an unmasked frame', encodeFrame(1, Buffer.from('{}'), null)],
] as const)
  test(`a client that begins with ${what} is closed with 1002`, () =>
    withSockets(async ({ relay, up, connections }) => {
      const client = await relay.client()
      client.send(
        `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\n${HANDSHAKE}`,
      )
      client.send(bytes)
      await client.sees('\x88\x0f\x03\xeainvalid frame')
      client.destroy()
      assert.equal(
        (await connections(1)).map(({ end, error_code }) => [end, error_code]),
        [['refused', 'invalid_request']],
      )
      assert.is(up.accepted.length, 0)
    }))

test('a client that leaves while a refusal comes cancels it upstream', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(`${head('429 Slow down', CHUNKED)}2\r\nno\r\n`),
  )
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(
    `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\n${HANDSHAKE}`,
  )
  client.send(encodeFrame(1, Buffer.from(JSON.stringify(create('m'))), MASK))
  const request = await upstream.request(0)
  client.destroy()
  await until(() => request.closed, 'the upstream connection to close')
  assert.equal(
    (await relay.records(2)).map(({ end }) => end),
    ['client_gone', 'client_gone'],
  )
  await relay.close()
  await upstream.close()
})

test('a response that no upstream got is not estimated', () =>
  withSockets(async ({ up, open, responses }) => {
    up.close()
    const client = open()
    await client.opened()
    client.send(create('m'))
    client.socket.terminate()
    const [record] = await responses(1)
    assert.equal([record?.usage_source, record?.prompt_tokens], ['none', null])
  }))

test("with passthrough the client's own key opens the connection upstream", () =>
  withSockets(
    async ({ up, open, responses }) => {
      const client = open('/v1/responses', { key: 'sk-own' })
      await client.opened()
      client.send(create('m'))
      const { peer, headers } = await up.connection(0)
      assert.is(headers.authorization, 'Bearer sk-own')
      await peer.event(0)
      peer.send(...answer('r1', 'm'))
      assert.equal([(await responses(1))[0]?.end, (await responses(1))[0]?.key], ['done', null])
    },
    { keys: { mode: 'passthrough' } },
  ))

test.run()

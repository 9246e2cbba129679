import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import { fc } from '../../support/property.js'
import { type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { answer, create } from './sockets.js'

const MASK = Buffer.from([11, 200, 3, 77])

/** A message in fragments, with a control frame behind each but the last. */
function fragments(text: string, count: number, mask: Buffer | null): Buffer {
  const payload = Buffer.from(text)
  const size = Math.ceil(payload.length / count)
  const frames: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const frame = encodeFrame(i === 0 ? 1 : 0, payload.subarray(i * size, (i + 1) * size), mask)
    frames.push(frame)
    if (i === count - 1) continue
    frame[0] = (frame[0] as number) & 0x7f
    frames.push(encodeFrame(i % 2 === 0 ? 9 : 10, Buffer.from('control'), mask))
  }
  return Buffer.concat(frames)
}

const CLOSE = Buffer.from([0x0f, 0xa1, ...Buffer.from('bye')])

/** What the client sends: the first message decides the route, the second one comes in fragments. */
const CLIENT = Buffer.concat([
  encodeFrame(1, Buffer.from(JSON.stringify(create('m-one'))), MASK),
  fragments(JSON.stringify(create('m-two', { stream_id: 'b' })), 3, MASK),
  encodeFrame(10, Buffer.from('pong'), MASK),
  encodeFrame(8, CLOSE, MASK),
])

const [created = {}, delta = {}, more = {}, completed = {}] = answer('r1', 'm-one')
const [second = {}, , , last = {}] = answer(
  'r2',
  'm-two',
  { input_tokens: 5, output_tokens: 7 },
  { stream_id: 'b' },
)

/** What the upstream sends: both answers, one of them in fragments. */
const SERVER = Buffer.concat([
  ...[created, delta, more].map((event) => encodeFrame(1, Buffer.from(JSON.stringify(event)), null)),
  encodeFrame(1, Buffer.from(JSON.stringify(second)), null),
  fragments(JSON.stringify(completed), 4, null),
  encodeFrame(9, Buffer.from('ping'), null),
  encodeFrame(1, Buffer.from(JSON.stringify(last)), null),
  encodeFrame(8, CLOSE, null),
])

/** An upstream that accepts every handshake, and keeps what it gets. */
class RawUpstream {
  readonly server = createServer((socket) => this.onSocket(socket))
  readonly connections: { received: Buffer; readonly socket: Socket }[] = []

  private onSocket(socket: Socket): void {
    let head = ''
    socket.setNoDelay(true)
    socket.on('error', () => {})
    const onHead = (data: Buffer): void => {
      head += data.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.removeListener('data', onHead)
      const connection = { received: Buffer.from(head.slice(end + 4), 'latin1'), socket }
      this.connections.push(connection)
      socket.on('data', (piece: Buffer) => {
        connection.received = Buffer.concat([connection.received, piece])
      })
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    }
    socket.on('data', onHead)
  }
}

async function withRaw(act: (relay: TestRelay, upstream: RawUpstream) => Promise<void>): Promise<void> {
  const upstream = new RawUpstream()
  await new Promise<void>((resolve) => upstream.server.listen(0, '127.0.0.1', resolve))
  const relay = await startRelay(`http://127.0.0.1:${(upstream.server.address() as AddressInfo).port}/v1`)
  try {
    await act(relay, upstream)
  } finally {
    await relay.close()
    upstream.server.close()
  }
}

/** Leads a whole session, its bytes cut at these places. @returns what each side got */
async function session(
  relay: TestRelay,
  upstream: RawUpstream,
  clientCuts: readonly number[],
  serverCuts: readonly number[],
): Promise<{ readonly toServer: Buffer; readonly toClient: Buffer }> {
  const n = upstream.connections.length
  const client = await relay.client()
  client.send(
    `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  await client.sees('\r\n\r\n')
  for (const piece of cut(CLIENT, clientCuts)) {
    client.send(piece)
    await wait(0)
  }
  await until(() => upstream.connections[n]?.received.length === CLIENT.length, 'all of the client')
  const connection = upstream.connections[n] as (typeof upstream.connections)[0]
  for (const piece of cut(SERVER, serverCuts)) {
    connection.socket.write(piece)
    await wait(0)
  }
  connection.socket.end()
  await client.closed()
  const bytes = Buffer.concat(client.pieces)
  return { toServer: connection.received, toClient: bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places)].filter((place) => place > 0 && place < bytes.length).sort((a, b) => a - b)
  return [...at, bytes.length].map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
}

/** What the records of a session say, but for times and ids. */
function essence(records: readonly LogLine[]): unknown[] {
  return records
    .map(
      ({
        model,
        upstream_model,
        end,
        status,
        prompt_tokens,
        completion_tokens,
        events,
        bytes_in,
        bytes_out,
      }) => [
        ...[
          model,
          upstream_model,
          end,
          status,
          prompt_tokens,
          completion_tokens,
          events,
          bytes_in,
          bytes_out,
        ],
      ],
    )
    .sort((a, b) => String(a).localeCompare(String(b)))
}

const EXPECTED = ['m-one done 120 12 4', 'm-two done 5 7 2', 'null done null null null']

async function check(
  relay: TestRelay,
  upstream: RawUpstream,
  cuts: readonly (readonly [number[], number[]])[],
): Promise<void> {
  const before = relay.inspect().ledger?.written ?? 0
  for (const [clientCuts, serverCuts] of cuts) {
    const { toServer, toClient } = await session(relay, upstream, clientCuts, serverCuts)
    assert.ok(toServer.equals(CLIENT), `other bytes for the upstream, cut at ${clientCuts}`)
    assert.ok(toClient.equals(SERVER), `other bytes for the client, cut at ${serverCuts}`)
  }
  const records = (await relay.records(before + 3 * cuts.length)).slice(before)
  const bySession = new Map<unknown, LogLine[]>()
  for (const record of records)
    bySession.set(record.connection_id, [...(bySession.get(record.connection_id) ?? []), record])
  const kinds = new Set([...bySession.values()].map((each) => JSON.stringify(essence(each))))
  assert.is(bySession.size, cuts.length)
  assert.is(kinds.size, 1, [...kinds].join('\n'))
  const told = [...bySession.values()][0]?.map(
    ({ model, end, prompt_tokens, completion_tokens, events }) =>
      `${model} ${end} ${prompt_tokens} ${completion_tokens} ${events}`,
  )
  assert.equal(told?.sort(), EXPECTED)
}

test('a session that is cut at each of its bytes has the same bytes and the same records', () =>
  withRaw(async (relay, upstream) => {
    // Each session is cut at four bytes that are far from each other.
    const quarter = Math.ceil(Math.max(CLIENT.length, SERVER.length) / 4)
    const places = (i: number, bytes: Buffer): number[] =>
      [0, 1, 2, 3].map((n) => (i + n * quarter) % bytes.length)
    await check(
      relay,
      upstream,
      Array.from({ length: quarter }, (_, i) => [places(i, CLIENT), places(i, SERVER)] as const),
    )
  }))

test('a session that comes byte by byte has the same bytes and the same records', () =>
  withRaw((relay, upstream) =>
    check(relay, upstream, [
      [[], []],
      [Array.from(CLIENT.keys()), Array.from(SERVER.keys())],
    ]),
  ))

test('a session that is cut at any bytes has the same bytes and the same records', () =>
  withRaw((relay, upstream) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(CLIENT.length), { maxLength: 12 }),
        fc.array(fc.nat(SERVER.length), { maxLength: 12 }),
        (clientCuts, serverCuts) => check(relay, upstream, [[clientCuts, serverCuts]]),
      ),
      { numRuns: 25 },
    ),
  ))

for (const side of ['client', 'upstream'] as const)
  test(`a connection that the ${side} ends in the middle of a frame ends the other side, and is no success`, () =>
    withRaw(async (relay, upstream) => {
      const client = await relay.client()
      client.send(
        `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      )
      client.send(encodeFrame(1, Buffer.from(JSON.stringify(create('m'))), MASK))
      await until(() => (upstream.connections[0]?.received.length ?? 0) > 0, 'the message')
      const { socket } = upstream.connections[0] as (typeof upstream.connections)[0]
      const part = encodeFrame(1, Buffer.from(JSON.stringify(created)), null)
      socket.write(Buffer.concat([part, part.subarray(0, 9)]))
      await client.sees('response.created')
      if (side === 'client') client.end()
      else socket.end()
      await (side === 'client'
        ? until(() => socket.destroyed || socket.readableEnded, 'the end')
        : client.closed())
      const records = await relay.records(2)
      const end = side === 'client' ? 'client_gone' : 'upstream_cut'
      assert.equal(
        records.map((record) => record.end),
        [end, end],
      )
      client.destroy()
      socket.destroy()
    }))

test.run()

import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resetSocket } from '../../../src/relay/reset.js'
import { runClock, stopClock } from '../../support/clock.js'
import { until } from '../../support/until.js'
import { answer, create, type SocketScene, SocketUpstream, withSockets } from './sockets.js'

test.after.each(runClock)

const ROUTE = { routes: [{ targets: [{ upstream: 'bad' }, { upstream: 'ok' }] }] }

/** Both ways to open a WebSocket: the relay accepts the handshake itself, or forwards it. */
const PATHS = ['/v1/responses', '/v1/realtime?model=m'] as const

/** Opens a connection that has to end up at the second target. @returns what its record says of the first one */
async function fallOver(
  { open, upstreams, relay, connections }: SocketScene,
  path: string,
): Promise<unknown> {
  const ok = upstreams.ok as SocketUpstream
  const n = ok.accepted.length
  const client = open(path)
  await until(() => client.socket.readyState !== 0, 'the connection')
  if (path === '/v1/responses') client.send(create('m'))
  const { peer } = await ok.connection(n)
  if (path === '/v1/responses') {
    await peer.event(0)
    peer.send(...answer('r1', 'm'))
    await client.event(3)
  }
  await client.opened()
  client.socket.close(1000)
  await client.closed()
  await until(() => relay.inspect().openCount === 0, 'the connection to end')
  // No place is taken any more.
  assert.equal(
    relay.inspect().upstreams.map(({ name, inFlight }) => [name, inFlight]),
    [
      ['bad', 0],
      ['ok', 0],
    ],
  )
  return (await connections(ok.accepted.length)).at(-1)?.failed_attempts
}

function failuresOf({ relay }: SocketScene, path: string): number | undefined {
  const route = relay.inspect().findRoute(path.slice(3).replace(/\?.*/, ''), 'm', 'team1')
  return route?.targets[0]?.breaker.snapshot(performance.now()).failures
}

/** Statuses of a handshake that is refused, and whether they count against the health of the target. */
const STATUSES: readonly (readonly [status: number, isFault: boolean])[] = [
  [408, false],
  [409, false],
  [429, false],
  [500, true],
  [502, true],
  [503, true],
  [529, true],
  [200, false],
  [404, false],
  [405, false],
  [426, false],
  [501, false],
]

for (const path of PATHS)
  for (const [status, isFault] of STATUSES)
    test(`a handshake at ${path} that is refused with ${status} goes to the next target`, () =>
      withSockets(
        async (scene) => {
          assert.is(await fallOver(scene, path), `bad ${status}`)
          assert.is(failuresOf(scene, path), isFault ? 1 : 0)
        },
        ROUTE,
        { bad: {}, ok: {} },
        { bad: new SocketUpstream({ status, body: '{}' }) },
      ))

/** What a server does with a connection that has sent its handshake. */
const BROKEN: readonly (readonly [what: string, act: (socket: Socket) => void, cause: RegExp])[] = [
  ['resets it', (socket) => resetSocket(socket), /^bad ECONNRESET$/],
  ['closes it', (socket) => void socket.end(), /^bad ECONNRESET$/],
  ['answers no HTTP', (socket) => void socket.end('hello\r\n\r\n'), /^bad HPE_/],
  [
    'breaks off within the head',
    (socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n'),
    /^bad (?:ECONNRESET|HPE_)/,
  ],
]

async function withServer(
  act: (socket: Socket) => void,
  run: (server: Server, url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => act(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run(server, `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`)
  } finally {
    server.close()
  }
}

for (const path of PATHS)
  for (const [what, act, cause] of BROKEN)
    test(`a handshake at ${path} with a server that ${what} goes to the next target, and counts against its health`, () =>
      withServer(act, (_, url) =>
        withSockets(
          async (scene) => {
            assert.match(String(await fallOver(scene, path)), cause)
            assert.is(failuresOf(scene, path), 1)
          },
          ROUTE,
          { bad: { baseUrl: url }, ok: {} },
        ),
      ))

for (const path of PATHS)
  test(`a handshake at ${path} that is not answered in time goes to the next target`, () =>
    withServer(
      () => {},
      (server, url) =>
        withSockets(
          async (scene) => {
            const pass = stopClock()
            let asked = 0
            server.on('connection', (socket) => socket.once('data', () => asked++))
            const done = fallOver(scene, path)
            await until(() => asked === 1, 'the handshake')
            pass(101)
            runClock()
            assert.is(await done, 'bad firstByteMs')
            assert.is(failuresOf(scene, path), 1)
          },
          ROUTE,
          { bad: { baseUrl: url, timeouts: { firstByteMs: 100 } }, ok: {} },
        ),
    ))

test('a target that cannot be reached is not asked first any more after five handshakes', () =>
  withSockets(
    async (scene) => {
      scene.upstreams.bad?.close()
      // It is tried again after a while.
      stopClock()
      for (let i = 0; i < 5; i++) assert.is(await fallOver(scene, '/v1/realtime?model=m'), 'bad ECONNREFUSED')
      assert.is(await fallOver(scene, '/v1/realtime?model=m'), null)
    },
    ROUTE,
    { bad: {}, ok: {} },
  ))

test('a handshake under way takes a place of its upstream, and one that is full is passed over', () =>
  withServer(
    () => {},
    (server, url) =>
      withSockets(
        async ({ open, relay, upstreams }) => {
          let asked = 0
          server.on('connection', () => asked++)
          const waiting = open('/v1/realtime?model=m')
          await until(() => asked === 1, 'the handshake')
          assert.is(relay.inspect().upstreams[0]?.inFlight, 1)
          const other = open('/v1/realtime?model=m')
          await other.opened()
          assert.is(upstreams.ok?.accepted.length, 1)
          assert.is(asked, 1)
          waiting.socket.terminate()
          await until(() => relay.inspect().upstreams[0]?.inFlight === 0, 'the place to be free')
        },
        ROUTE,
        { bad: { baseUrl: url, limits: { maxConcurrentRequests: 1 } }, ok: {} },
      ),
  ))

test('if no target accepts, a client that the relay has accepted gets the last words of one, and all are recorded', () =>
  withSockets(
    async ({ open, connections, responses }) => {
      const client = open()
      await client.opened()
      client.send(create('m'))
      assert.equal([(await client.event(0)).status, (await client.closed()).code], [503, 1011])
      const [connection] = await connections(1)
      assert.equal([connection?.failed_attempts, connection?.end], ['bad 429', 'upstream_failed'])
      assert.is((await responses(1))[0]?.status, 503)
    },
    ROUTE,
    { bad: {}, ok: {} },
    {
      bad: new SocketUpstream({ status: 429, body: '{}' }),
      ok: new SocketUpstream({ status: 503, body: '{}' }),
    },
  ))

test('a client that does not read its pongs costs no memory for them', () =>
  withSockets(async ({ relay, open }) => {
    const client = open()
    await client.opened()
    const socket = (client.socket as unknown as { _socket: Socket })._socket
    socket.pause()
    let sent = 0
    const ping = Buffer.alloc(125)
    // Until the relay does not take more, or for eight times what a socket holds.
    while (sent < 400_000 && socket.writableLength < 4_000_000) {
      client.socket.ping(ping)
      sent++
      if (sent % 2_000 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const unsent = Number(relay.inspect().exchanges[0]?.unsentBytes)
    assert.ok(unsent < 1_000_000, `${unsent} bytes wait in the relay`)
  }))

test.run()

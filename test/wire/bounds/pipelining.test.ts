import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { fc } from '../../support/property.js'
import { boundsHit, type Scene, withRelay } from '../../support/scene.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

/** Answers with what it was asked, and does not answer `/v1/slow` at all. */
const ECHO: Script = (request) =>
  request.target === '/v1/slow'
    ? undefined
    : request.write(whole('200 OK', `${request.method} ${request.target} ${request.body.toString()}`))

const get = (scene: Scene, path: string): string => `GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`

/** The number of exchanges that are open. */
const openCount = (scene: Scene): number => scene.relay.inspect().openCount

test('a request behind an unanswered one of its connection is not begun, and is answered in its turn', () => {
  const first = gate()
  return withRelay(
    async (request) => {
      if (request.target === '/v1/1') await first.opened
      await request.write(whole('200 OK', request.target))
    },
    async (scene) => {
      const client = await scene.client()
      client.send([1, 2, 3, 4].map((n) => get(scene, `/v1/${n}`)).join(''))
      await scene.upstream.request(0)
      await until(() => scene.relay.inspect().boundsHit.unansweredRequestsPerConnection === 1, 'the bound')
      assert.is(openCount(scene), 1)
      assert.is(scene.upstream.requests.length, 1)
      first.open()
      for (const n of [1, 2, 3, 4]) assert.is((await client.response(n - 1)).body.toString(), `/v1/${n}`)
      assert.equal(
        (await scene.relay.requests(4)).map(({ end }) => end),
        ['done', 'done', 'done', 'done'],
      )
      // The connection stays in use.
      client.send(get(scene, '/v1/5'))
      assert.is((await client.response(4)).body.toString(), '/v1/5')
    },
  )
})

for (const limit of [1, 2, 3])
  test(`of a connection ${limit} requests are served at one time if the config says so`, () => {
    const all = gate()
    return withRelay(
      async (request) => {
        await all.opened
        await request.write(whole('200 OK', request.target))
      },
      async (scene) => {
        const client = await scene.client()
        client.send([1, 2, 3, 4, 5].map((n) => get(scene, `/v1/${n}`)).join(''))
        await until(() => openCount(scene) === limit, 'the first ones')
        await scene.ask('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
        await until(() => openCount(scene) <= limit, 'the probe to be over')
        assert.is(openCount(scene), limit)
        all.open()
        for (const n of [1, 2, 3, 4, 5]) assert.is((await client.response(n - 1)).body.toString(), `/v1/${n}`)
      },
      { limits: { unansweredRequestsPerConnection: limit } },
    )
  })

/** A request as a client pipelines it, and what it is answered with. */
type Kind = {
  readonly bytes: (scene: Scene, n: number) => string
  readonly body: (n: number) => string | null
}

const KINDS: readonly Kind[] = [
  { bytes: (scene, n) => get(scene, `/v1/${n}`), body: (n) => `GET /v1/${n} ` },
  {
    bytes: (scene, n) => `POST /v1/${n} HTTP/1.1\r\n${scene.auth}content-length: 5\r\n\r\nhello`,
    body: (n) => `POST /v1/${n} hello`,
  },
  {
    bytes: (scene, n) =>
      `POST /v1/${n} HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`,
    body: (n) => `POST /v1/${n} hello`,
  },
  {
    bytes: (scene, n) =>
      `POST /v1/${n} HTTP/1.1\r\n${scene.auth}content-length: 70000\r\n\r\n${'x'.repeat(70_000)}`,
    body: (n) => `POST /v1/${n} ${'x'.repeat(70_000)}`,
  },
  { bytes: () => 'GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n', body: () => '{"status":"ok"}\n' },
  { bytes: () => 'GET /v1/x HTTP/1.1\r\nhost: relay\r\n\r\n', body: () => null },
  {
    bytes: (scene) => `PUT /v1/x HTTP/1.1\r\n${scene.auth}content-length: 0\r\nhost: b\r\n\r\n`,
    body: () => null,
  },
]

/** Sends bytes in pieces of these sizes, each in a turn of its own. */
async function sendInPieces(client: RawClient, bytes: string, sizes: readonly number[]): Promise<void> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number
    client.send(bytes.slice(at, at + size))
    at += size
    if (n % 8 === 0) await wait(0)
  }
}

test('pipelined requests of any kinds, cut anywhere, are answered in their order', () =>
  withRelay(
    ECHO,
    async (scene) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat({ max: KINDS.length - 1 }), { minLength: 1, maxLength: 12 }),
          fc.array(fc.integer({ min: 40, max: 90_000 }), { minLength: 1, maxLength: 5 }),
          async (kinds, sizes) => {
            const client = await scene.client()
            const wanted = kinds.map((kind, n) => (KINDS[kind] as Kind).body(n))
            await sendInPieces(
              client,
              kinds.map((kind, n) => (KINDS[kind] as Kind).bytes(scene, n)).join(''),
              sizes,
            )
            for (const [n, body] of wanted.entries()) {
              const response = await client.response(n)
              assert.ok(response.complete)
              if (body === null) assert.ok(response.status === 401 || response.status === 400)
              else assert.is(response.body.toString(), body)
            }
            client.destroy()
          },
        ),
        { numRuns: 25 },
      )
      await until(() => openCount(scene) === 0, 'all to be over')
    },
    { limits: { refusalsPerAddressPerMinute: 10_000 } },
  ))

test('a WebSocket handshake or an Expect behind waiting requests has its turn', () =>
  withRelay(ECHO, async (scene) => {
    const client = await scene.client()
    client.send(get(scene, '/v1/1') + get(scene, '/v1/2'))
    client.send(`POST /v1/3 HTTP/1.1\r\n${scene.auth}expect: 100-continue\r\ncontent-length: 2\r\n\r\n`)
    await client.sees('HTTP/1.1 100 Continue')
    client.send('ok')
    assert.is((await client.response(2)).body.toString(), 'POST /v1/3 ok')
    client.send(get(scene, '/v1/4') + get(scene, '/v1/5'))
    client.send(
      `GET /v1/realtime HTTP/1.1\r\n${scene.auth}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    // The upstream has no WebSockets: its response to the handshake is the last one of the connection.
    assert.is((await client.response(4)).body.toString(), 'GET /v1/5 ')
    assert.match((await client.response(5)).body.toString(), '/v1/realtime')
    await client.closed()
  }))

test('what is no request behind waiting requests is refused in its turn', () =>
  withRelay(ECHO, async (scene) => {
    const client = await scene.client()
    client.send(`${get(scene, '/v1/1')}${get(scene, '/v1/2')}${get(scene, '/v1/3')}no request\r\n\r\n`)
    for (const n of [1, 2]) assert.is((await client.response(n - 1)).body.toString(), `GET /v1/${n} `)
    await client.closed()
    assert.match(client.text, /HTTP\/1\.1 400 /)
    await until(() => openCount(scene) === 0, 'all to be over')
  }))

const AHEAD: ReadonlyArray<readonly [string, (scene: Scene) => string]> = [
  ['one request', (scene) => get(scene, '/v1/2')],
  ['two requests', (scene) => get(scene, '/v1/2').repeat(2)],
  ['a thousand requests', (scene) => get(scene, '/v1/2').repeat(1000)],
  [
    'a body of 4 MB',
    (scene) => `POST /v1/2 HTTP/1.1\r\n${scene.auth}content-length: 8000000\r\n\r\n${'x'.repeat(4_000_000)}`,
  ],
]
for (const [what, ahead] of AHEAD)
  for (const leave of ['destroy', 'reset', 'end'] as const)
    for (const begun of [false, true])
      test(`a client that leaves (${leave}) ${begun ? 'within' : 'before'} a response, with ${what} sent ahead, cancels its request`, () =>
        withRelay(
          async (request) => {
            if (!begun) return
            await request.write(head('200 OK', SSE, CHUNKED))
            await request.chunk('data: 1\n\n')
          },
          async (scene) => {
            const client = await scene.client()
            client.send(get(scene, '/v1/1'))
            const request = await scene.upstream.request(0)
            if (begun) await client.sees('data: 1')
            client.send(ahead(scene))
            await until(() => client.socket.writableLength === 0, 'all of it to leave')
            client[leave]()
            await until(() => request.closed, 'the upstream request to be cancelled')
            await until(() => openCount(scene) === 0, 'it to be over')
            assert.is(scene.relay.inspect().bufferedBytes, 0)
            assert.is(scene.upstream.requests.length, 1)
          },
        ))

for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS'])
  for (const path of ['/', '/readyz', '/v1/models'])
    test(`a flood of ${method} ${path} without a key, of which nothing is read, holds no place and no more than one request a connection`, () =>
      withRelay(
        ECHO,
        async (scene) => {
          const one = `${method} ${path} HTTP/1.1\r\nhost: relay\r\ncontent-length: 0\r\n\r\n`
          const flood = one.repeat(3_000)
          const clients = await Promise.all(Array.from({ length: 10 }, () => scene.client()))
          for (const client of clients) {
            client.socket.pause()
            for (let i = 0; i < 10; i++) client.send(flood)
          }
          for (let i = 0; i < 5; i++) {
            // Two requests are admitted at one time, and one is all that this client needs.
            await scene.relayed(get(scene, `/v1/${i}`))
            assert.ok(openCount(scene) <= clients.length + 1, `${openCount(scene)} requests are open`)
          }
          assert.not.ok('maxConcurrentRequests' in scene.relay.inspect().boundsHit)
          for (const client of clients) client.destroy()
          await until(() => openCount(scene) === 0, 'all to be over')
        },
        { limits: { maxConcurrentRequests: 1, refusalsPerAddressPerMinute: 100_000 } },
      ))

test('a client that reads none of the answers of the relay itself is disconnected after timeouts.clientStallMs', () =>
  withRelay(
    ECHO,
    async (scene) => {
      const client = await scene.client()
      client.socket.pause()
      const flood = `GET /v1/models HTTP/1.1\r\nhost: relay\r\n\r\n`.repeat(2_000)
      const send = (error?: Error | null): void => {
        if (error == null) client.socket.write(flood, send)
      }
      send()
      await until(() => scene.relay.inspect().boundsHit.clientStallMs === 1, 'the stall')
      await until(() => openCount(scene) === 0, 'it to be over')
      client.destroy()
      assert.equal(Object.keys(await boundsHit(scene)).sort(), [
        'clientStallMs',
        'unansweredRequestsPerConnection',
      ])
    },
    { timeouts: { clientStallMs: 300 }, limits: { refusalsPerAddressPerMinute: 1_000_000 } },
  ))

test.run()

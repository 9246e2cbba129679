import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../../src/access/keyring.js'
import { headerOf, type Response } from '../../support/client.js'
import { boundsHit, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

const POST = (scene: Scene, bytes: number): string =>
  `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`

/** A stream that runs until its client leaves or the test ends it. */
const STREAM: Script = async (request) => {
  if (request.target === '/v1/short') return request.write(whole('200 OK', 'short'))
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk('data: 1\n\n')
}

/** Starts a request and waits until it streams. */
async function start(scene: Scene, bytes: string): Promise<{ leave(): void }> {
  const client = await scene.client()
  client.send(bytes)
  await client.sees('data: 1')
  return { leave: () => client.destroy() }
}

/** Starts a request and waits until the upstream has it. The upstream must be one that never responds. */
async function startWaiting(scene: Scene, bytes: string): Promise<{ leave(): void }> {
  const before = scene.upstream.requests.length
  const client = await scene.client()
  client.send(bytes)
  await scene.upstream.request(before)
  return { leave: () => client.destroy() }
}

/** Waits until `count` requests are in flight. */
function untilLive(scene: Scene, count: number): Promise<void> {
  return until(() => scene.relay.inspect().openCount === count, `${count} in flight`)
}

function assertBusy(response: Response, status: number, code: string): void {
  assert.is(response.status, status)
  // A key that is busy says no time: nobody knows when one of its requests ends, and each client has its own pause.
  assert.is(headerOf(response, 'retry-after'), status === 503 ? '1' : undefined)
  assert.is(headerOf(response, 'x-should-retry'), 'true')
  const { error } = JSON.parse(response.body.toString())
  assert.is(error.code, code)
  assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
}

test('beyond limits.maxConcurrentRequests a request gets 503 at once, until another request has ended', () =>
  withRelay(
    STREAM,
    async (scene) => {
      const streams = [await start(scene, POST(scene, 10)), await start(scene, POST(scene, 10))]
      for (const path of ['/v1/x', '/v1/y']) {
        assertBusy(await scene.ask(`GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`), 503, 'relay_busy')
      }
      const anthropic = await scene.ask(`GET /v1/messages HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(anthropic.status, 503)
      assert.is(JSON.parse(anthropic.body.toString()).error.type, 'overloaded_error')
      // Probes are served even when no request is admitted.
      assert.equal(await boundsHit(scene), { maxConcurrentRequests: 3 })
      assert.is(scene.upstream.requests.length, 2)

      streams[0]?.leave()
      await untilLive(scene, 1)
      const third = await start(scene, POST(scene, 10))
      streams[1]?.leave()
      third.leave()
      await untilLive(scene, 0)
      assert.equal(await boundsHit(scene), { maxConcurrentRequests: 3 })
    },
    { limits: { maxConcurrentRequests: 2 } },
  ))

test('beyond limits.maxConcurrentRequestsPerKey a key gets 429, and another key is served', () =>
  withRelay(
    STREAM,
    async (scene) => {
      const { key } = issueKey(scene.relay.keyFile, { env: 'test', team: 'team1', user: 'user2' })
      const first = await start(scene, POST(scene, 10))
      assertBusy(await scene.ask(POST(scene, 10)), 429, 'key_busy')
      const anthropic = await scene.ask(`GET /v1/messages HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(JSON.parse(anthropic.body.toString()).error.type, 'rate_limit_error')
      assert.equal(await boundsHit(scene), { maxConcurrentRequestsPerKey: 2 })

      const theirs = `HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\n\r\n`
      // The relay knows the new key once it has read the key file again.
      while ((await scene.ask(`GET /v1/short ${theirs}`)).status === 401) await wait(5)
      await untilLive(scene, 1)
      const other = await start(scene, `GET /v1/x ${theirs}`)
      other.leave()
      await untilLive(scene, 1)

      first.leave()
      await untilLive(scene, 0)
      const again = await start(scene, POST(scene, 10))
      again.leave()
    },
    { limits: { maxConcurrentRequestsPerKey: 1 } },
  ))

test('a key whose requests are refused is not counted as busy', () =>
  withRelay(
    (request) => request.write(head('200 OK', 'content-length: 0')),
    async (scene) => {
      for (let i = 0; i < 5; i++) {
        const refused = await scene.ask(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 5000\r\n\r\n`)
        assert.is(refused.status, 413)
        await untilLive(scene, 0)
      }
      await scene.relayed(POST(scene, 10))
    },
    { limits: { maxConcurrentRequestsPerKey: 1, bodyBytes: 1024 } },
  ))

for (const framing of ['a length', 'chunks']) {
  test(`beyond limits.bufferedBytes a body with ${framing} gets 503, until another request has ended`, () =>
    withRelay(
      (request) => request.hang(),
      async (scene) => {
        const second =
          framing === 'chunks'
            ? `POST /v1/x HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n2bc\r\n${'x'.repeat(700)}\r\n0\r\n\r\n`
            : POST(scene, 700)
        const first = await startWaiting(scene, POST(scene, 700))
        const refused = await scene.ask(second)
        assertBusy(refused, 503, 'relay_busy')
        assert.equal(await boundsHit(scene), { bufferedBytes: 1 })
        // A body that fits is accepted.
        const small = await startWaiting(scene, POST(scene, 300))
        assert.is(scene.upstream.requests.length, 2)

        first.leave()
        await untilLive(scene, 1)
        const again = await startWaiting(scene, second)
        small.leave()
        again.leave()
        await untilLive(scene, 0)
        const ready = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
        assert.is(JSON.parse(ready.body.toString()).buffered_bytes, 0)
      },
      { limits: { bufferedBytes: 1024 } },
    ))
}

test('the memory of a prompt is released when its response begins', () =>
  withRelay(
    STREAM,
    async (scene) => {
      const streams = []
      for (let i = 0; i < 3; i++) streams.push(await start(scene, POST(scene, 700)))
      const ready = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
      assert.is(JSON.parse(ready.body.toString()).buffered_bytes, 0)
      for (const stream of streams) stream.leave()
      await untilLive(scene, 0)
    },
    { limits: { bufferedBytes: 1024 } },
  ))

test('the bytes of a request leave limits.bufferedBytes, however the request ends', () =>
  withRelay(
    (request) => request.reset(),
    async (scene) => {
      // The upstream fails.
      assert.is((await scene.ask(POST(scene, 700))).status, 502)
      await untilLive(scene, 0)
      // The client leaves within its body.
      const client = await scene.client()
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 700\r\n\r\nhalf`)
      await untilLive(scene, 1)
      client.destroy()
      await untilLive(scene, 0)
      // The body outgrows the limit.
      const chunk = `200\r\n${'x'.repeat(512)}\r\n`
      const refused = await scene.ask(
        `POST /v1/x HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`,
      )
      assert.is(refused.status, 503)
      await untilLive(scene, 0)
      assert.is((await scene.ask(POST(scene, 1000))).status, 502)
    },
    { limits: { bufferedBytes: 1024 } },
  ))

test('beyond limits.connections a new connection is closed at once, until another one has ended', () =>
  withRelay(
    STREAM,
    async (scene) => {
      const stream = await scene.client()
      stream.send(POST(scene, 10))
      await stream.sees('data: 1')
      const idler = await scene.client()
      idler.send('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
      await idler.response()

      const refused = await scene.client()
      refused.send(POST(scene, 10))
      await refused.closed()
      assert.is(refused.text, '')
      assert.is(scene.upstream.requests.length, 1)
      idler.send('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
      assert.equal(JSON.parse((await idler.response(1)).body.toString()).bounds_hit, { connections: 1 })

      stream.destroy()
      await untilLive(scene, 0)
      const next = await start(scene, POST(scene, 10))
      next.leave()
    },
    { limits: { connections: 2 } },
  ))

test.run()

import type { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, SSE, whole } from '../../support/upstream.js'

const PROMPT = 'x'.repeat(200_000)

test.after.each(runClock)

/** Sends the head and the first part of a body. */
async function begin(scene: Scene, body: string, first: number): Promise<RawClient> {
  const client = await scene.client()
  client.send(`POST /v1/embeddings HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n`)
  client.send(body.slice(0, first))
  return client
}

/** Number of bytes that the relay buffers for all clients. */
async function held(scene: Scene): Promise<number> {
  const response = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
  return JSON.parse(response.body.toString()).buffered_bytes
}

/** @returns the upstream's connection on which this part of a request has arrived */
async function arrived(scene: Scene, part: string): Promise<Socket> {
  await until(() => scene.upstream.arriving.includes(part), `${part} at the upstream`)
  const socket = [...scene.upstream.sockets].at(-1)
  assert.ok(socket)
  return socket
}

/** Waits until the relay closes this connection. Their number does not show it: undici opens a new one in its place. */
const closed = (socket: Socket): Promise<void> => until(() => socket.destroyed, 'the connection to close')

test('the upstream gets the beginning of a prompt before the client has sent the end', () =>
  withRelay(OK, async (scene) => {
    const body = `{"model":"m-1","prompt":"${PROMPT}","stream":true}`
    const client = await begin(scene, body, 100_000)
    await until(() => scene.upstream.arriving.length > 100_000, 'the first half at the upstream')
    assert.is(scene.upstream.requests.length, 0)
    client.send(body.slice(100_000))
    assert.is((await client.response()).status, 200)
    const request = await scene.upstream.request(0)
    assert.is(request.body.toString(), body)
    assert.is(request.header('content-length'), String(body.length))
    assert.is(request.header('transfer-encoding'), undefined)
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.model, 'm-1')
    assert.is(line?.stream, true)
    assert.is(line?.bytes_in, body.length)
    assert.is(await held(scene), 0)
  }))

test('firstByteMs does not begin before the upstream has the whole prompt', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = `{"model":"m-1","prompt":"${PROMPT}","stream":true}`
      const client = await begin(scene, body, 100_000)
      await until(() => scene.upstream.arriving.length > 100_000, 'the first half at the upstream')
      const pass = stopClock()
      pass(300)
      scene.relay.app.tick(performance.now())
      client.send(body.slice(100_000))
      assert.is((await client.response()).status, 200)
      assert.is((await scene.relay.requests(1))[0]?.attempts, 1)
    },
    { timeouts: { firstByteMs: 100 } },
  ))

test('a prompt reaches the upstream unchanged wherever the client cuts it', () =>
  withRelay(OK, async (scene) => {
    const body = `{ "stream": false, "model" : "m-\\u0031", "prompt": "a b", "n": 1 }`
    for (let cut = 1; cut < body.length; cut++) {
      const client = await begin(scene, body, cut)
      // The relay must read the rest as a second piece.
      while ((await held(scene)) !== cut) await wait(1)
      client.send(body.slice(cut))
      const response = await client.response()
      assert.is(response.status, 200, `cut at ${cut}`)
      const request = await scene.upstream.request(cut - 1)
      assert.is(request.body.toString(), body, `cut at ${cut}`)
      client.destroy()
    }
  }))

test('an alias is replaced and the content-length is right in a prompt that is sent on while it arrives', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = `{"model":"fast","prompt":"${PROMPT}"}`
      const client = await begin(scene, body, 100_000)
      await arrived(scene, '"model":"the-real-model"')
      client.send(body.slice(100_000))
      assert.is((await client.response()).status, 200)
      const request = await scene.upstream.request(0)
      assert.is(request.body.toString(), body.replace('fast', 'the-real-model'))
    },
    { models: { fast: { upstream: 'up', model: 'the-real-model' } } },
  ))

test('a second model behind a prompt that is on its way ends the request where a rule depends on the model', () =>
  withRelay(
    OK,
    async (scene) => {
      for (const last of [',"model":"fast"}', ',"Model":"fast"}', ',}', '']) {
        const body = `{"model":"m-1","prompt":"${PROMPT}"${last}`
        const client = await begin(scene, body, 100_000)
        const attempt = await arrived(scene, '"model":"m-1"')
        client.send(body.slice(100_000))
        assert.is((await client.response()).status, 400, last)
        await closed(attempt)
        assert.is(scene.upstream.requests.length, 0)
        client.destroy()
      }
    },
    { models: { fast: { upstream: 'up', model: 'the-real-model' } } },
  ))

test('a model without a route is refused only when the prompt is complete, because another model may follow', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = (last: string): string => `{"model":"m-1","prompt":"${PROMPT}"${last}}`
      const known = body(',"model":"gpt-1"')
      const client = await begin(scene, known, 100_000)
      client.send(known.slice(100_000))
      // The models differ, so that servers may read either.
      assert.is((await client.response()).status, 400)
      const unknown = body('')
      const other = await begin(scene, unknown, 100_000)
      other.send(unknown.slice(100_000))
      const response = await other.response()
      assert.is(response.status, 404)
      assert.is(JSON.parse(response.body.toString()).error.code, 'no_route')
      assert.is(scene.upstream.requests.length, 0)
    },
    { routes: [{ model: 'gpt-*', upstream: 'up' }] },
  ))

test('a client that leaves while its prompt is sent upstream cancels the request', () =>
  withRelay(OK, async (scene) => {
    const client = await begin(scene, `{"model":"m-1","prompt":"${PROMPT}"}`, 100_000)
    const attempt = await arrived(scene, '"model":"m-1"')
    client.reset()
    await closed(attempt)
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'client_gone')
    assert.is(scene.upstream.requests.length, 0)
    assert.is(await held(scene), 0)
    assert.is(scene.relay.inspect().openCount, 0)
  }))

test('a prompt that does not end within requestMs is refused, and its upstream request cancelled', () =>
  withRelay(
    OK,
    async (scene) => {
      const client = await begin(scene, `{"model":"m-1","prompt":"${PROMPT}"}`, 100_000)
      const attempt = await arrived(scene, '"model":"m-1"')
      const response = await client.response()
      assert.is(response.status, 408)
      assert.is(JSON.parse(response.body.toString()).error.code, 'request_timeout')
      await closed(attempt)
      assert.is(scene.upstream.requests.length, 0)
      assert.is(await held(scene), 0)
    },
    { timeouts: { requestMs: 200 } },
  ))

test('a prompt that outgrows limits.bufferedBytes is refused, and its upstream request cancelled', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = `{"model":"m-1","prompt":"${PROMPT}"}`
      const client = await begin(scene, body, 50_000)
      const attempt = await arrived(scene, '"model":"m-1"')
      const other = await begin(scene, body, 60_000)
      while ((await held(scene)) !== 110_000) await wait(1)
      client.send(body.slice(50_000))
      const response = await client.response()
      assert.is(response.status, 503)
      assert.is(JSON.parse(response.body.toString()).error.code, 'relay_busy')
      await closed(attempt)
      other.send(body.slice(60_000))
      assert.is((await other.response()).status, 200)
      assert.equal(
        scene.upstream.requests.map((request) => request.body.toString()),
        [body],
      )
    },
    { limits: { bodyBytes: 250_000, bufferedBytes: 250_000 } },
  ))

test('a response that the upstream sends before it has the whole prompt reaches the client', () =>
  withRelay(OK, async (scene) => {
    const body = `{"model":"m-1","prompt":"${PROMPT}"}`
    const client = await begin(scene, body, 100_000)
    const attempt = await arrived(scene, '"model":"m-1"')
    attempt.write(whole('401 Unauthorized', '{"error":"the upstream\'s own"}', 'connection: close'))
    const response = await client.response()
    assert.is(response.status, 401)
    assert.is(response.body.toString(), '{"error":"the upstream\'s own"}')
    client.send(body.slice(100_000))
    const [line] = await scene.relay.requests(1)
    assert.is(line?.status, 401)
    client.destroy()
    await until(() => scene.relay.inspect().openCount === 0, 'the exchange to be settled')
    assert.is(await held(scene), 0)
  }))

test('an upstream that hangs up before it has the whole prompt gives 502', () =>
  withRelay(OK, async (scene) => {
    const body = `{"model":"m-1","prompt":"${PROMPT}"}`
    const client = await begin(scene, body, 100_000)
    const attempt = await arrived(scene, '"model":"m-1"')
    attempt.resetAndDestroy()
    const response = await client.response()
    assert.is(response.status, 502)
    client.send(body.slice(100_000))
    const [line] = await scene.relay.requests(1)
    assert.is(line?.status, 502)
    client.destroy()
    await until(() => scene.relay.inspect().openCount === 0, 'the exchange to be settled')
    assert.is(await held(scene), 0)
  }))

test('a second model that a body names after the response has begun changes nothing', () =>
  withRelay(OK, async (scene) => {
    const body = `{"model":"m-1","prompt":"${PROMPT}","model":"m-2"}`
    const client = await begin(scene, body, 100_000)
    const attempt = await arrived(scene, '"model":"m-1"')
    attempt.write(`${head('200 OK', SSE, CHUNKED)}${chunk('data: 1\n\n')}`)
    await client.sees('data: 1\n\n')
    client.send(body.slice(100_000, -1))
    await until(() => scene.relay.inspect().exchanges.some(({ model }) => model === 'm-2'), 'the other model')
    attempt.write(chunk('data: 2\n\n'))
    attempt.write(LAST_CHUNK)
    const response = await client.response()
    assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\n')
    assert.ok(response.complete)
    const [line] = await scene.relay.requests(1)
    assert.equal([line?.end, line?.attempts], ['done', 1])
  }))

test.run()

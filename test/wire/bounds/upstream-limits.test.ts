import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { OK, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

test('an upstream is full while its maxConcurrentRequests are in flight, however they end', () =>
  withRelay(
    async (request) => {
      if (request.target.endsWith('/ok')) return request.write(whole('200 OK', 'ok'))
      if (request.target.endsWith('/cut')) return request.destroy()
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    },
    async (scene) => {
      const [up] = scene.relay.inspect().upstreams
      assert.ok(up !== undefined)
      for (let round = 0; round < 3; round++) {
        assert.not.ok(up.full)
        const clients = [await scene.client(), await scene.client()]
        for (const client of clients) client.send(`GET /v1/stream HTTP/1.1\r\n${scene.auth}\r\n`)
        for (const client of clients) await client.sees('data: 1\n\n')
        assert.ok(up.full)
        clients[0]?.destroy()
        await until(() => !up.full, 'room after a client that left')
        clients[1]?.destroy()
        assert.is((await scene.ask(`GET /v1/ok HTTP/1.1\r\n${scene.auth}\r\n`)).status, 200)
        assert.is((await scene.ask(`GET /v1/cut HTTP/1.1\r\n${scene.auth}\r\n`)).status, 502)
        await until(() => !up.full, 'room after all')
      }
    },
    {},
    { limits: { maxConcurrentRequests: 2 } },
  ))

test('requests on connections from before an upstream was renewed still count', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    },
    async (scene) => {
      const [up] = scene.relay.inspect().upstreams
      assert.ok(up !== undefined)
      const client = await scene.client()
      client.send(`GET /v1/stream HTTP/1.1\r\n${scene.auth}\r\n`)
      await client.sees('data: 1\n\n')
      up.renew()
      assert.ok(up.full)
      client.destroy()
      await until(() => !up.full, 'room after it')
    },
    {},
    { limits: { maxConcurrentRequests: 1 } },
  ))

test('an upstream without a limit of its own is never full', () =>
  withRelay(OK, async (scene) => {
    assert.is(scene.relay.inspect().upstreams[0]?.full, false)
  }))

test('the firstByteMs of an upstream replaces the one for all upstreams', async () => {
  const slow = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(
    { hasty: { baseUrl: slow.url, timeouts: { firstByteMs: 100 } }, patient: { baseUrl: slow.url } },
    { routes: [{ path: '/hasty', upstream: 'hasty' }, { upstream: 'patient' }] },
  )
  const [first, second] = [await relay.client(), await relay.client()]
  second.send(`GET /v1/patient HTTP/1.1\r\n${auth(relay)}\r\n`)
  await slow.request(0)
  first.send(`GET /v1/hasty HTTP/1.1\r\n${auth(relay)}\r\n`)
  const response = await first.response()
  assert.is(response.status, 504)
  assert.is(JSON.parse(response.body.toString()).error.code, 'upstream_timeout')
  assert.is(second.bytes.length, 0)
  first.destroy()
  second.destroy()
  await relay.close()
  await slow.close()
})

test.run()

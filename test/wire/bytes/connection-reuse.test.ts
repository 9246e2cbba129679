import type { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { SPEAKS_TLS } from '../../support/tls-mode.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

test('requests that follow one another use one connection on both sides', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/stream') {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      return request.lastChunk()
    }
    return request.write(
      request.method === 'HEAD' ? head('200 OK', 'content-length: 5') : whole('200 OK', 'hello'),
    )
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  const requests = ['GET /v1/a', 'GET /v1/stream', 'GET /v1/b']
  for (const [i, line] of requests.entries()) {
    client.send(`${line} HTTP/1.1\r\n${auth(relay)}\r\n`)
    assert.is((await client.response(i)).status, 200)
    // undici takes a connection back one turn of the event loop later.
    await wait(5)
  }
  assert.is(upstream.connections, 1)
  await relay.close()
  await upstream.close()
})

test('pipelined requests leave nothing open on their connection', async () => {
  let socket: Socket | undefined
  const upstream = await ScriptedUpstream.start((request) => {
    socket ??= relay.inspect().exchanges[0]?.clientSocket
    return request.write(whole('200 OK', 'hello'))
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  const warnings: Error[] = []
  const append = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', append)
  const listeners: (number | undefined)[] = []
  for (let round = 1; round <= 4; round++) {
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`.repeat(15))
    await relay.requests(round * 15)
    assert.is((await client.response(round * 15 - 1)).status, 200)
    listeners.push(socket?.listenerCount('close'))
  }
  // Node's own, one of HTTP and one of TLS, and the one that counts connections, which is on the TCP socket.
  const own = SPEAKS_TLS ? 3 : 2
  assert.equal(listeners, [own, own, own, own])
  assert.equal(warnings, [])
  process.off('warning', append)
  await relay.close()
  await upstream.close()
})

test('an upstream that closes its idle connections costs a reconnect, and no error', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(whole('200 OK', 'ok'))
    setTimeout(() => request.end(), 10)
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  for (let i = 0; i < 3; i++) {
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    assert.is((await client.response(i)).status, 200)
    await until(() => upstream.sockets.size === 0, 'the idle connection to close')
  }
  assert.is(upstream.connections, 3)
  await relay.close()
  await upstream.close()
})

test('the relay connects to the upstream before the first request, without sending a credential', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(
      request.method === 'HEAD' ? head('401 Unauthorized', 'content-length: 20') : whole('200 OK', 'ok'),
    ),
  )
  const relay = await startRelay(upstream.url.replace('/v1', '/v1'), {})
  const [up] = relay.inspect().upstreams
  assert.is(await up?.warm(), null)
  await relay.close()

  const warm = await startRelay({
    up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, warm: true },
  })
  assert.is(await warm.inspect().upstreams[0]?.warm(), null)
  const probe = await upstream.request(0)
  assert.is(probe.method, 'HEAD')
  assert.is(probe.target, '/v1/models')
  assert.is(probe.header('authorization'), undefined)
  await wait(5)
  const client = await warm.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(warm)}\r\n`)
  assert.is((await client.response()).status, 200)
  assert.is(upstream.connections, 1)
  await warm.close()
  await upstream.close()
})

test.run()

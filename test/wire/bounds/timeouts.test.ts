import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { auth, startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../../support/upstream.js'

test.after.each(runClock)

test('an upstream that does not respond within firstByteMs gives 504, and its request is cancelled', async () => {
  const upstream = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(upstream.url, { timeouts: { firstByteMs: 100 } })
  const pass = stopClock()
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const request = await upstream.request(0)
  pass(101)
  const response = await client.response()
  assert.is(response.status, 504)
  assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_timeout')
  // The upstream may have billed the request: the header tells the official clients not to retry by themselves.
  assert.is(headerOf(response, 'x-should-retry'), 'false')
  await until(() => request.closed, 'the upstream connection to close')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'upstream_failed')
  assert.equal(relay.inspect().boundsHit, { firstByteMs: 1 })
  await relay.close()
  await upstream.close()
})

test('an upstream that does not accept the connection within connectMs gives 504', async () => {
  // The TLS handshake is never answered.
  const silent = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const relay = await startRelay(
    { up: { baseUrl: `https://127.0.0.1:${port}/v1` } },
    { timeouts: { connectMs: 100 } },
  )
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const response = await client.response()
  assert.is(response.status, 504)
  assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_connect_timeout')
  await relay.close()
  silent.close()
})

test('a stream that falls silent for longer than idleMs is cut, not ended', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
  })
  const relay = await startRelay(upstream.url, { timeouts: { idleMs: 100 } })
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.closed()
  const response = await client.response()
  assert.is(response.complete, false)
  assert.is(response.body.toString(), 'data: 1\n\n')
  const request = await upstream.request(0)
  await until(() => request.closed, 'the upstream connection to close')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'upstream_idle')
  await relay.close()
  await upstream.close()
})

test('a stream that keeps sending outlives every limit', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(head('200 OK', SSE, CHUNKED)))
  const relay = await startRelay(upstream.url, {
    timeouts: { idleMs: 300, firstByteMs: 300, requestMs: 300, clientStallMs: 300, connectMs: 300 },
  })
  const pass = stopClock()
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const request = await upstream.request(0)
  for (let i = 0; i < 40; i++) {
    await request.chunk(`data: ${i}\n\n`)
    await client.sees(`data: ${i}\n\n`)
    // The first tick notices the chunk; the second sees that the silence since then is within every limit.
    relay.app.tick(performance.now())
    pass(300)
    relay.app.tick(performance.now())
    // The timers of Node and undici are not stopped.
    await wait(20)
  }
  await request.lastChunk()
  const response = await client.response()
  assert.ok(response.complete)
  assert.match(response.body.toString(), /data: 39\n\n$/)
  await relay.close()
  await upstream.close()
})

test('a client that stops reading is cut off after clientStallMs, and its upstream request is cancelled', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    while (!request.closed) {
      await Promise.race([request.chunk(piece), wait(20)])
    }
  })
  const relay = await startRelay(upstream.url, { timeouts: { clientStallMs: 200 } })
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('\r\n\r\n')
  client.socket.pause()
  const request = await upstream.request(0)
  await until(() => request.closed, 'the upstream connection to close')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'client_stalled')
  client.destroy()
  await relay.close()
  await upstream.close()
})

test('a client that stops reading once the upstream has ended is cut off too', async () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', `content-length: ${body.length}`))
    await request.write(body)
  })
  // The buffer takes the whole body, so the upstream is done before the client has read anything.
  const relay = await startRelay(upstream.url, {
    timeouts: { clientStallMs: 200 },
    limits: { clientBufferBytes: 16 * 1024 * 1024 },
  })
  const client = await relay.client()
  client.socket.pause()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'client_stalled')
  assert.is(relay.inspect().openCount, 0)
  client.destroy()
  await relay.close()
  await upstream.close()
})

test('a client that reads slowly, but reads, is not cut off', async () => {
  // Several times what the system's buffers hold, so that most of it arrives as the client reads.
  const body = Buffer.alloc(32 * 1024 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', `content-length: ${body.length}`))
    await request.write(body)
  })
  const relay = await startRelay(upstream.url, { timeouts: { clientStallMs: 400, idleMs: 400 } })
  const pass = stopClock()
  const client = await relay.client()
  client.socket.pause()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await upstream.request(0)
  const [x] = relay.inspect().exchanges
  let sent = 0
  let rounds = 0
  for (; sent < body.length && client.ending === null; rounds++) {
    client.socket.resume()
    await until(() => (x?.bytesOut ?? 0) > sent || client.ending !== null, 'more to be sent')
    sent = x?.bytesOut ?? 0
    client.socket.pause()
    pass(300)
    relay.app.tick(performance.now())
  }
  assert.ok(rounds >= 5, `${rounds} rounds`)
  client.socket.resume()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.length, body.length)
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  await relay.close()
  await upstream.close()
})

test('the time in which an upstream had to wait for the client does not count as silence', async () => {
  // A chunked body is copied from socket to socket; a body with a length goes through Node's response.
  for (const framing of [CHUNKED, 'content-length: 100000000']) {
    const upstream = await ScriptedUpstream.start((request) => request.write(head('200 OK', SSE, framing)))
    const relay = await startRelay(upstream.url, { timeouts: { idleMs: 400 } })
    const pass = stopClock()
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    const request = await upstream.request(0)
    await until(() => relay.inspect().exchanges[0]?.phase === 'respond', 'the head')
    const [exchange] = relay.inspect().exchanges
    const isPaused = (): boolean => exchange?.isUpstreamBlocked === true
    client.pause()
    const piece = Buffer.alloc(20_000, 'x')
    while (!isPaused()) {
      await (framing === CHUNKED ? request.chunk(piece) : request.write(piece))
      await wait(1)
      relay.app.tick(performance.now())
    }
    pass(600)
    relay.app.tick(performance.now())
    client.resume()
    await until(() => !isPaused(), 'the upstream to be read again')
    relay.app.tick(performance.now())
    pass(400)
    relay.app.tick(performance.now())
    const last = 'this is the last of it'
    await (framing === CHUNKED ? request.chunk(last) : request.write(last))
    await client.sees(last)
    // From then on silence counts.
    relay.app.tick(performance.now())
    pass(401)
    relay.app.tick(performance.now())
    await client.closed()
    assert.is((await relay.requests(1))[0]?.end, 'upstream_idle')
    await relay.close()
    await upstream.close()
    runClock()
  }
})

test.run()

import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { auth, startRelay } from '../../support/relay.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const WAYS: Array<[string, (client: RawClient) => void]> = [
  ['closes', (client) => client.destroy()],
  ['resets', (client) => client.reset()],
  ['half-closes', (client) => client.end()],
]

for (const [name, leave] of WAYS) {
  test(`a client that ${name} before the response begins cancels the request upstream`, async () => {
    const upstream = await ScriptedUpstream.start(() => {})
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    const request = await upstream.request(0)
    leave(client)
    await until(() => request.closed, 'the upstream connection to close')
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'client_gone')
    assert.is(line?.phase, 'attempt')
    await relay.close()
    await upstream.close()
  })

  test(`a client that ${name} within a stream cancels the request upstream`, async () => {
    const upstream = await ScriptedUpstream.start(async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    })
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    await client.sees('data: 1\n\n')
    leave(client)
    const request = await upstream.request(0)
    await until(() => request.closed, 'the upstream connection to close')
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'client_gone')
    assert.is(line?.phase, 'respond')
    await relay.close()
    await upstream.close()
  })
}

test('the request of a client that leaves within its body is not sent upstream', async () => {
  const upstream = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`POST /v1/x HTTP/1.1\r\n${auth(relay)}content-length: 100\r\n\r\nhalf`)
  await until(() => relay.inspect().openCount === 1, 'the request to be read')
  client.destroy()
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'client_gone')
  assert.is(line?.phase, 'read')
  assert.is(upstream.connections, 0)
  await relay.close()
  await upstream.close()
})

test('the request of a client that leaves while the relay connects to the upstream is never sent', async () => {
  // The server never answers the TLS handshake, so the relay is still connecting when the client leaves.
  const accepted = gate()
  let bytes = 0
  const slow = createServer((socket) => {
    accepted.open()
    socket.on('data', (piece) => {
      bytes += piece.length
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
  const address = slow.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const relay = await startRelay(
    { up: { baseUrl: `https://127.0.0.1:${port}/v1` } },
    { timeouts: { connectMs: 5_000 } },
  )
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await accepted.opened
  client.destroy()
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'client_gone')
  assert.is(relay.inspect().openCount, 0)
  assert.ok(bytes < 2048, `${bytes} bytes are more than a TLS hello`)
  await relay.close()
  await new Promise<void>((resolve) => slow.close(() => resolve()))
})

test('a client that leaves after [DONE] counts as done, and the upstream connection stays in use', async () => {
  const end = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/after') return request.write(whole('200 OK', 'ok'))
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\ndata: [DO')
    await request.chunk('NE]\n\n')
    await end.opened
    return request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('NE]\n\n')
  client.destroy()
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  end.open()
  const request = await upstream.request(0)
  const other = await relay.client()
  // Unless the relay has read the end of the stream, it would open a second connection.
  await until(() => !request.closed, 'the connection')
  await until(() => relay.inspect().upstreams.every(({ inFlight }) => inFlight === 0), 'the end to be read')
  other.send(`GET /v1/after HTTP/1.1\r\n${auth(relay)}\r\n`)
  assert.is((await other.response()).status, 200)
  assert.is(upstream.connections, 1)
  await relay.close()
  await upstream.close()
})

test('the upstream connection stays in use if a client leaves without reading a [DONE] that was sent to it', async () => {
  const piece = `: ${'x'.repeat(16_384)}\n\ndata: [DONE]\n\n`
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(request.target === '/v1/after' ? whole('200 OK', 'ok') : head('200 OK', SSE, CHUNKED)),
  )
  const relay = await startRelay(upstream.url, { limits: { clientBufferBytes: 1024 } })
  const client = await relay.client()
  client.pause()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const request = await upstream.request(0)
  const [exchange] = relay.inspect().exchanges
  if (exchange === undefined) throw new Error('no exchange')
  for (let sent = piece.length; ; sent += piece.length) {
    await request.chunk(piece)
    await until(() => exchange.bytesOut === sent, 'the piece to be taken')
    await wait(2)
    if (exchange.isUpstreamBlocked) break
  }
  client.destroy()
  await relay.requests(1)
  // The relay has to read more pieces before the end.
  for (let i = 0; i < 3; i++) {
    await request.chunk(': still there\n\n')
    await wait(10)
  }
  await request.lastChunk()
  await until(() => relay.inspect().upstreams.every(({ inFlight }) => inFlight === 0), 'the end to be read')
  const other = await relay.client()
  other.send(`GET /v1/after HTTP/1.1\r\n${auth(relay)}\r\n`)
  assert.is((await other.response()).status, 200)
  assert.is(upstream.connections, 1)
  await relay.close()
  await upstream.close()
})

test('the relay closes an upstream stream that does not end after [DONE] once the client has left', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: [DONE]\n\n')
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('[DONE]')
  client.destroy()
  const request = await upstream.request(0)
  await until(() => request.closed, 'the upstream connection to close')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  await relay.close()
  await upstream.close()
})

test('a client that leaves right after a complete response counts as done', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'all of it')))
  const relay = await startRelay(upstream.url)
  for (let i = 0; i < 20; i++) {
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    await client.sees('all of it')
    client.reset()
  }
  const lines = await relay.requests(20)
  assert.equal(new Set(lines.map((line) => line.end)), new Set(['done']))
  await relay.close()
  await upstream.close()
})

test('a client that leaves with a second request pipelined behind its first cancels both', async () => {
  const upstream = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(upstream.url, { limits: { unansweredRequestsPerConnection: 2 } })
  const client = await relay.client()
  client.send(`GET /v1/a HTTP/1.1\r\n${auth(relay)}\r\nGET /v1/b HTTP/1.1\r\n${auth(relay)}\r\n`)
  const requests = [await upstream.request(0), await upstream.request(1)]
  client.destroy()
  await until(() => requests.every((request) => request.closed), 'both upstream connections to close')
  const lines = await relay.requests(2)
  assert.equal(
    lines.map((line) => line.end),
    ['client_gone', 'client_gone'],
  )
  assert.is(relay.inspect().openCount, 0)
  await relay.close()
  await upstream.close()
})

test.run()

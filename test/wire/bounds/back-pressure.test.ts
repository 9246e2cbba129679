import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

test('a client that does not read makes the upstream wait, and the relay buffers no more than its limit', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const total = 1024
  let sent = 0
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (; sent < total; sent++) await request.chunk(piece)
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.socket.pause()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await upstream.request(0)
  // The kernel's buffers on both sides fill up, then nothing moves any more.
  let before = -1
  await until(() => sent > 0, 'the first piece')
  while (before !== sent) {
    before = sent
    await wait(150)
  }
  assert.ok(sent < total, 'the upstream could send all of it')
  const held = relay.inspect().exchanges[0]?.unsentBytes ?? 0
  assert.ok(held <= 256 * 1024 + 2 * 65536 + 1024, `${held} bytes are held for the client`)
  client.socket.resume()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.length, total * piece.length)
  await relay.close()
  await upstream.close()
})

test('a second request that is served behind one whose client does not read gets its response, as the first does', async () => {
  const first = Buffer.alloc(32 * 1024 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/first') return request.write(whole('200 OK', first))
    await request.write(head('200 OK', SSE, CHUNKED))
    for (let i = 0; i < 50; i++) {
      await request.chunk(`data: ${i}\n\n`)
      await wait(1)
    }
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url, { limits: { unansweredRequestsPerConnection: 2 } })
  const client = await relay.client()
  client.socket.pause()
  client.send(`GET /v1/first HTTP/1.1\r\n${auth(relay)}\r\n`)
  const find = (path: string) => relay.inspect().exchanges.find((exchange) => exchange.path === path)
  await until(() => find('/first')?.isClientBlocked === true, 'a full buffer')
  // Node then emits 'drain' for the first response while the second one is running.
  client.send(`GET /v1/second HTTP/1.1\r\n${auth(relay)}\r\n`)
  await upstream.request(1)
  await until(() => (find('/second')?.bytesOut ?? 0) >= 400, 'some of it')
  const held = find('/first')?.unsentBytes ?? 0
  assert.ok(held <= 256 * 1024 + 2 * 65536 + 1024, `${held} bytes are held for the client`)
  client.socket.resume()
  assert.is((await client.response(0)).body.length, first.length)
  assert.match((await client.response(1)).body.toString(), /data: 49\n\n$/)
  assert.equal(
    (await relay.requests(2)).map((line) => line.end),
    ['done', 'done'],
  )
  client.destroy()
  await relay.close()
  await upstream.close()
})

test('a client that does not read does not slow down another client', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    if (request.target === '/v1/flood') {
      while (!request.closed) await Promise.race([request.chunk(piece), wait(5)])
      return
    }
    for (let i = 0; i < 50; i++) await request.chunk(`data: ${i}\n\n`)
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const stuck = await relay.client()
  stuck.socket.pause()
  stuck.send(`GET /v1/flood HTTP/1.1\r\n${auth(relay)}\r\n`)
  await upstream.request(0)
  for (let i = 0; i < 5; i++) {
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    assert.match((await client.response()).body.toString(), /data: 49\n\n$/)
    client.destroy()
  }
  stuck.destroy()
  await relay.close()
  await upstream.close()
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { auth, startRelay } from '../../support/relay.js'
import { wait } from '../../support/until.js'
import { CHUNKED, chunk, head, type Received, ScriptedUpstream, SSE } from '../../support/upstream.js'

/** Ways in which an upstream breaks off its response after it has sent `data: 1`. */
const CUTS: Array<[string, (request: Received) => Promise<void>]> = [
  [
    'a chunked stream that ends without its last chunk',
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      request.end()
    },
  ],
  [
    'a chunked stream that ends within a chunk',
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.write(`1000\r\ndata: 1\n\n`)
      request.end()
    },
  ],
  [
    'a reset',
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      await wait(20)
      request.reset()
    },
  ],
  [
    'a body that is shorter than its content-length',
    async (request) => {
      await request.write(head('200 OK', SSE, 'content-length: 100'))
      await request.write('data: 1\n\n')
      request.end()
    },
  ],
  [
    'an invalid chunk size',
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      await request.write('zzz\r\n')
    },
  ],
  [
    'a reset after [DONE] but before the last chunk',
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.write(Buffer.concat([chunk('data: 1\n\n'), chunk('data: [DONE]\n\n')]))
      await wait(20)
      request.reset()
    },
  ],
]

for (const [name, script] of CUTS) {
  test(`${name} cuts the client's connection after everything that arrived`, async () => {
    const upstream = await ScriptedUpstream.start(script)
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    await client.closed()
    const response = await client.response()
    assert.is(response.status, 200)
    assert.is(response.complete, false)
    assert.match(response.body.toString(), /^data: 1\n\n/)
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'upstream_cut')
    await relay.close()
    await upstream.close()
  })
}

test('an HTTP/1.0 client, whose body ends with the connection, sees a cut as a reset', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await wait(20)
    request.reset()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.0\r\n${auth(relay)}\r\n`)
  assert.is(await client.closed(), 'reset')
  await relay.close()
  await upstream.close()
})

test('an HTTP/1.0 client sees a complete response end cleanly', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.0\r\n${auth(relay)}\r\n`)
  assert.is(await client.closed(), 'fin')
  assert.is((await client.response()).body.toString(), 'data: 1\n\n')
  await relay.close()
  await upstream.close()
})

test('a client that reads slowly gets everything that arrived before a cut', async () => {
  const body = Buffer.alloc(3 * 1024 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(body)
    request.end()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.socket.pause()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await wait(200)
  client.socket.resume()
  await client.closed()
  const response = await client.response()
  assert.is(response.complete, false)
  assert.is(response.body.length, body.length)
  await relay.close()
  await upstream.close()
})

const BEFORE_THE_HEAD: Array<[string, (request: Received) => void | Promise<void>]> = [
  ['closes', (request) => request.end()],
  ['resets', (request) => request.reset()],
  [
    'closes within the head',
    async (request) => {
      await request.write('HTTP/1.1 200 OK\r\ncontent-ty')
      request.end()
    },
  ],
  [
    'closes after an interim response',
    async (request) => {
      await request.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')
      request.end()
    },
  ],
]

for (const [name, script] of BEFORE_THE_HEAD) {
  test(`an upstream that ${name} before its response head gives 502 in the error format of the API`, async () => {
    const upstream = await ScriptedUpstream.start(script)
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    const openai = await client.response(0)
    assert.is(openai.status, 502)
    assert.is(headerOf(openai, 'x-thinwire-error'), 'upstream_cut')
    const body = JSON.parse(openai.body.toString())
    assert.equal(Object.keys(body.error).sort(), ['code', 'message', 'param', 'type'])
    assert.is(body.error.code, 'upstream_cut')
    client.send(`POST /v1/messages HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    const anthropic = JSON.parse((await client.response(1)).body.toString())
    assert.is(anthropic.type, 'error')
    assert.is(anthropic.error.type, 'api_error')
    const lines = await relay.requests(2)
    assert.equal(
      lines.map((line) => line.end),
      ['upstream_failed', 'upstream_failed'],
    )
    await relay.close()
    await upstream.close()
  })
}

test('an upstream that cannot be reached gives 502 at once, with x-should-retry for the official clients', async () => {
  const upstream = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(upstream.url)
  await upstream.close()
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const response = await client.response()
  assert.is(response.status, 502)
  assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_unreachable')
  assert.is(headerOf(response, 'x-should-retry'), 'true')
  assert.not.match(response.body.toString(), /127\.0\.0\.1|sk-upstream/)
  await relay.close()
})

test.run()

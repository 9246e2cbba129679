import { createServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE } from '../../support/upstream.js'

const BODY = JSON.stringify({
  model: 'gpt-x',
  messages: [{ role: 'user', content: 'the prompt' }],
  stream: true,
})

/** A chunk without usage, which was not requested. */
const HELLO = chunk('data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n').toString()

function post(scene: Scene, body: string | Buffer = BODY, headers = ''): Buffer {
  const bytes = Buffer.from(body as string)
  return Buffer.concat([
    Buffer.from(
      `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}${headers}content-length: ${bytes.length}\r\n\r\n`,
    ),
    bytes,
  ])
}

async function answer(request: Received): Promise<void> {
  await request.write(`${head('200 OK', SSE, CHUNKED)}${HELLO}${LAST_CHUNK}`)
}

/** Runs `act` with a bare TCP server as the upstream: a ScriptedUpstream would wait for complete requests. */
async function withServer(
  scheme: string,
  onSocket: (socket: Socket) => void,
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    await withRelay(OK, act, {}, { baseUrl: `${scheme}://127.0.0.1:${port}/v1` })
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

test('no tokens are recorded for a client that leaves while the relay connects to the upstream', async () => {
  let connections = 0
  await withServer(
    'https',
    // The TLS handshake is never answered.
    () => void connections++,
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene))
      await until(() => connections > 0, 'a connection')
      client.destroy()
      const [record] = await scene.relay.records(1)
      assert.equal(
        [record?.end, record?.prompt_tokens, record?.completion_tokens, record?.usage_source],
        ['client_gone', null, null, 'none'],
      )
    },
  )
})

test('the prompt is recorded by estimate if the client leaves before the response', () =>
  withRelay(
    (request) => request.hang(),
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene))
      await scene.upstream.request(0)
      client.destroy()
      const [record] = await scene.relay.records(1)
      assert.equal(
        [record?.end, record?.prompt_tokens, record?.completion_tokens, record?.usage_source],
        ['client_gone', 8, 0, 'estimated'],
      )
    },
  ))

test('the tokens of a compressed prompt are estimated by its text', () =>
  withRelay(answer, async (scene) => {
    await scene.ask(post(scene, gzipSync(BODY), 'content-encoding: gzip\r\n'))
    await scene.ask(post(scene, BODY, 'content-encoding: identity\r\n'))
    const records = await scene.relay.records(2)
    assert.equal(
      records.map(({ prompt_tokens, usage_source }) => [prompt_tokens, usage_source]),
      [
        [8, 'estimated'],
        [8, 'estimated'],
      ],
    )
  }))

test('a response that began before the prompt was complete has no negative times and releases the prompt', () =>
  withServer(
    'http',
    (socket) => {
      socket.resume()
      socket.once('data', () => socket.write(`${head('200 OK', SSE, CHUNKED)}${HELLO}`))
    },
    async (scene) => {
      // A request that may be cached is sent only when it is complete.
      const longer = `${BODY.slice(0, -1)},"more":"${'x'.repeat(100)}"}`
      const request = post(scene, longer, 'x-thinwire-cache: off\r\n')
      const client = await scene.client()
      client.send(request.subarray(0, -20))
      await client.sees('Hello')
      await wait(20)
      assert.ok(scene.relay.inspect().bufferedBytes > 0)
      client.send(request.subarray(-20))
      await until(() => scene.relay.inspect().bufferedBytes === 0, 'the prompt to be let go')
      assert.is(scene.relay.inspect().openCount, 1)
      client.destroy()
      const [record] = await scene.relay.records(1)
      assert.equal([record?.prompt_tokens, record?.usage_source], [8, 'estimated'])
      assert.ok(Number(record?.upstream_ttfb_ms) >= 0, String(record?.upstream_ttfb_ms))
      assert.ok(Number(record?.overhead_us) > 0, String(record?.overhead_us))
    },
  ))

test.run()

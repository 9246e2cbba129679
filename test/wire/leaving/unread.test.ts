import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { auth, startRelay } from '../../support/relay.js'
import { SPEAKS_TLS } from '../../support/tls-mode.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

/** Elsewhere a client that reads nothing is noticed when the buffers of the kernel are full. */
const onLinux = process.platform === 'linux' ? test : test.skip

const EVENT = `data: ${'x'.repeat(200)}\n\n`

/** Small events, slowly one after another, until the relay closes the connection: some 40 KB a second. */
const ENDLESS: Script = async (request) => {
  await request.write(head('200 OK', SSE, CHUNKED))
  while (!request.closed) {
    await request.chunk(EVENT)
    await wait(5)
  }
}

/** What buffers of the kernel take at both ends, if nobody reads, is several times this much. */
const FEW_BYTES = 1024 * 1024

onLinux(
  'a client that never reads a stream of small events is disconnected after clientStallMs, and the upstream cancelled',
  async () => {
    const upstream = await ScriptedUpstream.start(ENDLESS)
    const relay = await startRelay(upstream.url, { timeouts: { clientStallMs: 400 } })
    const client = await relay.client()
    client.pause()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    const request = await upstream.request(0)
    await until(() => request.closed, 'the upstream to be cancelled')
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'client_stalled')
    assert.ok((line?.bytes_out as number) < FEW_BYTES, String(line?.bytes_out))
    assert.equal(relay.inspect().boundsHit, { clientStallMs: 1 })
    client.destroy()
    await relay.close()
    await upstream.close()
  },
)

onLinux(
  'a client whose process is stopped within a stream is disconnected, and the upstream cancelled',
  async () => {
    const upstream = await ScriptedUpstream.start(ENDLESS)
    const relay = await startRelay(upstream.url, { timeouts: { clientStallMs: 400 } })
    const program = `
    const options = { port: ${relay.port}, host: '127.0.0.1', rejectUnauthorized: false }
    const socket = require('node:${SPEAKS_TLS ? 'tls' : 'net'}').connect(options)
    socket.on('data', () => process.stdout.write('.')).on('error', () => {})
    socket.write(${JSON.stringify(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)})`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      let read = 0
      child.stdout.on('data', (dots: Buffer) => {
        read += dots.length
      })
      await until(() => read > 3, 'the client to read')
      child.kill('SIGSTOP')
      const request = await upstream.request(0)
      await until(() => request.closed, 'the upstream to be cancelled')
      const [line] = await relay.requests(1)
      assert.is(line?.end, 'client_stalled')
      assert.ok((line?.bytes_out as number) < FEW_BYTES, String(line?.bytes_out))
    } finally {
      child.kill('SIGKILL')
      await relay.close()
      await upstream.close()
    }
  },
)

onLinux('a client that reads slowly, but reads, keeps its stream', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (let i = 0; i < 1024; i++) await request.chunk(piece)
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url, { timeouts: { clientStallMs: 2_000 } })
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  const stop = (): void => client.pause()
  client.socket.on('data', stop)
  // Longer than `clientStallMs` in all.
  for (let i = 0; i < 60; i++) {
    await wait(50)
    const before = client.pieces.length
    client.resume()
    await until(() => client.pieces.length > before, 'more of it')
  }
  client.socket.removeListener('data', stop)
  client.resume()
  const response = await client.response()
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  assert.ok(response.complete)
  assert.is(response.body.length, 1024 * piece.length)
  client.destroy()
  await relay.close()
  await upstream.close()
})

const WAYS: ReadonlyArray<readonly [string, (client: RawClient) => void]> = [
  ['closes', (client) => client.end()],
  ['resets', (client) => client.reset()],
]
for (const [name, leave] of WAYS)
  for (const unanswered of [1, 2])
    onLinux(
      `a client that ${name} while the relay reads nothing from it cancels its requests upstream (${unanswered} at a time)`,
      async () => {
        const upstream = await ScriptedUpstream.start(async (request) => {
          if (request.target === '/v1/second') return request.write(whole('200 OK', 'ok'))
          await request.write(head('200 OK', SSE, CHUNKED))
          while (!request.closed) await Promise.race([request.chunk(Buffer.alloc(64 * 1024, 'x')), wait(5)])
        })
        const relay = await startRelay(upstream.url, {
          timeouts: { clientStallMs: 600_000 },
          limits: { unansweredRequestsPerConnection: unanswered },
        })
        const client = await relay.client()
        try {
          client.pause()
          client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
          const request = await upstream.request(0)
          await until(
            () => relay.inspect().exchanges[0]?.clientSocket.writableNeedDrain === true,
            'a full buffer',
          )
          // Node reads nothing behind a request that arrives while the client takes nothing.
          client.send(`GET /v1/second HTTP/1.1\r\n${auth(relay)}\r\n`)
          if (unanswered > 1) await upstream.request(1)
          leave(client)
          await until(() => request.closed, 'the upstream to be cancelled')
          const ends = (await relay.requests(unanswered)).map((line) => line.end)
          assert.ok(ends.includes('client_gone'), String(ends))
          assert.is(upstream.requests.length, unanswered)
        } finally {
          client.destroy()
          await relay.close()
          await upstream.close()
        }
      },
    )

test.run()

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHAT_STREAM } from '../../support/fixtures.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

const CODINGS: [string, (bytes: Buffer) => Buffer][] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
]

const ANSWER = JSON.stringify({
  model: 'gpt-x',
  choices: [{ index: 0, message: { content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 12, completion_tokens: 3 },
})

const get = (scene: Scene): string =>
  `GET /v1/chat/completions HTTP/1.1\r\n${scene.auth}accept-encoding: gzip, br\r\n\r\n`

for (const [coding, compress] of CODINGS) {
  const stream = compress(Buffer.from(CHAT_STREAM))

  test(`a ${coding} stream passes unchanged, and its usage is read from a copy`, () =>
    withRelay(
      async (request: Received) => {
        await request.write(head('200 OK', SSE, CHUNKED, `content-encoding: ${coding}`))
        for (let at = 0; at < stream.length; at += 50) {
          await request.chunk(stream.subarray(at, at + 50))
          await wait(1)
        }
        await request.lastChunk()
      },
      async (scene) => {
        const response = await scene.ask(get(scene))
        assert.ok(response.body.equals(stream))
        const [record] = await scene.relay.records(1)
        assert.is(record?.end, 'done')
        assert.is(record?.prompt_tokens, 47)
        assert.is(record?.completion_tokens, 11)
        assert.is(record?.finish_reason, 'tool_calls')
        assert.is(record?.bytes_out, stream.length)
        assert.ok(Number(record?.ttft_ms) > 0)
      },
    ))

  test(`a ${coding} stream that is cut within its last bytes has no usage in its record`, () =>
    withRelay(
      async (request: Received) => {
        await request.write(head('200 OK', SSE, CHUNKED, `content-encoding: ${coding}`))
        await request.chunk(stream.subarray(0, stream.length - 20))
        request.reset()
      },
      async (scene) => {
        const client = await scene.client()
        client.send(get(scene))
        await client.closed()
        const [record] = await scene.relay.records(1)
        assert.is(record?.end, 'upstream_cut')
        assert.is(record?.usage_source, 'none')
      },
    ))

  test(`the usage of a ${coding} JSON response is recorded`, () =>
    withRelay(
      (request) =>
        request.write(
          whole(
            '200 OK',
            compress(Buffer.from(ANSWER)),
            `content-encoding: ${coding}`,
            'content-type: application/json',
          ),
        ),
      async (scene) => {
        await scene.ask(get(scene))
        const [record] = await scene.relay.records(1)
        assert.equal(
          [record?.prompt_tokens, record?.completion_tokens, record?.upstream_model],
          [12, 3, 'gpt-x'],
        )
      },
    ))
}

test('a response whose content coding is false or unknown passes unchanged', () =>
  withRelay(
    (request) =>
      request.write(
        `${head('200 OK', SSE, CHUNKED, `content-encoding: ${request.target === '/v1/odd' ? 'rot13' : 'gzip'}`)}${chunk(CHAT_STREAM)}${LAST_CHUNK}`,
      ),
    async (scene) => {
      for (const path of ['/v1/odd', '/v1/plain']) {
        const response = await scene.ask(`GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.ok(response.body.equals(CHAT_STREAM))
      }
      const records = await scene.relay.records(2)
      for (const record of records) {
        assert.is(record.end, 'done')
        assert.is(record.usage_source, 'none')
      }
    },
  ))

test('the usage of a compressed stream that ends just before the relay shuts down is recorded', () => {
  // Decompressing it takes longer than relaying it.
  const long = gzipSync(Buffer.concat([Buffer.alloc(16 * 1024 * 1024, ': keep-alive\n\n'), CHAT_STREAM]))
  return withRelay(
    (request) =>
      request.write(
        Buffer.concat([
          Buffer.from(head('200 OK', SSE, CHUNKED, 'content-encoding: gzip')),
          chunk(long),
          Buffer.from(LAST_CHUNK),
        ]),
      ),
    async (scene) => {
      assert.ok((await scene.ask(get(scene))).body.equals(long))
      assert.is(await scene.relay.app.drain(), 0)
      const [record] = await scene.relay.records(1)
      assert.is(record?.end, 'done')
      assert.is(record?.prompt_tokens, 47)
      assert.is(record?.completion_tokens, 11)
    },
  )
})

test('a client that leaves within a compressed stream leaves one record and no open request', () =>
  withRelay(
    async (request: Received) => {
      await request.write(head('200 OK', SSE, CHUNKED, 'content-encoding: gzip'))
      await request.chunk(gzipSync(CHAT_STREAM).subarray(0, 60))
      await request.hang()
    },
    async (scene) => {
      for (let i = 0; i < 5; i++) {
        const client = await scene.client()
        client.send(get(scene))
        await client.sees('\r\n\r\n')
        client.destroy()
      }
      const records = await scene.relay.records(5)
      assert.ok(records.every(({ end }) => end === 'client_gone'))
    },
  ))

test.run()

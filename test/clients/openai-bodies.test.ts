import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import OpenAI, { toFile } from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHUNKED, head, type Received, SSE, whole } from '../support/upstream.js'
import { collect, sameFailure, sameResult, type Way, withDemo, withScript } from './both.js'

const JSON_TYPE = 'content-type: application/json'

function clientOf(way: Way): OpenAI {
  return new OpenAI({ baseURL: `${way.origin}/v1`, apiKey: way.key })
}

/** The bytes of a multipart body with its boundary, which each client makes up again, evened out. */
function withoutBoundary(request: Received | undefined): string {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(request?.header('content-type') ?? '')?.[1]
  if (request === undefined || boundary === undefined) throw new Error('not a multipart body')
  return request.body.toString('latin1').replaceAll(boundary, 'BOUNDARY')
}

test('a file that is uploaded reaches the upstream in the same bytes', async () => {
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))
  const answer = {
    id: 'file-1',
    object: 'file',
    bytes: content.length,
    filename: 'x',
    purpose: 'batch',
    status: 'processed',
  }
  await withScript(
    (request) => request.write(whole('200 OK', JSON.stringify(answer), JSON_TYPE)),
    async (both) => {
      const file = await sameResult(both, async (way) =>
        clientOf(way).files.create({
          file: await toFile(content, 'Grüße "1".jsonl', { type: 'application/jsonl' }),
          purpose: 'batch',
        }),
      )
      assert.is(file.id, 'file-1')
      const [direct, relayed] = both.upstream.requests
      assert.is(relayed?.target, '/v1/files')
      assert.ok(withoutBoundary(relayed) === withoutBoundary(direct), 'other bytes')
      assert.ok(relayed?.body.includes(content))
      const [line] = await both.relay.requests(1)
      assert.is(line?.model, null)
      assert.is(line?.bytes_in, relayed?.body.length)
    },
  )
})

test('a form with a file and fields reaches the upstream in the same bytes', async () => {
  await withScript(
    (request) => request.write(whole('200 OK', '{"text":"spoken"}', JSON_TYPE)),
    async (both) => {
      const answer = await sameResult(both, async (way) =>
        clientOf(way).audio.transcriptions.create({
          file: await toFile(Buffer.from([0, 13, 10, 13, 10, 45, 45, 255]), 'a.wav'),
          model: 'whisper-1',
          language: 'de',
        }),
      )
      assert.is(answer.text, 'spoken')
      const [direct, relayed] = both.upstream.requests
      assert.is(withoutBoundary(relayed), withoutBoundary(direct))
    },
  )
})

test('a prompt of a megabyte reaches the upstream in the same bytes', async () => {
  const content = 'Grüße 🦊 "quoted" \\ \n'.repeat(50_000)
  const body = JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'long' }, finish_reason: 'stop' }],
  })
  await withScript(
    (request) => request.write(whole('200 OK', body, JSON_TYPE)),
    async (both) => {
      await sameResult(both, (way) =>
        clientOf(way).chat.completions.create({ messages: [{ role: 'user', content }], model: 'last' }),
      )
      const [direct, relayed] = both.upstream.requests
      assert.ok(relayed !== undefined && relayed.body.length > 1_000_000)
      assert.ok(relayed !== undefined && direct?.body.equals(relayed.body), 'other bytes')
      const [line] = await both.relay.requests(1)
      assert.is(line?.bytes_in, relayed?.body.length)
      assert.is(line?.model, 'last')
    },
  )
})

test('a prompt of a megabyte is streamed an answer, as without the relay', async () => {
  await withDemo(async (both) => {
    const content = 'word '.repeat(210_000)
    const chunks = await sameResult(both, async (way) =>
      collect(
        await clientOf(way).chat.completions.create({
          model: 'thinwire-demo',
          messages: [{ role: 'user', content }],
          stream: true,
          stream_options: { include_usage: true },
        }),
      ),
    )
    assert.is(chunks.at(-1)?.usage?.prompt_tokens, Math.ceil(content.length / 4))
  })
})

const ENCODINGS: Array<[string, (bytes: Buffer) => Buffer]> = [
  ['gzip', (bytes) => gzipSync(bytes)],
  ['deflate', (bytes) => deflateSync(bytes)],
  ['br', (bytes) => brotliCompressSync(bytes)],
]

for (const [encoding, encode] of ENCODINGS) {
  const coded = `content-encoding: ${encoding}`

  test(`an answer in ${encoding} is read by the client as without the relay, and sent on as it is`, async () => {
    const body = JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'ü'.repeat(999) }, finish_reason: 'stop' },
      ],
    })
    const bytes = encode(Buffer.from(body))
    await withScript(
      (request) => request.write(whole('200 OK', bytes, JSON_TYPE, coded)),
      async (both) => {
        const answer = await sameResult(both, (way) =>
          clientOf(way).chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }] }),
        )
        assert.is(answer.choices[0]?.message.content, 'ü'.repeat(999))
        const [direct, relayed] = both.upstream.requests
        assert.is(relayed?.header('accept-encoding'), direct?.header('accept-encoding'))
        const [line] = await both.relay.requests(1)
        assert.is(line?.bytes_out, bytes.length)
      },
    )
  })

  test(`a stream in ${encoding} has the same chunks as without the relay, wherever its bytes are cut`, async () => {
    const events = Array.from({ length: 40 }, (_, i) => {
      const choices = [
        { index: 0, delta: { content: `Stück ${i} 🦊` }, finish_reason: i === 39 ? 'stop' : null },
      ]
      return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`
    })
    const bytes = encode(Buffer.from(`${events.join('')}data: [DONE]\n\n`))
    await withScript(
      async (request) => {
        await request.write(head('200 OK', SSE, CHUNKED, coded))
        for (let at = 0; at < bytes.length; at += 11) await request.chunk(bytes.subarray(at, at + 11))
        await request.lastChunk()
      },
      async (both) => {
        const chunks = await sameResult(both, async (way) =>
          collect(
            await clientOf(way).chat.completions.create({
              model: 'm',
              messages: [{ role: 'user', content: 'x' }],
              stream: true,
            }),
          ),
        )
        assert.is(chunks.length, 40)
        const [line] = await both.relay.requests(1)
        assert.is(line?.end, 'done')
        assert.is(line?.bytes_out, bytes.length)
      },
    )
  })
}

test('an error in gzip is the same error through the relay', async () => {
  const body = {
    error: { message: 'too long', type: 'invalid_request_error', param: 'messages', code: 'long' },
  }
  const bytes = gzipSync(JSON.stringify(body))
  await withScript(
    (request) =>
      request.write(
        whole('400 Bad Request', bytes, JSON_TYPE, 'content-encoding: gzip', 'x-request-id: req_1'),
      ),
    async (both) => {
      const failure = await sameFailure(both, (way) =>
        clientOf(way).chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }] }),
      )
      assert.is(failure.code, 'long')
      assert.is(failure.param, 'messages')
    },
  )
})

test('speech, which is no JSON, is the same bytes through the relay', async () => {
  const sound = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 31) & 0xff))
  await withScript(
    async (request) => {
      await request.write(head('200 OK', 'content-type: audio/mpeg', CHUNKED))
      for (let at = 0; at < sound.length; at += 9_999) await request.chunk(sound.subarray(at, at + 9_999))
      await request.lastChunk()
    },
    async (both) => {
      for (const way of [both.direct, both.relayed]) {
        const answer = await clientOf(way).audio.speech.create({
          model: 'tts',
          voice: 'alloy',
          input: 'hello',
        })
        assert.is(answer.headers.get('content-type'), 'audio/mpeg')
        assert.ok(Buffer.from(await answer.arrayBuffer()).equals(sound), way.name)
      }
    },
  )
})

test.run()

import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHAT_STREAM } from '../../support/fixtures.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

/** The stream of a request that did not ask for usage (API reference, `stream_options`). */
const UNASKED = Buffer.from(
  CHAT_STREAM.toString()
    .replaceAll(',"usage":null', '')
    .replace(/data: \{[^\n]*"choices":\[\],[^\n]*\n\n/, ''),
)

const ASKS = { requestUsage: true }

function post(scene: Scene, body: unknown, headers = '', path = '/v1/chat/completions'): Buffer {
  const bytes = Buffer.from(JSON.stringify(body))
  return Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\n${scene.auth}${headers}content-length: ${bytes.length}\r\n\r\n`),
    bytes,
  ])
}

const BODY = { model: 'gpt-x', messages: [{ role: 'user', content: 'the prompt' }], stream: true }

/** Sends usage only if the request asks for it, as the API reference says. */
async function respond(request: Received): Promise<void> {
  const { stream_options: options } = JSON.parse(request.body.toString())
  await request.write(
    `${head('200 OK', SSE, CHUNKED)}${chunk(options?.include_usage ? CHAT_STREAM : UNASKED)}${LAST_CHUNK}`,
  )
}

/**
 * Resolves when the client has read what was written before: data that arrives with a reset hides it from every client
 * on Node. All three run in this process, so that some turns of its event loop are enough, however slow it is.
 */
async function hasArrived(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('the fixture has a usage field in every chunk, and its variant has none', () => {
  assert.is(CHAT_STREAM.toString().match(/"usage"/g)?.length, 6)
  assert.not.match(UNASKED.toString(), /"usage"/)
})

test('the relay asks for usage where the client did not, and hides it from the client', () =>
  withRelay(
    respond,
    async (scene) => {
      const response = await scene.ask(post(scene, BODY, 'accept-encoding: gzip\r\n'))
      assert.is(response.body.toString(), UNASKED.toString())
      const [request] = scene.asked
      assert.equal(JSON.parse(request?.body.toString() ?? ''), {
        ...BODY,
        stream_options: { include_usage: true },
      })
      assert.is(request?.header('accept-encoding'), 'identity')
      const [record] = await scene.relay.records(1)
      assert.equal(
        [
          record?.prompt_tokens,
          record?.completion_tokens,
          record?.usage_source,
          record?.bytes_out,
          record?.end,
        ],
        [47, 11, 'upstream', UNASKED.length, 'done'],
      )
    },
    {},
    ASKS,
  ))

test('a request to which the relay adds usage asks for no compression, whatever the config says', () =>
  withRelay(
    respond,
    async (scene) => {
      const codings = async (body: unknown): Promise<string[]> => {
        const { headers } = await scene.relayed(post(scene, body, 'accept-encoding: br\r\n'))
        return headers.filter(([name]) => name === 'accept-encoding').map(([, value]) => value)
      }
      assert.equal(await codings(BODY), ['identity'])
      assert.equal(await codings({ ...BODY, stream_options: { include_usage: true } }), ['gzip'])
      assert.equal(await codings(BODY), ['identity'])
    },
    {},
    { requestUsage: true, headers: { 'accept-encoding': 'gzip' } },
  ))

test('a stream without its usage has the same bytes wherever the upstream cut it', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      const at = Number(request.target.split('=')[1])
      await request.chunk(CHAT_STREAM.subarray(0, at))
      await new Promise((resolve) => setTimeout(resolve, 2))
      await request.chunk(CHAT_STREAM.subarray(at))
      await request.lastChunk()
    },
    async (scene) => {
      const last = CHAT_STREAM.length - 1
      const places = Array.from({ length: 60 }, (_, i) => 1 + Math.floor((i * (last - 1)) / 59))
      await Promise.all(
        places.map(async (at) => {
          const response = await scene.ask(post(scene, BODY, '', `/v1/chat/completions?at=${at}`))
          assert.is(response.body.toString(), UNASKED.toString(), `cut at ${at}`)
        }),
      )
    },
    {},
    ASKS,
  ))

test('a client that asked for usage gets it, and a request that is no chat stream passes unchanged', () =>
  withRelay(
    async (request) => {
      if (request.target === '/v1/chat/completions') await respond(request)
      else await request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(CHAT_STREAM)}${LAST_CHUNK}`)
    },
    async (scene) => {
      const asked = { ...BODY, stream_options: { include_usage: true } }
      assert.is((await scene.ask(post(scene, asked))).body.toString(), CHAT_STREAM.toString())
      for (const [body, path] of [
        [{ ...BODY, stream: false }, '/v1/chat/completions'],
        [BODY, '/v1/responses'],
        [BODY, '/v1/fim/completions'],
        [BODY, '/v1/messages'],
      ] as const) {
        const response = await scene.ask(post(scene, body, '', path))
        assert.is(scene.asked.at(-1)?.body.toString(), JSON.stringify(body))
        if (path !== '/v1/chat/completions') assert.is(response.body.toString(), CHAT_STREAM.toString())
      }
    },
    {},
    ASKS,
  ))

test('the relay does not ask for usage unless the config says so', () =>
  withRelay(respond, async (scene) => {
    assert.is((await scene.ask(post(scene, BODY))).body.toString(), UNASKED.toString())
    assert.is(scene.asked[0]?.body.toString(), JSON.stringify(BODY))
  }))

test('a request is sent upstream only when it is complete, because stream_options may be at its end', () =>
  withRelay(
    respond,
    async (scene) => {
      const request = post(scene, BODY)
      const client = await scene.client()
      client.send(request.subarray(0, request.length - 20))
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.is(scene.asked.length, 0)
      client.send(request.subarray(request.length - 20))
      assert.is((await client.response()).body.toString(), UNASKED.toString())
    },
    {},
    ASKS,
  ))

test('a stream that breaks off within an event reaches the client up to there, and is cut', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(CHAT_STREAM.subarray(0, 500))
      await new Promise((resolve) => setTimeout(resolve, 5))
      request.reset()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene, BODY))
      const response = await client.response()
      assert.not.ok(response.complete)
      const got = response.body.toString()
      assert.ok(got.length > 300 && UNASKED.toString().startsWith(got.replace(/,"usage":nul?l?$/, '')), got)
      const [record] = await scene.relay.records(1)
      assert.is(record?.end, 'upstream_cut')
    },
    {},
    ASKS,
  ))

test('an HTTP/1.0 client sees a reset if the stream breaks off within an event', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, `content-length: ${CHAT_STREAM.length}`))
      await request.write(CHAT_STREAM.subarray(0, 500))
      await hasArrived()
      request.end()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene, BODY).toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'))
      assert.is(await client.closed(), 'reset')
    },
    {},
    ASKS,
  ))

test('a shared response that breaks off contains no part of the usage, wherever the cut is', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(CHAT_STREAM.subarray(0, Number(request.target.split('=')[1])))
      await hasArrived()
      request.reset()
    },
    async (scene) => {
      const null_ = CHAT_STREAM.indexOf('"usage":null')
      const total = CHAT_STREAM.indexOf('"usage":{')
      const places = [null_ - 1, null_, null_ + 3, null_ + 8, null_ + 11, total, total + 2, total + 20]
      const shared = 'x-thinwire-cache: on\r\n'
      for (const at of places) {
        const request = post(scene, BODY, shared, `/v1/chat/completions?at=${at}`)
        const response = await scene.ask(request)
        assert.not.ok(response.complete)
        const got = response.body.toString()
        assert.ok(UNASKED.toString().startsWith(got), `cut at ${at}: ${got.slice(-60)}`)
        const old = await scene.client()
        old.send(request.toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'))
        assert.is(await old.closed(), 'reset', `cut at ${at}`)
      }
    },
    {},
    ASKS,
  ))

test('errors and streams that are compressed nevertheless pass unchanged', () =>
  withRelay(
    async (request) => {
      if (request.target.endsWith('?error'))
        await request.write(
          whole('400 Bad Request', '{"error":{"usage":null}}', 'content-type: application/json'),
        )
      else {
        const packed = gzipSync(CHAT_STREAM)
        await request.write(whole('200 OK', packed, SSE, 'content-encoding: gzip'))
      }
    },
    async (scene) => {
      const refused = await scene.ask(post(scene, BODY, '', '/v1/chat/completions?error'))
      assert.is(refused.body.toString(), '{"error":{"usage":null}}')
      const packed = await scene.ask(post(scene, BODY))
      assert.ok(packed.body.equals(gzipSync(CHAT_STREAM)))
      const records = await scene.relay.records(2)
      assert.equal(
        records.map((record) => record.usage_source),
        ['none', 'upstream'],
      )
    },
    {},
    ASKS,
  ))

test('a stream with a length loses it, and for an HTTP/1.0 client it ends with the connection', () =>
  withRelay(
    (request) => request.write(whole('200 OK', CHAT_STREAM, SSE)),
    async (scene) => {
      const response = await scene.ask(post(scene, BODY))
      assert.is(response.header('content-length'), undefined)
      assert.is(response.body.toString(), UNASKED.toString())
      const client = await scene.client()
      client.send(post(scene, BODY).toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'))
      assert.is(await client.closed(), 'fin')
      assert.ok(client.text.endsWith(UNASKED.toString('latin1')))
    },
    {},
    ASKS,
  ))

test.run()

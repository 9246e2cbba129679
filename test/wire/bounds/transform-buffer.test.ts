import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { boundsHit, type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, head, type Script, SSE } from '../../support/upstream.js'

const KIB = 1024
const BOUND = 64 * KIB
const SETTINGS = { limits: { transformBufferBytes: BOUND } }
const JSON_TYPE = 'content-type: application/json'

const RESPONSES = '{"model":"m","input":[{"role":"user","content":"hi"}],"max_output_tokens":9'
const MESSAGES =
  '{"model":"m","max_tokens":9,"system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":"hi"}]'

/** @param lines further header lines */
function ask(scene: Scene, body: string, lines = ''): string {
  return `POST /cursor/v1/chat/completions HTTP/1.1\r\n${scene.auth}${lines}content-length: ${body.length}\r\n\r\n${body}`
}

function responseBody(text: string, path: string): string {
  return path.endsWith('/messages')
    ? `{"type":"message","content":[{"type":"text","text":"${text}"}]}`
    : `{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"${text}"}]}]}`
}

/** A response that does not end by itself. */
const endless: Script = async (request) => {
  await request.write(head('200 OK', JSON_TYPE, CHUNKED))
  await request.chunk('{"object":"response","output":[],"content":[],"x":"')
  for (let i = 0; i < 10; i++) await request.chunk('x'.repeat(8 * KIB))
}

function errorOf({ status, complete, body }: Response): unknown {
  assert.is(status, 200)
  assert.ok(complete)
  return JSON.parse(body.toString()).error.code
}

for (const [name, lines] of [
  ['one client', ''],
  ['a response that may be shared', 'x-thinwire-cache: on\r\n'],
] as const) {
  for (const [api, body] of [
    ['Responses', `${RESPONSES}}`],
    ['Messages', `${MESSAGES}}`],
  ] as const) {
    test(`a response that must be translated as a whole is aborted beyond limits.transformBufferBytes (${api}, ${name})`, () =>
      withRelay(
        endless,
        async (scene) => {
          assert.is(errorOf(await scene.ask(ask(scene, body, lines))), 'answer_too_long')
          await (await scene.upstream.request(0)).ended()
          const [record] = await scene.relay.records(1)
          assert.equal(
            [record?.end, record?.error_code, record?.status],
            ['upstream_failed', 'answer_too_long', 200],
          )
          assert.equal(await boundsHit(scene), { transformBufferBytes: 1 })
          // The response is not cached.
          assert.is(errorOf(await scene.ask(ask(scene, body, lines))), 'answer_too_long')
          assert.is(scene.upstream.requests.length, 2)
        },
        SETTINGS,
      ))
  }

  test(`an event beyond limits.transformBufferBytes ends a stream with an error after the earlier events (${name})`, () =>
    withRelay(
      async (request) => {
        await request.write(head('200 OK', SSE, CHUNKED))
        await request.chunk('data: {"type":"response.output_text.delta","delta":"hi"}\n\n')
        await request.chunk('data: {"type":"response.output_text.delta",\ndata: "delta":"')
        for (let i = 0; i < 10; i++) await request.chunk('x'.repeat(8 * KIB))
      },
      async (scene) => {
        const response = await scene.ask(ask(scene, `${RESPONSES},"stream":true}`, lines))
        assert.ok(response.complete)
        const events = response.body.toString().trimEnd().split('\n\n')
        assert.match(events.at(-2) ?? '', /"content":"hi"/)
        assert.is(JSON.parse(events.at(-1)?.slice(6) ?? '').error.code, 'answer_too_long')
        await (await scene.upstream.request(0)).ended()
        assert.is((await scene.relay.records(1))[0]?.end, 'upstream_failed')
        assert.equal(await boundsHit(scene), { transformBufferBytes: 1 })
      },
      SETTINGS,
    ))

  test(`responses and events within limits.transformBufferBytes pass, in streams of any length (${name})`, () =>
    withRelay(
      async (request) => {
        const body = responseBody('x'.repeat(BOUND - 200), request.target)
        const event = `data: {"type":"response.output_text.delta","delta":"${'x'.repeat(BOUND / 2)}"}\n\n`
        const stream = request.body.includes('"stream":true')
        await request.write(head('200 OK', stream ? SSE : JSON_TYPE, CHUNKED))
        if (stream) for (let i = 0; i < 8; i++) await request.chunk(event)
        else for (let at = 0; at < body.length; at += 97) await request.chunk(body.slice(at, at + 97))
        await request.lastChunk()
      },
      async (scene) => {
        for (const body of [`${RESPONSES}}`, `${MESSAGES}}`]) {
          const response = await scene.ask(ask(scene, body, lines))
          const { content } = JSON.parse(response.body.toString()).choices[0].message
          assert.is(content.length, BOUND - 200)
        }
        const response = await scene.ask(ask(scene, `${RESPONSES},"stream":true}`, lines))
        assert.ok(response.body.length > BOUND * 4)
        assert.not.match(response.body.toString(), /too_long/)
        assert.equal(await boundsHit(scene), {})
      },
      SETTINGS,
    ))
}

test.run()

import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type Response } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'
const RESPONSES =
  '"input":[{"role":"user","content":"hi"}],"tools":[{"type":"function","name":"Shell","parameters":{"type":"object"}}]'
const MESSAGES =
  '"max_tokens":9,"system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"LS","input_schema":{"type":"object"}}]'
/** Without tools no call can come, so that nothing of the response has to be read. */
const ASKED = '"messages":[{"role":"user","content":"hi"}]'
const CHAT =
  '"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"Shell","parameters":{"type":"object"}}}]'
const STREAM = '"model":"m","stream":true,"stream_options":{"include_usage":true}'

const ANSWERS: Readonly<Record<string, object>> = {
  '/v1/responses': {
    id: 'resp_1',
    object: 'response',
    created_at: 1_700_000_000,
    model: 'm-1',
    status: 'completed',
    output: [
      { type: 'message', content: [{ type: 'output_text', text: 'hello' }] },
      { type: 'function_call', call_id: 'call_1', name: 'Shell', arguments: '{"a":1}' },
    ],
    usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  },
  '/v1/messages': {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm-1',
    content: [
      { type: 'text', text: 'hello' },
      { type: 'tool_use', id: 'call_1', name: 'Shell', input: { a: 1 } },
    ],
    stop_reason: 'tool_use',
    usage: { input_tokens: 3, output_tokens: 2 },
  },
  '/v1/chat/completions': {
    id: 'c_1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'm-1',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'hello',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'Shell', arguments: '{"a":1}' } }],
        },
        finish_reason: 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  },
}

/** An upstream that never streams. */
const unstreamed: Script = (request) =>
  request.write(
    whole('200 OK', JSON.stringify(ANSWERS[request.target]), 'content-type: application/json', 'etag: "1"'),
  )

const SETTINGS = { cache: { ttlMs: 600_000 } }

function ask(scene: Scene, body: string, lines = ''): Promise<Response> {
  return scene.ask(
    `POST /cursor/v1/chat/completions HTTP/1.1\r\n${scene.auth}${lines}content-length: ${body.length}\r\n\r\n${body}`,
  )
}

for (const [api, rest, entry] of [
  ['Responses', RESPONSES, {}],
  ['Messages', MESSAGES, {}],
  ['chat', CHAT, {}],
  ['Responses by way of chat', RESPONSES, { apis: ['chat'] }],
] as const) {
  test(`a client that requested a stream gets one, although the upstream did not stream (${api}, by the client's library)`, () =>
    withRelay(
      unstreamed,
      async (scene) => {
        const client = new OpenAI({
          baseURL: scene.relay.url.replace('/v1', '/cursor/v1'),
          apiKey: scene.relay.key,
          maxRetries: 0,
        })
        const stream = await client.chat.completions.create(JSON.parse(`{${STREAM},${rest}}`))
        let [text, name, input, reason, tokens] = ['', '', '', '', 0]
        for await (const {
          choices,
          usage,
        } of stream as unknown as AsyncIterable<OpenAI.ChatCompletionChunk>) {
          const { delta, finish_reason } = choices[0] ?? {}
          text += delta?.content ?? ''
          name += delta?.tool_calls?.[0]?.function?.name ?? ''
          input += delta?.tool_calls?.[0]?.function?.arguments ?? ''
          reason += finish_reason ?? ''
          tokens += usage?.total_tokens ?? 0
        }
        assert.equal([text, name, input, reason, tokens], ['hello', 'Shell', '{"a":1}', 'tool_calls', 5])
      },
      {},
      entry,
    ))

  for (const lines of ['', 'x-thinwire-cache: on\r\n']) {
    test(`a stream made from JSON has the headers of a stream, and its usage is recorded (${api}, ${lines === '' ? 'relayed' : 'shared'})`, () =>
      withRelay(
        unstreamed,
        async (scene) => {
          const asked = lines === '' ? 1 : 2
          for (let i = 0; i < asked; i++) {
            const response = await ask(scene, `{${STREAM},${rest}}`, lines)
            assert.is(response.status, 200)
            assert.is(headerOf(response, 'content-type'), 'text/event-stream; charset=utf-8')
            assert.is(headerOf(response, 'x-accel-buffering'), 'no')
            assert.is(headerOf(response, 'etag'), undefined)
            assert.match(response.body.toString(), /^data: .*\n\ndata: \[DONE\]\n\n$/s)
          }
          assert.is(scene.upstream.requests.length, 1)
          const [record] = await scene.relay.records(asked)
          assert.equal([record?.end, record?.prompt_tokens, record?.completion_tokens], ['done', 3, 2])
        },
        SETTINGS,
        entry,
      ))
  }

  test(`a client that did not request a stream gets a completion (${api})`, () =>
    withRelay(
      unstreamed,
      async (scene) => {
        const response = await ask(scene, `{"model":"m",${rest}}`)
        assert.is(headerOf(response, 'content-type'), 'application/json')
        assert.is(JSON.parse(response.body.toString()).choices[0].message.content, 'hello')
      },
      {},
      entry,
    ))
}

test('usage that only the relay asked for is removed from a stream made from JSON', () =>
  withRelay(
    unstreamed,
    async (scene) => {
      const whole = await ask(scene, `{"model":"m","stream":true,${CHAT}}`)
      assert.match(whole.body.toString(), /"content":"hello".*data: \[DONE\]/s)
      assert.not.match(whole.body.toString(), /"usage"/)
    },
    {},
    { requestUsage: true },
  ))

test('a stream of a chat without tools is neither held nor changed, also one whose head calls it JSON', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', request.body.includes('"flow"') ? SSE : JSON_TYPE, CHUNKED))
      await request.chunk('data: {"odd" : [')
      await request.hang()
    },
    async (scene) => {
      for (const model of ['flow', 'other']) {
        const body = `{"model":"${model}","stream":true,${ASKED}}`
        const client = await scene.client()
        client.send(
          `POST /cursor/v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
        )
        await client.sees('data: {"odd" : [')
      }
    },
  ))

test('a compressed response to a chat without tools passes unchanged, and with tools none is requested', () =>
  withRelay(
    (request) => request.write(whole('200 OK', gzipSync('{}'), JSON_TYPE, 'content-encoding: gzip')),
    async (scene) => {
      const response = await ask(scene, `{${STREAM},${ASKED}}`, 'accept-encoding: gzip\r\n')
      assert.is(headerOf(response, 'content-type'), 'application/json')
      assert.equal(response.body, gzipSync('{}'))
      assert.is((await scene.upstream.request(0)).header('accept-encoding'), 'gzip')
      await ask(scene, `{${STREAM},${CHAT}}`, 'accept-encoding: gzip\r\n')
      assert.is((await scene.upstream.request(1)).header('accept-encoding'), 'identity')
    },
  ))

test('an error is not made into a stream, although the client requested one', () =>
  withRelay(
    (request) =>
      request.write(
        whole(
          '429 Too Many Requests',
          '{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}',
          'content-type: application/json',
        ),
      ),
    async (scene) => {
      const response = await ask(scene, `{${STREAM},${MESSAGES}}`)
      assert.is(response.status, 429)
      assert.is(headerOf(response, 'content-type'), 'application/json')
      assert.is(JSON.parse(response.body.toString()).error.message, 'slow')
    },
  ))

test.run()

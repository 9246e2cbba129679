import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE } from '../../support/upstream.js'

type Json = Readonly<Record<string, unknown>>

const JSON_TYPE = 'content-type: application/json'
const PROMPT = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }

function post(scene: Scene, path: string, body: Json): string {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\n${scene.auth}content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
}

const events = (...list: readonly Json[]): string =>
  list.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const TEXT = { model: 'm', choices: [{ index: 0, delta: { content: 'Hello' } }] }
const usage = (prompt: number, completion: number, total: number, more: Json = {}): Json => ({
  model: 'm',
  choices: [],
  usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total, ...more },
})

async function stream(request: Received, body: string, ...types: readonly string[]): Promise<void> {
  await request.write(head('200 OK', ...types, CHUNKED))
  await request.chunk(body)
  await request.lastChunk()
}

/** What the record of the one request says under these names. */
async function recordOf(scene: Scene, ...names: readonly string[]): Promise<unknown[]> {
  const [record] = await scene.relay.records(1)
  return names.map((name) => record?.[name])
}

for (const [preset, prompt, completion] of [
  ['gemini', 100, 60],
  ['mistral', 150, 10],
  ['openai', 100, 10],
] as const) {
  test(`what a total counts beyond its parts is reported by the preset: ${preset}`, () =>
    withRelay(
      (request) => stream(request, events(TEXT, usage(100, 10, 160)), SSE),
      async (scene) => {
        await scene.ask(post(scene, '/v1/chat/completions', PROMPT))
        assert.equal(await recordOf(scene, 'prompt_tokens', 'completion_tokens', 'usage_source'), [
          ...[prompt, completion, 'upstream'],
        ])
      },
      {},
      { preset },
    ))
}

test('the record has what few answers tell: hourly writes, searches, the tier and passes', () =>
  withRelay(
    (request) =>
      stream(
        request,
        events({
          type: 'message_delta',
          delta: {},
          usage: {
            ...{ input_tokens: 5, output_tokens: 4, cache_read_input_tokens: 0, service_tier: 'priority' },
            ...{ cache_creation_input_tokens: 60, cache_creation: { ephemeral_1h_input_tokens: 60 } },
            server_tool_use: { web_search_requests: 2 },
            iterations: [
              { type: 'compaction', input_tokens: 100, output_tokens: 9, cache_read_input_tokens: 0 },
              {
                ...{ type: 'message', input_tokens: 5, output_tokens: 4, cache_read_input_tokens: 0 },
                cache_creation: { ephemeral_1h_input_tokens: 60 },
              },
            ],
          },
        }),
        SSE,
      ),
    async (scene) => {
      await scene.ask(post(scene, '/v1/messages', PROMPT))
      const names = ['prompt_tokens', 'completion_tokens', 'cache_write_tokens', 'cache_write_1h_tokens']
      assert.equal(await recordOf(scene, ...names, 'searches', 'service_tier', 'passes'), [
        ...[165, 13, 60, 60, 2, 'priority', '100+9, 65+4'],
      ])
    },
  ))

for (const types of [[JSON_TYPE], [], ['content-type: text/plain']]) {
  test(`a stream that was asked for is metered under any type: ${types[0] ?? 'none'}`, () =>
    withRelay(
      (request) => stream(request, events(TEXT, usage(7, 2, 9)), ...types),
      async (scene) => {
        const { body } = await scene.ask(post(scene, '/v1/chat/completions', PROMPT))
        assert.is(body.toString(), events(TEXT, usage(7, 2, 9)))
        assert.equal(await recordOf(scene, 'prompt_tokens', 'completion_tokens', 'events'), [7, 2, 2])
      },
    ))
}

const ERRORS: readonly string[] = [
  events({ error: { code: 'server_error', message: 'made up' } }),
  `event: error\n${events({ type: 'error', error: { type: 'server_error' } })}`,
  events({ type: 'response.failed', response: { status: 'failed', error: { code: 'server_error' } } }),
  '{"error":{"code":"server_error"}}\n\n',
]

for (const error of ERRORS) {
  test(`an error ends a stream in one way, whoever closes first: ${JSON.stringify(error.slice(0, 40))}`, async () => {
    for (const closes of ['client', 'upstream'] as const) {
      const gone = gate()
      await withRelay(
        async (request) => {
          await request.write(head('200 OK', SSE, CHUNKED))
          await request.chunk(events(TEXT) + error)
          if (closes === 'client') await gone.opened
          await request.lastChunk()
        },
        async (scene) => {
          const client = await scene.client()
          client.send(post(scene, '/v1/chat/completions', PROMPT))
          if (closes === 'client') {
            await client.sees('server_error')
            client.destroy()
          } else await client.response()
          assert.equal(await recordOf(scene, 'end', 'stream_error'), ['done', 'server_error'], closes)
          gone.open()
        },
      )
    }
  })
}

test('requestUsage asks for the usage of streamed completions, and the client does not see it', () =>
  withRelay(
    (request) =>
      stream(
        request,
        `${events({ choices: [{ index: 0, text: 'x' }] }, usage(7, 2, 9))}data: [DONE]\n\n`,
        SSE,
      ),
    async (scene) => {
      const request = await scene.relayed(
        post(scene, '/v1/completions', { model: 'm', prompt: 'x', stream: true }),
      )
      assert.equal(JSON.parse(request.body.toString()).stream_options, { include_usage: true })
      assert.equal(await recordOf(scene, 'prompt_tokens', 'completion_tokens', 'usage_source'), [
        7,
        2,
        'upstream',
      ])
    },
    {},
    { requestUsage: true },
  ))

test('requestUsage leaves alone what refuses the field, and what is no stream', () =>
  withRelay(
    (request) => stream(request, '{}', JSON_TYPE),
    async (scene) => {
      const bodies: readonly (readonly [string, Json])[] = [
        ['/v1/fim/completions', { model: 'm', prompt: 'x', stream: true }],
        ['/v1/completions', { model: 'm', prompt: 'x' }],
        ['/v1/responses', { model: 'm', input: 'x', stream: true }],
      ]
      for (const [path, body] of bodies) {
        const request = await scene.relayed(post(scene, path, body))
        assert.equal(JSON.parse(request.body.toString()), body, path)
      }
    },
    {},
    { requestUsage: true },
  ))

test('the tokens of a whole answer that is cut are estimated by what came of it', () =>
  withRelay(
    async (request) => {
      const text = 'The relay keeps what it was sent and counts what has passed. '.repeat(30)
      const body = JSON.stringify({ model: 'm', choices: [{ message: { content: text } }] })
      await request.write(head('200 OK', JSON_TYPE, `content-length: ${body.length}`))
      await request.write(body.slice(0, 1_000))
      await request.end()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene, '/v1/chat/completions', { ...PROMPT, stream: false }))
      await client.sees('counts what has passed')
      const [end, source, completion] = await recordOf(scene, 'end', 'usage_source', 'completion_tokens')
      assert.equal([end, source], ['upstream_cut', 'estimated'])
      assert.ok(Number(completion) > 150 && Number(completion) < 250, String(completion))
    },
  ))

test.run()

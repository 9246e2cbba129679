import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomFrom, SEED } from '../support/random.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { wait } from '../support/until.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE, whole } from '../support/upstream.js'
import { collect } from './both.js'

const OPENAI_KEY = 'sk-openai-upstream'
const ANTHROPIC_KEY = 'sk-ant-upstream'
const JSON_TYPE = 'content-type: application/json'

type Json = Readonly<Record<string, unknown>>

interface Stage {
  readonly relay: TestRelay
  readonly openai: ScriptedUpstream
  readonly anthropic: ScriptedUpstream
  readonly origin: string
}

/** A relay with a key for each of the two APIs, and no routes but those that it has by itself. */
async function withBothApis(
  act: (stage: Stage) => Promise<void>,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const openai = await ScriptedUpstream.start(answerAsOpenAi)
  const anthropic = await ScriptedUpstream.start(answerAsAnthropic)
  const relay = await startRelay(
    {
      openai: { preset: 'openai', baseUrl: openai.url },
      claude: { preset: 'anthropic', baseUrl: anthropic.url },
    },
    settings,
    { OPENAI_API_KEY: OPENAI_KEY, ANTHROPIC_API_KEY: ANTHROPIC_KEY },
  )
  try {
    await act({ relay, openai, anthropic, origin: `http://127.0.0.1:${relay.port}` })
  } finally {
    await relay.close()
    await openai.close()
    await anthropic.close()
  }
}

// The upstreams say back what they were asked, in pieces.

const events = (...payloads: readonly Json[]): string[] =>
  payloads.map((payload) => `data: ${JSON.stringify(payload)}\n\n`)

const named = (...payloads: ReadonlyArray<Json & { readonly type: string }>): string[] =>
  payloads.map((payload) => `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`)

const random = randomFrom(SEED)

async function streamOf(request: Received, pieces: readonly string[], ...headers: string[]): Promise<void> {
  await request.write(head('200 OK', SSE, CHUNKED, ...headers))
  for (const piece of pieces) {
    await wait(random() * 4)
    await request.chunk(piece)
  }
  await request.lastChunk()
}

function sendJson(request: Received, value: Json): Promise<void> {
  return request.write(whole('200 OK', JSON.stringify(value), JSON_TYPE))
}

interface RequestMeta {
  readonly model: string
  readonly stream?: boolean
  readonly tools?: unknown
  readonly messages: ReadonlyArray<{ readonly content: string }>
}

function readAsked(request: Received): RequestMeta & { readonly text: string } {
  const asked = JSON.parse(request.body.toString()) as RequestMeta
  return { ...asked, text: asked.messages.at(-1)?.content ?? '' }
}

function answerChat(request: Received, id: string): Promise<void> {
  const { model, stream, text } = readAsked(request)
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  if (stream !== true) {
    const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }]
    return sendJson(request, { id, object: 'chat.completion', created: 1, model, choices, usage })
  }
  const chunk = { id, object: 'chat.completion.chunk', created: 1, model }
  const pieces = [...text].map((character) => ({
    ...chunk,
    choices: [{ index: 0, delta: { content: character }, finish_reason: null }],
  }))
  const last = { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage }
  return streamOf(request, [...events(...pieces, last), 'data: [DONE]\n\n'])
}

function answerAsOpenAi(request: Received): Promise<void> {
  if (request.target === '/v1/models')
    return sendJson(request, {
      object: 'list',
      data: [{ id: 'gpt-fixture', object: 'model', created: 1_750_000_000, owned_by: 'system' }],
    })
  if (request.target.startsWith('/v1/models/'))
    return sendJson(request, { id: 'gpt-fixture', object: 'model', created: 1_750_000_000 })
  return answerChat(request, 'chatcmpl-1')
}

const CLAUDE = {
  type: 'model',
  id: 'claude-fixture',
  display_name: 'Claude Fixture',
  created_at: '2026-01-01T00:00:00Z',
}

function answerAsAnthropic(request: Received): Promise<void> {
  const [path] = request.target.split('?')
  if (path === '/v1/models') return sendJson(request, { data: [CLAUDE], has_more: false })
  if (path?.startsWith('/v1/models/')) return sendJson(request, CLAUDE)
  if (path === '/v1/chat/completions') return answerChat(request, 'msg_compatible')
  const { model, stream, text, tools } = readAsked(request)
  if (path === '/v1/messages/count_tokens') return sendJson(request, { input_tokens: text.length })
  const usage = { input_tokens: 4, output_tokens: 6 }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, stop_sequence: null }
  const used = { type: 'tool_use', id: 'toolu_1', name: 'echo' }
  const block = tools === undefined ? { type: 'text', text } : { ...used, input: { text } }
  const stop_reason = tools === undefined ? 'end_turn' : 'tool_use'
  if (stream !== true) return sendJson(request, { ...message, content: [block], stop_reason, usage })
  const open = tools === undefined ? { type: 'text', text: '' } : { ...used, input: {} }
  const parts = tools === undefined ? text : JSON.stringify({ text })
  const deltas = [...parts].map((character) => ({
    type: 'content_block_delta',
    index: 0,
    delta:
      tools === undefined
        ? { type: 'text_delta', text: character }
        : { type: 'input_json_delta', partial_json: character },
  }))
  const start = { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } }
  return streamOf(
    request,
    named(
      { type: 'message_start', message: start },
      { type: 'content_block_start', index: 0, content_block: open },
      { type: 'ping' },
      ...deltas,
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 6 } },
      { type: 'message_stop' },
    ),
    'request-id: req_1',
  )
}

// The clients

const BETAS = 'claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14'

const TOOLS: Anthropic.Tool[] = [
  { name: 'echo', input_schema: { type: 'object', properties: { text: { type: 'string' } } } },
]

function clientsOf({ origin, relay }: Stage): { openai: OpenAI; anthropic: Anthropic } {
  return {
    openai: new OpenAI({ baseURL: `${origin}/v1`, apiKey: relay.key, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: origin, apiKey: relay.key, authToken: null, maxRetries: 0 }),
  }
}

/** What a person may ask through one of the SDKs, and gets back. */
type Ask = (clients: ReturnType<typeof clientsOf>, text: string) => Promise<unknown>

function user(content: string) {
  return [{ role: 'user' as const, content }]
}

const chatOf =
  (model: string): Ask =>
  async ({ openai }, text) =>
    (await openai.chat.completions.create({ model, messages: user(text) })).choices[0]?.message.content

const chatStreamOf =
  (model: string): Ask =>
  async ({ openai }, text) => {
    const stream = await openai.chat.completions.create({ model, messages: user(text), stream: true })
    return (await collect(stream)).map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
  }

const ASKS: readonly Ask[] = [
  chatOf('gpt-fixture'),
  chatStreamOf('gpt-fixture'),
  // Anthropic's API for clients of OpenAI's.
  chatOf('claude-fixture'),
  chatStreamOf('claude-fixture'),
  async ({ anthropic }, text) => {
    const { content } = await anthropic.messages.create({
      model: 'claude-fixture',
      max_tokens: 64,
      messages: user(text),
    })
    return content[0]?.type === 'text' ? content[0].text : null
  },
  async ({ anthropic }, text) =>
    anthropic.messages.stream({ model: 'claude-fixture', max_tokens: 64, messages: user(text) }).finalText(),
  async ({ anthropic }, text) => {
    const params = { model: 'claude-fixture', max_tokens: 64, messages: user(text), tools: TOOLS }
    const stream = anthropic.messages.stream(params, {
      query: { beta: 'true' },
      headers: { 'anthropic-beta': BETAS },
    })
    const [block] = (await stream.finalMessage()).content
    return block?.type === 'tool_use' ? (block.input as { text: string }).text : null
  },
  async ({ anthropic }, text) => {
    const counted = await anthropic.messages.countTokens({ model: 'claude-fixture', messages: user(text) })
    return counted.input_tokens === text.length ? text : counted
  },
]

function countOf(requests: readonly Received[], target: string): number {
  return requests.filter((request) => request.target === target).length
}

test('both SDKs at one time get each its own, from the API that its request is for, with that API’s credential', () =>
  withBothApis(async (stage) => {
    const { relay, openai, anthropic } = stage
    const clients = clientsOf(stage)
    const rounds = 6
    await Promise.all(
      Array.from({ length: rounds * ASKS.length }, async (_, i) => {
        const text = `question ${i} ${'x'.repeat(i % 17)}`
        assert.is(await (ASKS[i % ASKS.length] as Ask)(clients, text), text)
      }),
    )
    for (const request of openai.requests) {
      assert.is(request.target, '/v1/chat/completions')
      assert.is(request.header('authorization'), `Bearer ${OPENAI_KEY}`)
      for (const name of ['x-api-key', 'api-key', 'anthropic-version', 'anthropic-beta'])
        assert.is(request.header(name), undefined, name)
    }
    assert.is(openai.requests.length, 2 * rounds)
    for (const request of anthropic.requests) {
      const compatible = request.target === '/v1/chat/completions'
      assert.is(request.header('authorization'), compatible ? `Bearer ${ANTHROPIC_KEY}` : undefined)
      assert.is(request.header('x-api-key'), compatible ? undefined : ANTHROPIC_KEY)
      // The SDK's own, once.
      const versions = request.headers.filter(([name]) => name.toLowerCase() === 'anthropic-version')
      assert.is(versions.length, compatible ? 0 : 1)
      assert.is(request.header('anthropic-beta'), request.target.endsWith('?beta=true') ? BETAS : undefined)
    }
    assert.is(anthropic.requests.length, 6 * rounds)
    assert.is(countOf(anthropic.requests, '/v1/chat/completions'), 2 * rounds)
    assert.is(countOf(anthropic.requests, '/v1/messages'), 2 * rounds)
    assert.is(countOf(anthropic.requests, '/v1/messages?beta=true'), rounds)
    assert.is(countOf(anthropic.requests, '/v1/messages/count_tokens'), rounds)
    for (const request of [...openai.requests, ...anthropic.requests])
      assert.not.ok(request.raw.includes(relay.key))
    const records = await relay.records(rounds * ASKS.length)
    assert.ok(records.every(({ end, attempts }) => end === 'done' && attempts === 1))
    for (const [upstream, dialect, count] of [
      ['openai', 'openai', 2],
      ['claude', 'openai', 2],
      ['claude', 'anthropic', 4],
    ] as const) {
      const those = records.filter((record) => record.upstream === upstream && record.dialect === dialect)
      assert.is(those.length, count * rounds, `${dialect} at ${upstream}`)
    }
  }))

/** As Claude Code sends them: the key in one place, or in both. */
const CREDENTIALS: Array<[string, { apiKey: boolean; authToken: boolean }]> = [
  ['ANTHROPIC_API_KEY', { apiKey: true, authToken: false }],
  ['ANTHROPIC_AUTH_TOKEN', { apiKey: false, authToken: true }],
  ['both', { apiKey: true, authToken: true }],
]
const CLAUDE_CODE = {
  'anthropic-beta': BETAS,
  'x-claude-code-session-id': '00000000-aaaa-bbbb-cccc-000000000001',
  'x-app': 'cli',
  'user-agent': 'claude-cli/2.1.0 (external, cli)',
  'anthropic-dangerous-direct-browser-access': 'true',
}

for (const [name, places] of CREDENTIALS) {
  test(`Claude Code is understood with its key in ${name}, and what it sends besides reaches Anthropic as it is`, () =>
    withBothApis(async ({ relay, openai, anthropic, origin }) => {
      const client = new Anthropic({
        baseURL: origin,
        apiKey: places.apiKey ? relay.key : null,
        authToken: places.apiKey ? null : relay.key,
        // The SDK takes one of them; Claude Code has sent both.
        defaultHeaders: places.authToken
          ? { ...CLAUDE_CODE, authorization: `Bearer ${relay.key}` }
          : CLAUDE_CODE,
        maxRetries: 0,
      })
      const body = { model: 'claude-fixture', max_tokens: 64, messages: user('hi'), stream: true } as const
      const query = { query: { beta: 'true' } }
      const streamed = await collect(await client.messages.create(body, query))
      assert.is(streamed.at(-1)?.type, 'message_stop')
      await client.messages.countTokens({ model: 'claude-fixture', messages: user('hi') }, query)
      const [message, count] = anthropic.requests
      assert.is(message?.target, '/v1/messages?beta=true')
      assert.is(count?.target, '/v1/messages/count_tokens?beta=true')
      assert.is(message?.body.toString(), JSON.stringify(body))
      for (const request of anthropic.requests) {
        for (const [header, value] of Object.entries(CLAUDE_CODE)) assert.is(request.header(header), value)
        assert.is(request.headers.filter(([header]) => header.toLowerCase() === 'x-api-key').length, 1)
        assert.is(request.header('x-api-key'), ANTHROPIC_KEY)
        assert.is(request.header('authorization'), undefined)
        assert.not.ok(request.raw.includes(relay.key))
      }
      assert.is(openai.requests.length, 0)
    }))
}

test('a version of the API is put on where there is none, and stays where there is another', () =>
  withBothApis(async ({ relay, anthropic, origin }) => {
    const ask = async (path: string, model: string, headers: Record<string, string>) => {
      const body = JSON.stringify({ model, max_tokens: 1, messages: user('hi') })
      const answer = await fetch(`${origin}${path}`, {
        method: 'POST',
        body,
        headers: { ...headers, 'x-api-key': relay.key },
      })
      assert.is(answer.status, 200)
      await answer.text()
      return anthropic.requests
        .at(-1)
        ?.headers.filter(([name]) => name.toLowerCase() === 'anthropic-version')
        .map(([, value]) => value)
    }
    assert.equal(await ask('/v1/messages', 'claude-fixture', {}), ['2023-06-01'])
    assert.equal(await ask('/v1/messages', 'claude-fixture', { 'Anthropic-Version': '2099-01-01' }), [
      '2099-01-01',
    ])
    assert.equal(await ask('/v1/messages/count_tokens', 'gpt-fixture', {}), ['2023-06-01'])
    assert.equal(await ask('/v1/chat/completions', 'claude-fixture', {}), [])
  }))

test('both SDKs read the list of all models, and each model from where it is', () =>
  withBothApis(async (stage) => {
    const { openai, anthropic } = clientsOf(stage)
    const [mine, theirs] = await Promise.all([
      collect(await openai.models.list()),
      collect(anthropic.models.list()),
    ])
    assert.equal(
      mine.map(({ id, object, created, owned_by }) => ({ id, object, created, owned_by })),
      [
        { id: 'gpt-fixture', object: 'model', created: 1_750_000_000, owned_by: 'system' },
        { id: 'claude-fixture', object: 'model', created: 1_767_225_600, owned_by: 'claude' },
      ],
    )
    assert.equal(
      theirs.map(({ id, type, display_name, created_at }) => ({ id, type, display_name, created_at })),
      [
        {
          id: 'gpt-fixture',
          type: 'model',
          display_name: 'gpt-fixture',
          created_at: '2025-06-15T15:06:40Z',
        },
        CLAUDE as never,
      ],
    )
    assert.is((await openai.models.retrieve('claude-fixture')).id, 'claude-fixture')
    assert.is((await anthropic.models.retrieve('claude-fixture')).display_name, 'Claude Fixture')
    assert.is((await anthropic.models.retrieve('gpt-fixture')).id, 'gpt-fixture')
    for (const request of stage.anthropic.requests) assert.is(request.header('x-api-key'), ANTHROPIC_KEY)
    for (const request of stage.openai.requests) {
      assert.is(request.header('authorization'), `Bearer ${OPENAI_KEY}`)
      assert.is(request.header('x-api-key'), undefined)
    }
  }))

test('names of the config are models for both SDKs, too', () =>
  withBothApis(
    async (stage) => {
      const { openai, anthropic } = clientsOf(stage)
      assert.equal(
        (await collect(await openai.models.list())).map(({ id }) => id),
        ['fast', 'smart'],
      )
      const [fast] = await collect(anthropic.models.list())
      assert.equal(
        [fast?.id, fast?.type, fast?.display_name, fast?.created_at],
        ['fast', 'model', 'fast', '1970-01-01T00:00:00Z'],
      )
      assert.is((await anthropic.models.retrieve('smart')).id, 'smart')
      const { model } = await anthropic.messages.create({
        model: 'smart',
        max_tokens: 8,
        messages: user('hi'),
      })
      assert.is(model, 'claude-fixture')
      const answer = await openai.chat.completions.create({ model: 'fast', messages: user('hi') })
      assert.is(answer.model, 'gpt-fixture')
      assert.is(stage.anthropic.requests.at(-1)?.target, '/v1/messages')
    },
    {
      models: {
        fast: { upstream: 'openai', model: 'gpt-fixture' },
        smart: { upstream: 'claude', model: 'claude-fixture' },
      },
    },
  ))

test.run()

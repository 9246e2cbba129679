import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi, ConversationApi } from '../../../src/api/apis.js'
import type { ModelAnswer } from '../../support/agent/answers.js'
import { createChatModel } from '../../support/agent/chat-model.js'
import { type Entry, printRequest } from '../../support/agent/cursor.js'
import { createGeminiModel } from '../../support/agent/gemini-model.js'
import { createMessagesModel } from '../../support/agent/messages-model.js'
import { readAgentAnswer } from '../../support/agent/read-answer.js'
import { createResponsesModel } from '../../support/agent/responses-model.js'
import type { Response } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import type { Fields } from '../../support/readers/events.js'
import { auth, type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']
const ANSWER: ModelAnswer = { thinking: '', text: 'done 🦊', calls: [] }
const HISTORY: readonly Entry[] = [
  { kind: 'user', text: 'rename foo', image: null },
  {
    kind: 'assistant',
    text: 'I look.',
    calls: [{ id: 'call_A1', name: 'Grep', arguments: '{"nonce":"n1x1","id":2512292042121000001}' }],
  },
  { kind: 'result', id: 'call_A1', name: 'Grep', text: 'found', isError: false, image: null },
  { kind: 'assistant', text: 'Found it.', calls: [] },
  { kind: 'user', text: 'go on', image: null },
]

interface Refusal {
  readonly status: number
  readonly error: unknown
}

/** What an upstream refuses, in its own words. */
interface Case {
  readonly name: string
  readonly upstream: Readonly<Record<string, unknown>>
  readonly model: string
  readonly refuse: (api: ConversationApi, body: Fields) => Refusal | null
  /** Requests until one is accepted, in the shapes whose bodies are refused. 2 if it is not given. */
  readonly tries?: number
}

const openai = (message: string, param: string | null, code: string | null, status = 400): Refusal => ({
  status,
  error: { error: { message, type: 'invalid_request_error', param, code } },
})
const anthropic = (message: string): Refusal => ({
  status: 400,
  error: { type: 'error', error: { type: 'invalid_request_error', message }, request_id: 'req_1' },
})

/** Refuses one field after the other. */
const unsupported = (body: Fields, ...names: string[]): Refusal | null => {
  const found = names.find((name) => body[name] !== undefined)
  return found === undefined
    ? null
    : openai(
        `Unsupported parameter: '${found}' is not supported with this model.`,
        found,
        'unsupported_parameter',
      )
}

const CASES: readonly Case[] = [
  {
    name: 'a parameter',
    upstream: { preset: 'openai' },
    model: 'nova-1',
    refuse: (_, body) => unsupported(body, 'temperature'),
  },
  {
    name: 'three parameters one after the other',
    upstream: {},
    model: 'nova-1',
    refuse: (_, body) => unsupported(body, 'temperature', 'user', 'parallel_tool_calls'),
    tries: 3,
  },
  {
    name: 'chat completions',
    upstream: { preset: 'azure' },
    model: 'my-deployment',
    refuse: (api) =>
      api === 'chat'
        ? openai(
            'This model is only supported in v1/responses and not in v1/chat/completions.',
            'model',
            null,
            404,
          )
        : null,
  },
  {
    name: 'tools with an effort in chat completions',
    upstream: { preset: 'azure' },
    model: 'my-deployment',
    refuse: (api) =>
      api === 'chat'
        ? openai(
            "Function tools with reasoning_effort are not supported in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            null,
            null,
          )
        : null,
  },
  {
    name: 'max_tokens',
    upstream: { apis: ['chat'] },
    model: 'nova-1',
    refuse: (_, body) =>
      body.max_tokens === undefined
        ? null
        : openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            'max_tokens',
            'unsupported_parameter',
          ),
  },
  {
    name: 'max_completion_tokens',
    upstream: { preset: 'openai', apis: ['chat'] },
    model: 'nova-1',
    refuse: (_, body) =>
      body.max_completion_tokens === undefined
        ? null
        : {
            status: 422,
            error: {
              detail: [
                {
                  type: 'extra_forbidden',
                  loc: ['body', 'max_completion_tokens'],
                  msg: 'Extra inputs are not permitted',
                  input: 100,
                },
              ],
            },
          },
  },
  {
    name: 'custom tools',
    upstream: { preset: 'openai' },
    model: 'nova-1',
    refuse: (_, body) =>
      JSON.stringify(body.tools ?? []).includes('"custom"')
        ? openai(
            "Invalid value: 'custom'. Supported values are: 'function'.",
            'tools[3].type',
            'invalid_value',
          )
        : null,
  },
  {
    name: 'a budget for thinking, at Claude',
    upstream: { preset: 'anthropic' },
    model: 'claude-opus-4-5',
    refuse: (_, body) =>
      body.thinking?.type === 'enabled'
        ? anthropic(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
          )
        : null,
  },
  {
    name: 'extra inputs, at Claude',
    upstream: { preset: 'anthropic' },
    model: 'claude-next',
    refuse: (_, body) =>
      body.thinking === undefined ? null : anthropic('thinking: Extra inputs are not permitted'),
  },
  {
    name: 'an effort, in the words of pydantic',
    upstream: { apis: ['chat'] },
    model: 'nova-1',
    refuse: (_, body) =>
      body.reasoning_effort === undefined
        ? null
        : {
            status: 422,
            error: {
              detail: [
                {
                  type: 'extra_forbidden',
                  loc: ['body', 'reasoning_effort'],
                  msg: 'Extra inputs are not permitted',
                  input: 'medium',
                },
              ],
            },
          },
  },
  {
    name: "Gemini's thinking",
    upstream: { preset: 'gemini-native' },
    model: 'gemini-3-pro',
    refuse: (_, body) =>
      body.generationConfig?.thinkingConfig === undefined
        ? null
        : {
            status: 400,
            error: {
              error: {
                code: 400,
                message:
                  'Invalid JSON payload received. Unknown name "thinkingConfig" at \'generation_config\': Cannot find field.',
                status: 'INVALID_ARGUMENT',
              },
            },
          },
  },
]

function apiOf({ target }: Received): ConversationApi {
  if (target.includes('/models/')) return 'gemini'
  if (target.includes('/responses')) return 'responses'
  return target.includes('/messages') ? 'messages' : 'chat'
}

interface Setup {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  ask(shape: BodyApi, path?: string): Promise<Response>
  warnings(): LogLine[]
}

async function withUpstream(
  { upstream: entry, model }: Pick<Case, 'upstream' | 'model'>,
  refuse: Case['refuse'],
  act: (setup: Setup) => Promise<void>,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const random = randomFrom(SEED)
  const models = {
    chat: createChatModel(random, { ids: 'random', thinking: 'reasoning_content' }),
    responses: createResponsesModel(random),
    messages: createMessagesModel(random),
    gemini: createGeminiModel(random),
  }
  const upstream = await ScriptedUpstream.start(async (request) => {
    const api = apiOf(request)
    const body = JSON.parse(request.body.toString()) as Fields
    const refusal = refuse(api, body)
    if (refusal !== null) {
      await request.write(
        whole(`${refusal.status} Refused`, JSON.stringify(refusal.error), 'content-type: application/json'),
      )
      return
    }
    const streamed = models[api].isStreamed(request, body)
    const { parts } = models[api].write(ANSWER, streamed, body)
    await request.write(head('200 OK', streamed ? SSE : 'content-type: application/json', CHUNKED))
    await request.chunk(parts.join(''))
    await request.lastChunk()
  })
  const relay = await startRelay(
    { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, ...entry } },
    { models: { team: { upstream: 'up', model } }, ...settings },
  )
  const ask = async (shape: BodyApi, path = '/cursor/v1/chat/completions'): Promise<Response> => {
    const limit = shape === 'chat' ? '"max_tokens":9000,' : ''
    const extra = `{${limit}${shape === 'messages' ? '' : '"parallel_tool_calls":true,'}${shape === 'responses' ? '"temperature":0,"max_output_tokens":9000,' : ''}`
    const body = printRequest(shape, 'team', HISTORY, true).replace('{', extra)
    const client = await relay.client()
    client.send(
      `POST ${path} HTTP/1.1\r\n${auth(relay)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const response = await client.response()
    client.destroy()
    return response
  }
  const warnings = (): LogLine[] =>
    relay.lines.filter(({ msg, level }) => level === 40 && String(msg).includes('modelTraits'))
  try {
    await act({ relay, upstream, ask, warnings })
  } finally {
    await relay.close()
    await upstream.close()
  }
}

function requireAnswer(response: Response): void {
  assert.is(readAgentAnswer(response, true).text, ANSWER.text)
}

/** The entry of `modelTraits` that a warning tells of. */
function readConfigLine(warning: LogLine | undefined): unknown {
  const [, line] = /add to modelTraits: (\{.*\})$/.exec(String(warning?.msg)) ?? []
  return JSON.parse(line ?? 'null')
}

for (const each of CASES) {
  test(`a model that refuses ${each.name} gets the request again without it, and the next one is right at once`, async () => {
    let refused = 0
    for (const shape of SHAPES) {
      let tries = 0
      const refuse: Case['refuse'] = (api, body) => {
        const refusal = each.refuse(api, body)
        if (refusal !== null) tries++
        return refusal
      }
      let line: unknown = null
      await withUpstream(each, refuse, async ({ relay, upstream, ask, warnings }) => {
        requireAnswer(await ask(shape))
        const needed = tries
        assert.is(upstream.requests.length, needed + 1)
        if (needed === 0) return
        refused++
        assert.ok(needed < 4)
        assert.is(warnings().length, needed, 'there is one warning for each correction')
        line = readConfigLine(warnings().at(-1))
        requireAnswer(await ask(shape))
        assert.is(tries, needed, 'the next request is right at once')
        assert.is(warnings().length, needed)
        const [record, second] = await relay.records(2)
        assert.is(record?.status, 200)
        assert.is(record?.attempts, needed + 1)
        assert.is(second?.attempts, 1)
      })
      if (line === null) continue
      tries = 0
      await withUpstream(each, refuse, async ({ upstream, ask, warnings }) => {
        const all = await Promise.all([ask(shape), ask(shape)])
        for (const response of all) requireAnswer(response)
        assert.ok(upstream.requests.length <= 2 * (each.tries ?? 2) + 2)
        assert.ok(warnings().length <= 3)
      })
      tries = 0
      await withUpstream(
        each,
        refuse,
        async ({ upstream, ask, warnings }) => {
          requireAnswer(await ask(shape))
          assert.is(tries, 0, `the config line avoids the refusal: ${JSON.stringify(line)}`)
          assert.is(upstream.requests.length, 1)
          assert.is(warnings().length, 0)
        },
        { modelTraits: [line] },
      )
    }
    assert.ok(refused > 0, 'no shape was refused')
  })
}

const PLAIN = { upstream: { preset: 'openai' }, model: 'nova-1' }

test('an error that names nothing is passed on once', async () => {
  const refusal = openai('The conversation is odd.', null, 'invalid_value')
  await withUpstream(
    PLAIN,
    () => refusal,
    async ({ relay, upstream, ask, warnings }) => {
      for (const shape of SHAPES) {
        const response = await ask(shape)
        assert.is(response.status, 400)
        assert.is(JSON.parse(response.body.toString()).error.message, 'The conversation is odd.')
      }
      assert.is(upstream.requests.length, 3)
      assert.is(warnings().length, 0)
      assert.is((await relay.records(3))[0]?.attempts, 1)
    },
  )
})

test('a model that goes on refusing gets a request at most four times', async () => {
  const names = [
    'temperature',
    'user',
    'parallel_tool_calls',
    'reasoning_effort',
    'stream_options',
    'max_completion_tokens',
  ]
  await withUpstream(
    PLAIN,
    (_, body) => unsupported(body, ...names),
    async ({ upstream, ask }) => {
      const response = await ask('chat')
      assert.is(upstream.requests.length, 4)
      assert.is(response.status, 400)
      assert.is(JSON.parse(response.body.toString()).error.code, 'unsupported_parameter')
    },
  )
})

test('a model that refuses what was left out is not asked again', async () => {
  await withUpstream(
    PLAIN,
    () => unsupported({ temperature: 1 }, 'temperature'),
    async ({ upstream, ask }) => {
      assert.is((await ask('chat')).status, 400)
      assert.is(upstream.requests.length, 2)
      assert.is((await ask('chat')).status, 400)
      assert.is(upstream.requests.length, 3)
    },
  )
})

test('a target that fails after a correction is followed by the next one, with its own corrections', async () => {
  let fails = true
  await withUpstream(
    PLAIN,
    (_, body) => {
      const refusal = unsupported(body, body.model === 'one' ? 'temperature' : 'user')
      return refusal ?? (body.model === 'one' && fails ? openai('oops', null, null, 500) : null)
    },
    async ({ relay, upstream, ask, warnings }) => {
      requireAnswer(await ask('chat'))
      const sent = upstream.requests.map(({ body }) => JSON.parse(body.toString()) as Fields)
      assert.equal(
        sent.map(({ model, temperature, user }) => [model, temperature !== undefined, user !== undefined]),
        [
          ['one', true, true],
          ['one', false, true],
          ['two', true, true],
          ['two', true, false],
        ],
      )
      assert.is(warnings().length, 2)
      const [record] = await relay.records(1)
      assert.is(record?.attempts, 4)
      assert.is(record?.failed_attempts, 'up/one corrected, up/one 500, up/two corrected')
      fails = false
      requireAnswer(await ask('chat'))
      assert.is(upstream.requests.length, 5)
    },
    { models: { team: { targets: ['one', 'two'].map((model) => ({ upstream: 'up', model })) } } },
  )
})

test('a request on /v1 is not repeated', async () => {
  await withUpstream(
    PLAIN,
    (_, body) => unsupported(body, 'temperature'),
    async ({ upstream, ask, warnings }) => {
      const response = await ask('chat', '/v1/chat/completions')
      assert.is(response.status, 400)
      assert.is(upstream.requests.length, 1)
      assert.is(warnings().length, 0)
    },
  )
})

test.run()

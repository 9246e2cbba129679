import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { drawAnswer, type ModelAnswer } from '../../support/agent/answers.js'
import { createChatModel } from '../../support/agent/chat-model.js'
import { type Entry, printRequest } from '../../support/agent/cursor.js'
import { createGeminiModel } from '../../support/agent/gemini-model.js'
import { createMessagesModel } from '../../support/agent/messages-model.js'
import { ModelDouble } from '../../support/agent/model.js'
import { looksComplete, readAgentAnswer } from '../../support/agent/read-answer.js'
import { createResponsesModel } from '../../support/agent/responses-model.js'
import type { Response } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import { auth, type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import {
  CHUNKED,
  head,
  type Received,
  type Script,
  ScriptedUpstream,
  SSE,
  whole,
} from '../../support/upstream.js'

const FAMILIES = ['messages', 'responses', 'chat', 'gemini'] as const
type Family = (typeof FAMILIES)[number]

const PRESETS = { messages: 'anthropic', responses: 'openai', chat: 'deepseek', gemini: 'gemini-native' }
const MODELS = {
  messages: 'claude-opus-4-5',
  responses: 'gpt-5.1',
  chat: 'deepseek-reasoner',
  gemini: 'gemini-3-pro',
}
const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']

/** How the first target fails. */
interface Fault {
  readonly name: string
  /** In `failed_attempts`, behind the target's name. */
  readonly reason: RegExp
  /** Null: it does not even accept connections. */
  readonly script: ((family: Family) => Script) | null
}

const event = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}",${rest}}\n\n`
const chunk = (choices: string): string =>
  `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":${choices}}\n\n`

/** By which each API announces an answer that has nothing yet. */
const EMPTY_STARTS: Readonly<Record<Family, string>> = {
  messages: `${event(
    'message_start',
    '"message":{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}',
  )}event: ping\ndata: {"type":"ping"}\n\n`,
  responses: event(
    'response.created',
    '"sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"g","output":[],"usage":null}',
  ),
  chat: `: keep-alive\n\n${chunk('[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]')}`,
  gemini: 'data: {"usageMetadata":{"promptTokenCount":1},"modelVersion":"g"}\r\n\r\n',
}

const ERROR_EVENTS: Readonly<Record<Family, string>> = {
  messages: event('error', '"error":{"type":"overloaded_error","message":"Overloaded"}'),
  responses: event('error', '"code":"server_error","message":"oops","param":null,"sequence_number":1'),
  chat: 'data: {"error":{"message":"oops","type":"server_error","param":null,"code":"server_error"}}\n\n',
  gemini: 'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\r\n\r\n',
}

const json =
  (status: string, body: string): Script =>
  (request) =>
    request.write(whole(status, body, 'content-type: application/json'))

const begin = async (request: Received, text: string): Promise<void> => {
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(text)
}

const FAULTS: readonly Fault[] = [
  { name: 'refuses the connection', reason: /ECONNREFUSED/, script: null },
  {
    name: 'answers 500',
    reason: / 500/,
    script: () => json('500 Internal Server Error', '{"error":{"message":"oops","type":"server_error"}}'),
  },
  {
    name: 'answers 429',
    reason: / 429/,
    script: () =>
      json('429 Too Many Requests', '{"error":{"message":"slow down","type":"rate_limit_error"}}'),
  },
  {
    name: 'falls silent behind an empty start',
    reason: /firstTokenMs/,
    script: (family) => async (request) => {
      await begin(request, EMPTY_STARTS[family])
      await request.hang()
    },
  },
  {
    name: 'says an error behind an empty start',
    reason: /error|UNAVAILABLE|503/,
    script: (family) => async (request) => {
      await begin(request, EMPTY_STARTS[family] + ERROR_EVENTS[family])
      await request.lastChunk()
    },
  },
]

const HISTORY: readonly Entry[] = [
  { kind: 'user', text: 'rename foo', image: null },
  {
    kind: 'assistant',
    text: 'I look.',
    calls: [{ id: 'call_A1', name: 'Grep', arguments: '{"nonce":"n1x1","id":2512292042121000001}' }],
  },
  { kind: 'result', id: 'call_A1', name: 'Grep', text: 'found', isError: false, image: null },
]

interface Setup {
  readonly relay: TestRelay
  readonly doubles: Readonly<Record<Family, ModelDouble>>
  ask(body: string): Promise<Response>
}

/** Runs a relay whose alias has the failing target first, and then a double of each other family in this order. */
async function withFamilies(
  order: readonly Family[],
  fault: Fault,
  act: (setup: Setup) => Promise<void>,
): Promise<void> {
  const random = randomFrom(SEED)
  const doubles = {
    chat: await ModelDouble.start(
      createChatModel(random, { ids: 'random', thinking: 'reasoning_content' }),
      random,
    ),
    responses: await ModelDouble.start(createResponsesModel(random), random),
    messages: await ModelDouble.start(createMessagesModel(random), random),
    gemini: await ModelDouble.start(createGeminiModel(random), random),
  }
  const first = order[0] as Family
  const broken = await ScriptedUpstream.start(fault.script?.(first) ?? (() => {}))
  const { url } = broken
  if (fault.script === null) await broken.close()
  const entries = order.map((family, n) => [
    family,
    {
      preset: PRESETS[family],
      baseUrl: n === 0 ? url : doubles[family].upstream.url,
      apiKey: { env: 'UPSTREAM_KEY' },
      ...(family === 'chat' ? { apis: ['chat'] } : null),
    },
  ])
  const targets = order.map((family) => ({ upstream: family, model: MODELS[family] }))
  const relay = await startRelay(Object.fromEntries(entries), {
    models: { team: { targets, firstTokenMs: 120 } },
  })
  const ask = async (body: string): Promise<Response> => {
    const client = await relay.client()
    client.send(
      `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const response = await client.response()
    client.destroy()
    return response
  }
  try {
    await act({ relay, doubles, ask })
  } finally {
    await relay.close()
    if (fault.script !== null) await broken.close()
    for (const each of Object.values(doubles)) await each.upstream.close()
  }
}

function drawWithCalls(n: number): ModelAnswer {
  const random = randomFrom(SEED + n)
  for (;;) {
    const answer = drawAnswer(random, n)
    if (answer.calls.length > 0) return answer
  }
}

for (const [n, first] of FAMILIES.entries()) {
  for (const fault of FAULTS) {
    test(`${first} ${fault.name}, and the next family answers`, async () => {
      const order = [...FAMILIES.slice(n), ...FAMILIES.slice(0, n)]
      const second = order[1] as Family
      await withFamilies(order, fault, async ({ relay, doubles, ask }) => {
        let asked = 0
        for (const shape of SHAPES) {
          for (const streamed of [true, false]) {
            const isStream = fault.script !== null && /empty start/.test(fault.name)
            if (isStream && !streamed) continue
            const double = doubles[second]
            double.refusal = null
            double.next = drawWithCalls(n * 10 + asked)
            const response = await ask(printRequest(shape, 'team', HISTORY, streamed))
            assert.is(double.refusal, null)
            const read = readAgentAnswer(response, streamed)
            assert.is(read.text, double.made?.text)
            assert.equal(
              read.calls.map(({ name, arguments: input }) => ({ name, input })),
              double.made?.calls.map(({ name, input }) => ({ name, input })),
            )
            asked++
            const record = (await relay.records(asked))[asked - 1] as LogLine
            assert.is(record.end, 'done')
            assert.is(record.upstream, second)
            // After some failures the first target is left alone for a while.
            if (asked === 1) {
              assert.is(record.attempts, 2)
              assert.match(String(record.failed_attempts), first)
              assert.match(String(record.failed_attempts), fault.reason)
            }
          }
        }
        await until(() => relay.inspect().openCount === 0, 'everything to be over')
        assert.is(relay.inspect().bufferedBytes, 0)
      })
    })
  }
}

test('a target that gives content and then breaks off is not followed by another one', async () => {
  const fault: Fault = {
    name: 'breaks off',
    reason: /./,
    script: () => async (request) => {
      const start = event('content_block_start', '"index":0,"content_block":{"type":"text","text":""}')
      const text = event('content_block_delta', '"index":0,"delta":{"type":"text_delta","text":"half"}')
      await begin(request, EMPTY_STARTS.messages + start + text)
      request.destroy()
    },
  }
  await withFamilies(FAMILIES, fault, async ({ relay, doubles, ask }) => {
    for (const shape of SHAPES) {
      const response = await ask(printRequest(shape, 'team', HISTORY, true))
      assert.match(response.body.toString(), 'half')
      assert.not(looksComplete(response, true))
    }
    assert.is(doubles.responses.bodies.length, 0)
    const [record] = await relay.records(3)
    assert.is(record?.end, 'upstream_cut')
  })
})

test('the record names the fields that the target which answered could not be sent', async () => {
  const fault = FAULTS[1] as Fault
  await withFamilies(['chat', 'messages', 'responses', 'gemini'], fault, async ({ relay, doubles, ask }) => {
    doubles.messages.next = drawWithCalls(1)
    const body = printRequest('chat', 'team', HISTORY, true).replace(
      '"temperature":0',
      '"temperature":0,"seed":9223372036854775807,"presence_penalty":0.5',
    )
    readAgentAnswer(await ask(body), true)
    const [record] = await relay.records(1)
    assert.is(record?.upstream, 'messages')
    const dropped = String(record?.dropped_fields)
    for (const name of ['seed', 'presence_penalty']) assert.match(dropped, name)
  })
})

test.run()

import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import {
  CHUNKED,
  head,
  type Received,
  type Script,
  ScriptedUpstream,
  SSE,
  whole,
} from '../../support/upstream.js'

const PATCH = '*** Begin Patch\n*** Update File: a.ts\n@@\n-x = "1"\n+y = \'ï🦊\\d\'\n*** End Patch\n'
const ARGUMENTS = JSON.stringify({ input: PATCH }).replace('🦊', '\\ud83e\\udd8a')

/** The arguments in short pieces, so that escapes and characters are cut. */
const PIECES = (ARGUMENTS.match(/.{1,7}/gsu) ?? []) as readonly string[]

type Shape = 'chat' | 'responses' | 'messages'
type Json = Record<string, unknown>

const TOOL = {
  type: 'custom',
  name: 'ApplyPatch',
  description: 'patch',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' },
}
const LS = { type: 'object', properties: { path: { type: 'string' } } }

/** A request of Cursor. @param done null in the first turn; in the second, the patch of the first */
function bodyOf(shape: Shape, stream: boolean, done: string | null): string {
  const id = 'call_P'
  const prompt = { role: 'user', content: 'rename x' }
  if (shape === 'responses') {
    const call = { type: 'function_call', call_id: id, name: 'ApplyPatch', arguments: done }
    const turn = [call, { type: 'function_call_output', call_id: id, output: 'done' }]
    const input = [prompt, ...(done === null ? [] : turn)]
    return JSON.stringify({ model: 'm', stream, input, tools: [TOOL], store: false })
  }
  if (shape === 'messages') {
    const use = { type: 'tool_use', id, name: 'ApplyPatch', input: done }
    const turn = [
      { role: 'assistant', content: [use] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'done' }] },
    ]
    const messages = [prompt, ...(done === null ? [] : turn)]
    const tools = [{ name: 'LS', description: 'list', input_schema: LS }, TOOL]
    return JSON.stringify({
      model: 'm',
      stream,
      system: [{ type: 'text', text: 'S' }],
      max_tokens: 9,
      messages,
      tools,
    })
  }
  const call = { id, type: 'function', index: 0, function: { name: 'ApplyPatch', arguments: done } }
  const turn = [
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', name: 'ApplyPatch', tool_call_id: id, content: 'done' },
  ]
  const messages = [prompt, ...(done === null ? [] : turn)]
  return JSON.stringify({ model: 'm', stream, messages, tools: [TOOL] })
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const event = (value: { type: string }): string => `event: ${value.type}\n${data(value)}`

function chatChunk(delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return data({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })
}

const CHAT_STREAM = [
  chatChunk({ role: 'assistant', content: 'hi' }),
  chatChunk({
    tool_calls: [
      { index: 0, id: 'call_P', type: 'function', function: { name: 'ApplyPatch', arguments: '' } },
    ],
  }),
  ...PIECES.map((piece) => chatChunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
  chatChunk({}, 'tool_calls'),
  'data: [DONE]\n\n',
]

const USAGE = data({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
})

const MESSAGES_STREAM = [
  { type: 'message_start', message: { id: 'm', role: 'assistant', model: 'm', usage: { input_tokens: 1 } } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'hi' } },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'content_block_start',
    index: 1,
    content_block: { type: 'tool_use', id: 'call_P', name: 'ApplyPatch', input: {} },
  },
  ...PIECES.map((piece) => ({
    type: 'content_block_delta',
    index: 1,
    delta: { type: 'input_json_delta', partial_json: piece },
  })),
  { type: 'content_block_stop', index: 1 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 7 } },
  { type: 'message_stop' },
].map(event)

const COMPLETION = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'hi',
        tool_calls: [
          { id: 'call_P', type: 'function', function: { name: 'ApplyPatch', arguments: ARGUMENTS } },
        ],
      },
      finish_reason: 'tool_calls',
    },
  ],
})

const MESSAGE = JSON.stringify({
  id: 'm',
  type: 'message',
  role: 'assistant',
  model: 'm',
  stop_reason: 'tool_use',
  content: [
    { type: 'text', text: 'hi' },
    { type: 'tool_use', id: 'call_P', name: 'ApplyPatch', input: { input: PATCH } },
  ],
  usage: { input_tokens: 1, output_tokens: 7 },
})

const JSON_TYPE = 'content-type: application/json'

async function stream(request: Received, events: readonly string[]): Promise<void> {
  await request.write(head('200 OK', SSE, CHUNKED))
  for (const each of events) await request.chunk(each)
  await request.lastChunk()
}

const sentTo = (request: Received): Json => JSON.parse(request.body.toString()) as Json

/** Calls the tool with the function call of the API. */
const calling: Script = (request) => {
  const { stream: streamed, stream_options: options } = sentTo(request)
  if (request.target.startsWith('/v1/messages')) {
    return streamed === true
      ? stream(request, MESSAGES_STREAM)
      : request.write(whole('200 OK', MESSAGE, JSON_TYPE))
  }
  if (streamed !== true) return request.write(whole('200 OK', COMPLETION, JSON_TYPE))
  const events = options === undefined ? CHAT_STREAM : CHAT_STREAM.toSpliced(-1, 0, USAGE)
  return stream(request, events)
}

interface Setup {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  /** Sends the body through the openai package. */
  ask(body: string): Promise<OpenAI.ChatCompletion>
  bytes(body: string): Promise<string>
}

async function withSetup(
  upstream: Json,
  act: (setup: Setup) => Promise<void>,
  script: Script = calling,
): Promise<void> {
  const scripted = await ScriptedUpstream.start(script)
  const relay = await startRelay({
    up: { baseUrl: scripted.url, apiKey: { env: 'UPSTREAM_KEY' }, ...upstream },
  })
  const baseURL = relay.url.replace('/v1', '/cursor/v1')
  const client = new OpenAI({ baseURL, apiKey: relay.key, maxRetries: 0 })
  const ask = async (body: string): Promise<OpenAI.ChatCompletion> => {
    const request = JSON.parse(body)
    const answer = (await client.chat.completions.create(request)) as unknown
    if (request.stream !== true) return answer as OpenAI.ChatCompletion
    const readable = (answer as { toReadableStream(): ReadableStream }).toReadableStream()
    return ChatCompletionStream.fromReadableStream(readable).finalChatCompletion()
  }
  const bytes = async (body: string): Promise<string> => {
    const raw = await relay.client()
    const length = Buffer.byteLength(body)
    raw.send(
      `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${length}\r\n\r\n${body}`,
    )
    const response = await raw.response()
    raw.destroy()
    assert.ok(response.complete)
    return response.body.toString()
  }
  try {
    await act({ relay, upstream: scripted, ask, bytes })
  } finally {
    await relay.close()
    await scripted.close()
  }
}

/** The arguments that the client passes to its tool. */
function patchIn({ choices: [choice] }: OpenAI.ChatCompletion): string {
  assert.is(choice?.message.content, 'hi')
  assert.is(choice?.finish_reason, 'tool_calls')
  const [call, ...others] = choice?.message.tool_calls ?? []
  assert.is(others.length, 0)
  assert.ok(call?.type === 'function' && call.function.name === 'ApplyPatch' && call.id === 'call_P')
  return call.function.arguments
}

/** The input of the call in an upstream request that has no custom tools. */
function callInput(body: Json): unknown {
  for (const { tool_calls: calls, content } of body.messages as Json[]) {
    if (Array.isArray(calls)) return JSON.parse(calls[0].function.arguments).input
    if (Array.isArray(content) && content[0].type === 'tool_use') return content[0].input.input
  }
  return undefined
}

const WAYS: readonly [name: string, shape: Shape, upstream: Json, target: string][] = [
  ['a chat', 'chat', { preset: 'together' }, '/v1/chat/completions'],
  ['a message', 'messages', { preset: 'anthropic' }, '/v1/messages'],
  ['a response that is translated to a chat', 'responses', { preset: 'together' }, '/v1/chat/completions'],
  ['a message that is translated to a chat', 'messages', { preset: 'together' }, '/v1/chat/completions'],
]

for (const [name, shape, upstream, target] of WAYS) {
  for (const streamed of [true, false]) {
    test(`a patch passes unchanged in two turns of ${name} (${streamed ? 'stream' : 'json'})`, () =>
      withSetup(upstream, async ({ upstream: asked, ask }) => {
        const patch = patchIn(await ask(bodyOf(shape, streamed, null)))
        assert.is(patch, PATCH)
        assert.is(patchIn(await ask(bodyOf(shape, streamed, patch))), PATCH)
        const [first, second] = [await asked.request(0), await asked.request(1)]
        assert.equal([first.target, second.target], [target, target])
        assert.is(first.header('accept-encoding'), 'identity')
        assert.is(callInput(sentTo(first)), undefined)
        assert.is(callInput(sentTo(second)), PATCH)
      }))
  }
}

test('a chat response changes only in the arguments of the patch call, chunk by chunk', () =>
  withSetup({ preset: 'together' }, async ({ bytes }) => {
    const got = (await bytes(bodyOf('chat', true, null))).split(/(?<=\n\n)/)
    assert.is(got.length, CHAT_STREAM.length)
    for (const [i, each] of got.entries()) {
      const without = (text: string): string => text.replace(/"arguments":"(?:[^"\\]|\\.)*"/, '')
      assert.is(without(each), without(CHAT_STREAM[i] as string))
    }
    const texts = got.filter((each) => /"arguments":"."/u.test(each) || /"arguments":".{2}/.test(each))
    assert.ok(texts.length > PIECES.length / 2)
    assert.is(
      await bytes(bodyOf('chat', false, null)),
      COMPLETION.replace(JSON.stringify(ARGUMENTS), JSON.stringify(PATCH)),
    )
  }))

test('usage that only the relay asks for is removed from a stream with a patch, and is recorded', () =>
  withSetup({ preset: 'together', requestUsage: true }, async ({ relay, upstream, bytes, ask }) => {
    const got = await bytes(bodyOf('chat', true, null))
    assert.not.match(got, /"usage"/)
    assert.is(got.split('\n\n').length, CHAT_STREAM.length + 1)
    assert.is(patchIn(await ask(bodyOf('responses', true, null))), PATCH)
    for (const i of [0, 1]) {
      assert.equal(sentTo(await upstream.request(i)).stream_options, { include_usage: true })
      assert.is((await relay.records(2))[i]?.prompt_tokens, 12)
    }
  }))

test('each part of a patch reaches the client before the upstream sends the next one', () =>
  withSetup(
    { preset: 'together' },
    async ({ relay, upstream }) => {
      const body = bodyOf('chat', true, null)
      const client = await relay.client()
      client.send(
        `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`,
      )
      const request = await upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(CHAT_STREAM[1] as string)
      await client.sees('"ApplyPatch"')
      await request.chunk(
        chatChunk({ tool_calls: [{ index: 0, function: { arguments: '{"input":"ab\\n' } }] }),
      )
      await client.sees('"arguments":"ab\\n"')
      await request.chunk(chatChunk({ tool_calls: [{ index: 0, function: { arguments: 'c' } }] }))
      await client.sees('"arguments":"c"')
      client.destroy()
      await request.ended()
    },
    () => {},
  ))

test('a chat response with a patch that is compressed against the request passes unchanged', () =>
  withSetup(
    { preset: 'together' },
    async ({ ask }) => assert.is(patchIn(await ask(bodyOf('chat', true, null))), ARGUMENTS),
    (request) =>
      request.write(whole('200 OK', gzipSync(CHAT_STREAM.join('')), SSE, 'content-encoding: gzip')),
  ))

for (const [first, second, wanted] of [
  ['openai', 'together', PATCH],
  ['together', 'openai', ARGUMENTS],
] as const) {
  test(`the response is translated for ${second} if ${first} fails and ${second} responds`, async () => {
    const failing = await ScriptedUpstream.start((request) =>
      request.write(whole('503 Service Unavailable', '{}', JSON_TYPE)),
    )
    const answering = await ScriptedUpstream.start(calling)
    const relay = await startRelay(
      {
        a: { preset: first, baseUrl: failing.url, apiKey: { env: 'UPSTREAM_KEY' } },
        b: { preset: second, baseUrl: answering.url, apiKey: { env: 'UPSTREAM_KEY' } },
      },
      { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] },
    )
    const baseURL = relay.url.replace('/v1', '/cursor/v1')
    const client = new OpenAI({ baseURL, apiKey: relay.key, maxRetries: 0 })
    const answer = await client.chat.completions.create(JSON.parse(bodyOf('chat', false, PATCH)))
    // A function call from an upstream with custom tools is a real function call.
    assert.is(patchIn(answer), wanted)
    const kinds = [await failing.request(0), await answering.request(0)].map((request) => {
      const [tool] = sentTo(request).tools as Json[]
      return tool?.type
    })
    assert.equal(kinds, first === 'openai' ? ['custom', 'function'] : ['function', 'custom'])
    await relay.close()
    await failing.close()
    await answering.close()
  })
}

test.run()

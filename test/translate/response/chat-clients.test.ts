import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ResponseContext, selectTranslation } from '../../../src/translate/response/select.js'
import { named, readChunks } from '../chunks.js'
import { delta, MESSAGES, opened, START, STOP, stopped } from '../messages-streams.js'
import { added, args, call, completed, created, STREAMS, text } from '../responses-streams.js'

interface Answer {
  readonly status?: number
  readonly pieces: readonly string[]
  /** The response breaks off. */
  readonly cut?: boolean
  /** The API that is translated; null if the response passes as it is. */
  readonly from: ResponseContext['from'] | null
}

/** Runs the openai client against a real server that sends the response piece by piece. */
async function ask<T>(answer: Answer, run: (client: OpenAI) => Promise<T>): Promise<T> {
  const { status = 200, pieces, from, cut } = answer
  const eventStream = status === 200
  const server = createServer(async (req, res) => {
    req.resume()
    res.writeHead(status, { 'content-type': eventStream ? 'text/event-stream' : 'application/json' })
    const facts = { status, eventStream, stream: eventStream, includeUsage: true, model: null }
    const translation = from === null ? null : selectTranslation({ ...facts, from })
    for (const piece of pieces) {
      const bytes = Buffer.from(piece)
      res.write(translation?.push(bytes) ?? bytes)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (cut) {
      if (translation !== null) res.write(translation.breakOff())
      setImmediate(() => res.destroy())
    } else res.end(translation?.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    return await run(new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'x', maxRetries: 0 }))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const REQUEST = {
  model: 'gpt-x-test',
  messages: [{ role: 'user' as const, content: 'hi' }],
  stream_options: { include_usage: true },
}

/** The answer as the client itself assembles it. */
async function gathered(client: OpenAI) {
  const answer = await client.chat.completions.stream(REQUEST).finalChatCompletion()
  const [choice] = answer.choices
  return {
    model: answer.model,
    content: choice?.message.content,
    calls: choice?.message.tool_calls?.map((call) => ({ ...call })),
    finish: choice?.finish_reason,
    usage: answer.usage,
  }
}

const chunk = (delta: object, more: object = {}): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'gpt-x-test',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: null }],
    ...more,
  })}\n\n`
const fn = (index: number, made: object, more: object = {}): string =>
  chunk({ tool_calls: [{ index, ...more, function: made }] })

const CHAT = [
  chunk({ role: 'assistant', content: '', refusal: null }),
  chunk({ content: 'naïve ' }),
  chunk({ content: '🦊' }),
  fn(0, { name: 'Shell', arguments: '' }, { id: 'call_1', type: 'function' }),
  fn(0, { arguments: '{"a":' }),
  fn(0, { arguments: '1}' }),
  fn(1, { name: 'Read', arguments: '' }, { id: 'call_2', type: 'function' }),
  fn(1, { arguments: '{}' }),
  chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }),
  chunk({}, { choices: [], usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 } }),
  'data: [DONE]\n\n',
]
const tokens = { input_tokens: 12, output_tokens: 3 }
const RESPONSE = [
  named(created),
  named(text('naïve '), text('🦊')),
  ': keep-alive\n\n',
  named(added(call(1, 'Shell'), 1), args(1, 1, '{"a":')),
  named(added(call(2, 'Read'), 2), args(2, 2, '{}'), args(1, 1, '1}')),
  named(completed({ usage: tokens })),
]
const tool = (index: number, id: string, name: string, input: string) => [
  opened(index, { type: 'tool_use', id, name, input: {} }),
  delta(index, { type: 'input_json_delta', partial_json: input }),
]
const MESSAGE = [
  named({ ...START, message: { ...(START.message as object), model: 'gpt-x-test', usage: tokens } }),
  named({ type: 'ping' }, delta(0, { type: 'text_delta', text: 'naïve ' })),
  named(delta(0, { type: 'text_delta', text: '🦊' }), ...tool(1, 'call_1', 'Shell', '{"a":1}')),
  named(...tool(2, 'call_2', 'Read', '{}'), stopped('tool_use', { output_tokens: 3 })),
  named(STOP),
]

test('the openai client reads the same answer from each translated API as from chat completions', async () => {
  const native = await ask({ pieces: CHAT, from: null }, gathered)
  assert.is(native.calls?.length, 2)
  assert.equal(await ask({ pieces: RESPONSE, from: 'responses' }, gathered), native)
  assert.equal(await ask({ pieces: MESSAGE, from: 'messages' }, gathered), native)
})

test('the openai client reads a long translated stream to its end', async () => {
  const [, events] = STREAMS[1] as (typeof STREAMS)[number]
  const answer = await ask({ pieces: events.map((event) => named(event)), from: 'responses' }, gathered)
  assert.is(answer.content, 'naïve 🦊 "\\\n\u0007')
  assert.is(answer.calls?.length, 3)
  assert.is(answer.usage?.prompt_tokens_details?.cached_tokens, 4)
})

for (const [from, pieces] of [
  ['responses', RESPONSE],
  ['messages', MESSAGE],
] as const) {
  const begun = pieces.slice(0, 3)

  test(`the openai client throws an error in a translated stream: ${from}`, async () => {
    const error = named({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
    const failure = await ask({ pieces: [...begun, error], from }, async (client) => {
      const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
      try {
        for await (const _ of stream);
      } catch (error) {
        return error as InstanceType<typeof OpenAI.APIError>
      }
      return null
    })
    assert.is(failure?.type, 'overloaded_error')
    assert.match(failure?.message ?? '', 'Overloaded')
  })

  test(`the openai client fails when a translated stream breaks off or ends early: ${from}`, async () => {
    for (const cut of [true, false]) {
      const failure = await ask({ pieces: begun, from, cut }, (client) =>
        gathered(client).then(
          () => null,
          (error: Error) => error,
        ),
      )
      assert.ok(failure !== null, cut ? 'cut' : 'ended')
    }
  })
}

test('the openai client reads a translated error response of each API', async () => {
  for (const [from, body] of [
    ['messages', { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }],
    ['responses', [{ error: { code: 529, message: 'Overloaded', status: 'UNAVAILABLE' } }]],
  ] as const) {
    const pieces = [JSON.stringify(body)]
    const failure = await ask({ status: 529, pieces, from }, (client) =>
      client.chat.completions.create(REQUEST).catch((error) => error as InstanceType<typeof OpenAI.APIError>),
    )
    assert.is((failure as InstanceType<typeof OpenAI.APIError>).message, '529 Overloaded')
  }
})

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0

/** As strict as Zed's types: no lines other than data and comments. @returns the number of events */
function readAsZed(stream: string): number {
  let events = 0
  for (const line of stream.split('\n')) {
    if (line === '' || line.startsWith(':')) continue
    assert.ok(line.startsWith('data:'), line)
    const data = line.slice('data:'.length).trimStart()
    if (data === '[DONE]') continue
    events++
    const { choices, usage, error } = JSON.parse(data)
    if (error !== undefined) {
      assert.type(error.message, 'string')
      continue
    }
    if (usage !== undefined && usage !== null)
      for (const name of ['prompt_tokens', 'completion_tokens', 'total_tokens'])
        assert.ok(isCount(usage[name]), data)
    assert.ok(Array.isArray(choices), data)
    for (const { index, delta, finish_reason: reason } of choices) {
      assert.ok(isCount(index), data)
      assert.type(delta, 'object')
      assert.ok(reason === null || typeof reason === 'string', data)
      if (delta.role !== undefined) assert.is(delta.role, 'assistant')
      if (delta.content !== undefined) assert.type(delta.content, 'string')
      for (const call of delta.tool_calls ?? []) assert.ok(isCount(call.index), data)
    }
  }
  return events
}

/** As Continue's old parser: line by line, and a comment that looks like a ping ends the input. */
function readAsContinue(stream: string): number {
  let events = 0
  for (const line of stream.split('\n')) {
    if (line.startsWith(': ping')) return events
    if (!line.startsWith('data:')) continue
    const data = line.slice('data:'.length).trim()
    if (data.startsWith('[DONE]')) return events
    JSON.parse(data)
    events++
  }
  return events
}

test("a strict reader as Zed's and a simple one as Continue's read each translated stream to its end", () => {
  for (const [from, streams] of [
    ['responses', STREAMS],
    ['messages', MESSAGES],
  ] as const) {
    for (const [name, events] of streams) {
      const facts = { from, status: 200, eventStream: true, stream: true, includeUsage: true, model: null }
      const translation = selectTranslation(facts)
      if (translation === null) throw new Error('the response has to be translated')
      const written = `${translation.push(Buffer.from(`: ping\n\n${named(...events)}`))}${translation.end()}`
      const chunks = readChunks(written).chunks.filter((chunk) => typeof chunk !== 'string')
      assert.is(readAsZed(written), chunks.length, name)
      assert.is(readAsContinue(written), chunks.length, name)
    }
  }
})

test.run()

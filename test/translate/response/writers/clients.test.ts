import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../../src/api/apis.js'
import { formatError } from '../../../../src/translate/response/error-bodies.js'
import { create, ERROR, perform, type Step, USAGE } from './steps.js'

// The official clients read what the writers write, over real sockets.

const CALLS: Step[] = [
  { do: 'begin', id: 'id-1', created: 1_700_000_000 },
  { do: 'keepAlive' },
  { do: 'reasoning', text: 'Let me ' },
  { do: 'reasoning', text: 'see.' },
  { do: 'comment' },
  { do: 'content', text: 'Grüß ' },
  { do: 'content', text: 'Gott 🦊' },
  { do: 'open', id: 'call_a', name: 'get_weather', isCustom: false },
  { do: 'open', id: 'call_b', name: 'get_time', isCustom: false },
  { do: 'args', index: 1, text: '{"zone":' },
  { do: 'args', index: 0, text: '{"city":' },
  { do: 'keepAlive' },
  { do: 'args', index: 0, text: '"Wien"}' },
  { do: 'args', index: 1, text: '"CET"}' },
]
const FINISH: Step = { do: 'finish', reason: 'tool_calls', hasUsage: true }

/** Serves what the writer writes, step by step. */
async function serve<T>(
  reads: BodyApi,
  steps: readonly Step[],
  run: (origin: string) => Promise<T>,
  status = 200,
): Promise<T> {
  const server: Server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', async () => {
      const { stream = false } = JSON.parse(Buffer.concat(chunks).toString())
      res.writeHead(status, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
      if (status !== 200) {
        res.end(formatError(ERROR, reads, status))
        return
      }
      const writer = create({ reads, stream })
      for (const step of steps) {
        const bytes = perform(writer, [step])
        if (bytes !== '') res.write(bytes)
        await new Promise((resolve) => setImmediate(resolve))
      }
      res.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const openai = (origin: string): OpenAI => new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'x', maxRetries: 0 })
const anthropic = (origin: string): Anthropic =>
  new Anthropic({ baseURL: origin, apiKey: 'x', authToken: null, maxRetries: 0 })

const CHAT = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] }
const RESPONSE = { model: 'm', input: 'hi' }
const MESSAGE = { model: 'm', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] }

const ARGUMENTS = ['{"city":"Wien"}', '{"zone":"CET"}']

test('the openai client reads a streamed and a whole chat completion with tool calls', async () => {
  await serve('chat', [...CALLS, FINISH], async (origin) => {
    const { completions } = openai(origin).chat
    const streamed = await completions.stream(CHAT).finalChatCompletion()
    for (const answer of [streamed, await completions.create(CHAT)]) {
      const [choice] = answer.choices
      assert.is(answer.id, 'id-1')
      assert.is(choice?.message.content, 'Grüß Gott 🦊')
      assert.is(choice?.finish_reason, 'tool_calls')
      const calls = choice?.message.tool_calls?.map((call) => call.type === 'function' && call.function)
      assert.equal(
        calls?.map((call) => call && [call.name, call.arguments]),
        [
          ['get_weather', ARGUMENTS[0]],
          ['get_time', ARGUMENTS[1]],
        ],
      )
      assert.equal(answer.usage, USAGE)
    }
  })
})

test('the openai client gathers from the events of a response what its last event has, and the whole body', async () => {
  const custom: Step[] = [
    { do: 'open', id: 'call_c', name: 'apply_patch', isCustom: true },
    { do: 'args', index: 2, text: '*** Begin' },
    { do: 'args', index: 2, text: ' Patch\n"x"' },
    { do: 'refusal', text: 'No more.' },
  ]
  await serve('responses', [...CALLS, ...custom, FINISH], async (origin) => {
    const { responses } = openai(origin)
    const types: string[] = []
    let last: unknown
    const stream = responses.stream(RESPONSE).on('event', (event) => {
      types.push(event.type)
      if (event.type === 'response.completed') last = event.response.output
    })
    const streamed = await stream.finalResponse()
    assert.is(types[0], 'response.created')
    assert.is(types.at(-1), 'response.completed')
    const whole = await responses.create(RESPONSE)
    for (const answer of [streamed, whole]) {
      assert.is(answer.output_text, 'Grüß Gott 🦊')
      assert.is(answer.status, 'completed')
      assert.is(answer.id, 'id-1')
      const plain = answer.output.map((item) => {
        if (item.type === 'reasoning') return item.summary[0]?.text
        if (item.type === 'function_call') return [item.call_id, item.name, item.arguments]
        if (item.type === 'custom_tool_call') return [item.call_id, item.name, item.input]
        if (item.type !== 'message') return item.type
        const [part] = item.content
        return part?.type === 'refusal' ? part.refusal : part?.text
      })
      assert.equal(plain, [
        'Let me see.',
        'Grüß Gott 🦊',
        ['call_a', 'get_weather', ARGUMENTS[0]],
        ['call_b', 'get_time', ARGUMENTS[1]],
        ['call_c', 'apply_patch', '*** Begin Patch\n"x"'],
        'No more.',
      ])
      assert.equal(answer.usage, {
        input_tokens: 100,
        input_tokens_details: { cached_tokens: 30, cache_write_tokens: 0 },
        output_tokens: 20,
        output_tokens_details: { reasoning_tokens: 7 },
        total_tokens: 120,
      })
    }
    // The parser of the client adds members of its own to what it has gathered.
    const gathered = (items: readonly unknown[]): unknown =>
      JSON.parse(JSON.stringify(items), (key, value) => (key.startsWith('parsed') ? undefined : value))
    assert.equal(gathered(streamed.output), gathered(last as unknown[]))
  })
})

test('the openai client reads responses that ended too early', async () => {
  for (const [reason, told] of [
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ] as const) {
    const steps: Step[] = [
      { do: 'content', text: 'So' },
      { do: 'finish', reason, hasUsage: false },
    ]
    await serve('responses', steps, async (origin) => {
      for (const answer of [
        await openai(origin).responses.stream(RESPONSE).finalResponse(),
        await openai(origin).responses.create(RESPONSE),
      ]) {
        assert.is(answer.status, 'incomplete')
        assert.is(answer.incomplete_details?.reason, told)
        assert.is(answer.output_text, 'So')
        const [item] = answer.output
        assert.is(item?.type === 'message' && item.status, 'incomplete')
      }
    })
  }
})

test("Anthropic's client reads a streamed and a whole message with tool calls", async () => {
  await serve('messages', [...CALLS, FINISH], async (origin) => {
    const { messages } = anthropic(origin)
    const streamed = await messages.stream(MESSAGE).finalMessage()
    for (const answer of [streamed, await messages.create(MESSAGE)]) {
      assert.is(answer.id, 'id-1')
      assert.is(answer.stop_reason, 'tool_use')
      assert.equal(JSON.parse(JSON.stringify(answer.content)), [
        { type: 'thinking', thinking: 'Let me see.', signature: '' },
        { type: 'text', text: 'Grüß Gott 🦊' },
        { type: 'tool_use', id: 'call_a', name: 'get_weather', input: { city: 'Wien' } },
        { type: 'tool_use', id: 'call_b', name: 'get_time', input: { zone: 'CET' } },
      ])
      const { input_tokens, cache_read_input_tokens, output_tokens } = answer.usage
      assert.equal([input_tokens, cache_read_input_tokens, output_tokens], [70, 30, 20])
    }
  })
})

test("Anthropic's client reads each stop reason", async () => {
  for (const [reason, told] of [
    ['stop', 'end_turn'],
    ['length', 'max_tokens'],
    ['content_filter', 'refusal'],
  ] as const) {
    const steps: Step[] = [
      { do: 'content', text: 'So' },
      { do: 'finish', reason, hasUsage: false },
    ]
    await serve('messages', steps, async (origin) => {
      const { messages } = anthropic(origin)
      assert.is((await messages.stream(MESSAGE).finalMessage()).stop_reason, told)
      assert.is((await messages.create(MESSAGE)).stop_reason, told)
    })
  }
})

test('the numbers of a whole tool input keep their digits', () => {
  const input = '{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}'
  const steps: Step[] = [
    { do: 'open', id: 'a', name: 'f', isCustom: false },
    { do: 'args', index: 0, text: input },
    FINISH,
  ]
  assert.match(perform(create({ reads: 'messages', stream: false }), steps), `"input":${input}}`)
})

test('the clients throw the error of a stream, whatever came before it', async () => {
  for (const steps of [[{ do: 'fail' }], [...CALLS, { do: 'fail' }]] as Step[][]) {
    const failures: unknown[] = []
    const note = (error: unknown): void => void failures.push(error)
    await serve('chat', steps, (origin) =>
      openai(origin).chat.completions.stream(CHAT).finalChatCompletion().then(note, note),
    )
    await serve('responses', steps, (origin) =>
      openai(origin).responses.stream(RESPONSE).finalResponse().then(note, note),
    )
    await serve('messages', steps, (origin) =>
      anthropic(origin).messages.stream(MESSAGE).finalMessage().then(note, note),
    )
    assert.is(failures.length, 3)
    for (const failure of failures) assert.match(String((failure as Error).message), 'It broke.')
  }
})

test('a client that knows no error event finds the error in the last event of a response', async () => {
  const text = perform(create({ reads: 'responses' }), [...CALLS, { do: 'fail' }])
  const last = text.trimEnd().split('\n\n').at(-1) ?? ''
  assert.ok(last.startsWith('event: response.failed\n'))
  const { response } = JSON.parse(last.slice(last.indexOf('data: ') + 6))
  assert.equal(response.error, { code: 'broken', message: 'It broke.' })
})

test('the clients throw the error of a whole response, with its status', async () => {
  for (const [status, type] of [
    [400, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [529, 'overloaded_error'],
    [500, 'api_error'],
  ] as const) {
    const failed = (error: { status: number }) => error
    const chat = await serve(
      'chat',
      [],
      (origin) => openai(origin).chat.completions.create(CHAT).catch(failed),
      status,
    )
    assert.is((chat as InstanceType<typeof OpenAI.APIError>).code, 'broken')
    const message = await serve(
      'messages',
      [],
      (origin) => anthropic(origin).messages.create(MESSAGE).catch(failed),
      status,
    )
    for (const error of [chat, message] as { status: number; message: string }[]) {
      assert.is(error.status, status)
      assert.match(error.message, 'It broke.')
    }
    assert.is((message as InstanceType<typeof Anthropic.APIError>).type, type)
  }
})

test.run()

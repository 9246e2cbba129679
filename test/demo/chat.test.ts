import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Demo, startDemo } from '../../src/demo/server.js'
import { parseAll, sendJson, sendStream, WEATHER_SCHEMA, weatherArguments } from './wire.js'

let demo: Demo
let client: OpenAI
let url: string

const messages = [{ role: 'user' as const, content: 'What is a relay?' }]
const weather = {
  type: 'function' as const,
  function: { name: 'get_weather', parameters: WEATHER_SCHEMA },
}
const asking = [{ role: 'user' as const, content: 'get_weather in Graz' }]

test.before(async () => {
  demo = await startDemo({ paceMs: 0 })
  client = new OpenAI({ apiKey: 'any', baseURL: `${demo.origin}/v1`, maxRetries: 0 })
  url = `${demo.origin}/v1/chat/completions`
})
test.after(() => demo.close())

test('a chat completion has the text, the requested model and the usage', async () => {
  const completion = await client.chat.completions.create({ model: 'any-name/at-all', messages })
  assert.is(completion.object, 'chat.completion')
  assert.is(completion.model, 'any-name/at-all')
  assert.match(completion.id, /^chatcmpl-/)
  const choice = completion.choices[0]
  assert.is(choice?.message.role, 'assistant')
  assert.ok(choice?.message.content?.includes('What is a relay?'))
  assert.is(choice?.message.tool_calls, undefined)
  assert.is(choice?.finish_reason, 'stop')
  assert.is(completion.usage?.prompt_tokens, 4)
  assert.is(completion.usage?.total_tokens, 4 + (completion.usage?.completion_tokens ?? 0))
})

test('a chat stream has the role, the content, the finish reason and [DONE], in this order', async () => {
  const events = await sendStream(url, { model: 'm', messages })
  assert.ok(events.every((event) => event.name === null))
  assert.is(events.at(-1)?.data, '[DONE]')
  const chunks = parseAll(events.slice(0, -1))
  assert.equal(chunks[0].choices, [
    {
      index: 0,
      delta: { role: 'assistant', content: '', refusal: null },
      logprobs: null,
      finish_reason: null,
    },
  ])
  for (const chunk of chunks.slice(1, -1)) {
    assert.equal(Object.keys(chunk.choices[0].delta), ['content'])
    assert.is(chunk.choices[0].finish_reason, null)
  }
  assert.equal(chunks.at(-1).choices, [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }])
  for (const chunk of chunks) {
    assert.is(chunk.object, 'chat.completion.chunk')
    assert.is(chunk.id, chunks[0].id)
    assert.is(chunk.created, chunks[0].created)
    assert.is(chunk.model, 'm')
    assert.not.ok('usage' in chunk)
  }
})

test('with include_usage every chunk has a usage of null, and one more at the end has the usage and no choices', async () => {
  const events = await sendStream(url, { model: 'm', messages, stream_options: { include_usage: true } })
  assert.is(events.at(-1)?.data, '[DONE]')
  const chunks = parseAll(events.slice(0, -1))
  const last = chunks.pop()
  assert.equal(last.choices, [])
  assert.is(last.usage.completion_tokens, chunks.length - 2)
  assert.ok(chunks.every((chunk) => chunk.usage === null))
})

test('the text is the same with and without a stream', async () => {
  const whole = await client.chat.completions.create({ model: 'm', messages })
  const stream = client.chat.completions.stream({ model: 'm', messages })
  assert.is(await stream.finalContent(), whole.choices[0]?.message.content)
})

test('max_tokens and max_completion_tokens cut the answer with finish_reason length', async () => {
  for (const limit of [{ max_tokens: 5 }, { max_completion_tokens: 5 }]) {
    const completion = await client.chat.completions.create({ model: 'm', messages, ...limit })
    assert.is(completion.choices[0]?.finish_reason, 'length')
    assert.is(completion.usage?.completion_tokens, 5)
    const chunks = parseAll((await sendStream(url, { model: 'm', messages, ...limit })).slice(0, -1))
    assert.is(chunks.at(-1).choices[0].finish_reason, 'length')
    assert.is(chunks.length, 7)
  }
})

test('a stop sequence ends the answer with finish_reason stop', async () => {
  const completion = await client.chat.completions.create({ model: 'm', messages, stop: ['This'] })
  assert.is(completion.choices[0]?.message.content, 'Hello! 👋 ')
  assert.is(completion.choices[0]?.finish_reason, 'stop')
})

test('a tool that the user names is called with arguments that fit its schema', async () => {
  const completion = await client.chat.completions.create({ model: 'm', messages: asking, tools: [weather] })
  const choice = completion.choices[0]
  assert.is(choice?.finish_reason, 'tool_calls')
  assert.is(choice?.message.content, null)
  const call = choice?.message.tool_calls?.[0]
  if (call?.type !== 'function') return assert.unreachable('no tool call')
  assert.match(call.id, /^call_/)
  assert.is(call.function.name, 'get_weather')
  assert.equal(JSON.parse(call.function.arguments), weatherArguments('get_weather in Graz'))
})

test('a streamed tool call names itself once and then sends only fragments of its arguments', async () => {
  const events = await sendStream(url, { model: 'm', messages: asking, tools: [weather] })
  const deltas = parseAll(events.slice(0, -1)).map((chunk) => chunk.choices[0].delta)
  assert.equal(deltas[0], { role: 'assistant', content: null, refusal: null })
  const first = deltas[1].tool_calls[0]
  assert.match(first.id, /^call_/)
  assert.equal(
    { ...first, id: '' },
    { index: 0, id: '', type: 'function', function: { name: 'get_weather', arguments: '' } },
  )
  const fragments = deltas.slice(2, -1).map((delta) => {
    assert.equal(Object.keys(delta.tool_calls[0]), ['index', 'function'])
    assert.equal(Object.keys(delta.tool_calls[0].function), ['arguments'])
    return delta.tool_calls[0].function.arguments
  })
  assert.ok(fragments.length > 3)
  assert.equal(JSON.parse(fragments.join('')), weatherArguments('get_weather in Graz'))
  const stream = client.chat.completions.stream({ model: 'm', messages: asking, tools: [weather] })
  const final = await stream.finalChatCompletion()
  assert.is(final.choices[0]?.finish_reason, 'tool_calls')
})

test('a tool round of the official client ends', async () => {
  const cities: string[] = []
  const runner = client.chat.completions.runTools({
    model: 'm',
    stream: true,
    messages: asking,
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          description: 'the weather',
          parameters: WEATHER_SCHEMA,
          parse: JSON.parse,
          function: (input: { city: string }) => {
            cities.push(input.city)
            return 'sunny ☀️'
          },
        },
      },
    ],
  })
  assert.ok((await runner.finalContent())?.includes('“sunny ☀️”'))
  assert.equal(cities, ['get_weather in Graz'])
})

test('tools in the other formats that Cursor mixes in are understood', async () => {
  const completion = await sendJson(url, {
    model: 'm',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'list' }] }],
    tools: [
      { type: 'custom', name: 'ApplyPatch', format: { type: 'grammar', syntax: 'lark', definition: 'x' } },
      {
        type: 'function',
        name: 'Shell',
        parameters: { type: 'object', properties: { n: { type: 'number' } } },
      },
    ],
    tool_choice: 'required',
  })
  assert.equal(completion.choices[0].message.tool_calls[0].function, { name: 'Shell', arguments: '{"n":1}' })
})

test('a request without messages, with too many choices or with a wrong limit is refused, and the field is named', async () => {
  const cases: readonly (readonly [object, string, string | RegExp])[] = [
    [{ model: 'm' }, 'messages', /^Missing required parameter: 'messages'\.$/],
    [{}, 'messages', /'messages'/],
    [{ messages }, 'model', /'model'/],
    [{ model: 'm', messages: [] }, 'messages', /at least one/],
    [{ model: 'm', messages: 'hi' }, 'messages', /array/],
    [{ model: 'm', messages, n: 2 }, 'n', /expected 1/],
    [{ model: 'm', messages, max_tokens: 0 }, 'max_tokens', /at least 1/],
    [{ model: 'm', messages, stream: true, max_tokens: 'x' }, 'max_tokens', /whole number/],
  ]
  for (const [body, param, text] of cases) {
    const { error } = await sendJson(url, body)
    assert.equal(Object.keys(error), ['message', 'type', 'param', 'code'])
    assert.is(error.type, 'invalid_request_error')
    assert.is(error.param, param)
    assert.match(error.message, text)
  }
})

test.run()

import Anthropic from '@anthropic-ai/sdk'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Demo, startDemo } from '../../src/demo/server.js'
import { parseAll, send, sendJson, sendStream, WEATHER_SCHEMA, weatherArguments } from './wire.js'

let demo: Demo
let client: Anthropic
let url: string

const messages = [{ role: 'user' as const, content: 'What is a relay?' }]
const weather = { name: 'get_weather', input_schema: WEATHER_SCHEMA }
const asking = [{ role: 'user' as const, content: 'get_weather in Graz' }]

test.before(async () => {
  demo = await startDemo({ paceMs: 0 })
  client = new Anthropic({ apiKey: 'any', baseURL: demo.origin, maxRetries: 0 })
  url = `${demo.origin}/v1/messages`
})
test.after(() => demo.close())

test('a message has the text, the requested model and the usage', async () => {
  const message = await client.messages.create({ model: 'any', max_tokens: 1000, messages })
  assert.is(message.type, 'message')
  assert.is(message.role, 'assistant')
  assert.is(message.model, 'any')
  assert.match(message.id, /^msg_/)
  assert.is(message.stop_reason, 'end_turn')
  assert.is(message.stop_sequence, null)
  assert.is(message.usage.input_tokens, 4)
  assert.is(message.content.length, 1)
  const block = message.content[0]
  assert.ok(block?.type === 'text' && block.text.includes('What is a relay?'))
})

test('a message stream has every event in order, each with its name', async () => {
  const events = await sendStream(`${url}?beta=true`, { model: 'm', max_tokens: 1000, messages })
  const data = parseAll(events)
  assert.equal(
    events.map((event) => event.name),
    data.map((event) => event.type),
  )
  const deltas = data.filter((event) => event.type === 'content_block_delta')
  assert.equal(
    data.map((event) => event.type),
    [
      'message_start',
      'content_block_start',
      'ping',
      ...deltas.map(() => 'content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ],
  )
  const { message } = data[0]
  assert.equal(message.content, [])
  assert.is(message.stop_reason, null)
  assert.is(message.usage.input_tokens, 4)
  assert.is(message.usage.output_tokens, 1)
  assert.equal(data[1].content_block, { type: 'text', text: '' })
  const ended = data.at(-2)
  assert.equal(ended.delta, { stop_reason: 'end_turn', stop_sequence: null })
  assert.is(ended.usage.output_tokens, deltas.length)
})

test('the official client assembles a message stream', async () => {
  const whole = await client.messages.create({ model: 'm', max_tokens: 1000, messages })
  const streamed = await client.messages.stream({ model: 'm', max_tokens: 1000, messages }).finalMessage()
  assert.equal(
    streamed.content.map((block) => block.type === 'text' && block.text),
    whole.content.map((block) => block.type === 'text' && block.text),
  )
  assert.is(streamed.usage.output_tokens, whole.usage.output_tokens)
})

test('max_tokens and stop sequences end the message and are named', async () => {
  const cut = await client.messages.create({ model: 'm', max_tokens: 3, messages })
  assert.is(cut.stop_reason, 'max_tokens')
  assert.is(cut.usage.output_tokens, 3)
  const body = { model: 'm', max_tokens: 1000, messages, stop_sequences: ['demo'] }
  const stopped = await client.messages.stream(body).finalMessage()
  assert.is(stopped.stop_reason, 'stop_sequence')
  assert.is(stopped.stop_sequence, 'demo')
})

test('a tool call starts with an empty input and sends it in fragments', async () => {
  const body = { model: 'm', max_tokens: 1000, messages: asking, tools: [weather] }
  const data = parseAll(await sendStream(url, body))
  const { content_block } = data[1]
  assert.match(content_block.id, /^toolu_/)
  assert.equal({ ...content_block, id: '' }, { type: 'tool_use', id: '', name: 'get_weather', input: {} })
  const fragments = data
    .filter((event) => event.type === 'content_block_delta')
    .map((event) => {
      assert.is(event.delta.type, 'input_json_delta')
      return event.delta.partial_json
    })
  assert.ok(fragments.length > 3)
  assert.equal(JSON.parse(fragments.join('')), weatherArguments('get_weather in Graz'))
  assert.is(data.at(-2).delta.stop_reason, 'tool_use')
})

test('the official client reads a tool call, streamed or not, and sends its result back', async () => {
  const body = {
    model: 'm',
    max_tokens: 1000,
    messages,
    tools: [weather],
    tool_choice: { type: 'any' as const },
  }
  const streamed = await client.messages.stream(body).finalMessage()
  const whole = await client.messages.create(body)
  for (const message of [streamed, whole]) {
    assert.is(message.stop_reason, 'tool_use')
    const block = message.content[0]
    if (block?.type !== 'tool_use') return assert.unreachable('no tool call')
    assert.equal(block.input, weatherArguments('What is a relay?'))
  }
  const next = await client.messages.create({
    ...body,
    messages: [
      ...messages,
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: {} }] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'rain' }] },
          { type: 'text', text: '<system-reminder>get_weather</system-reminder>' },
        ],
      },
    ],
  })
  assert.is(next.stop_reason, 'end_turn')
  assert.ok(next.content[0]?.type === 'text' && next.content[0].text.includes('“rain”'))
})

test('a tool call that max_tokens cuts is still a readable message', async () => {
  const body = { model: 'm', max_tokens: 2, messages: asking, tools: [weather] }
  const message = await client.messages.create(body)
  assert.is(message.stop_reason, 'max_tokens')
  assert.ok(message.content[0]?.type === 'tool_use')
})

test('tokens are counted as the usage counts them', async () => {
  const body = { model: 'm', system: 'Be brief.', messages, tools: [weather] }
  const { input_tokens } = await client.messages.countTokens(body)
  const message = await client.messages.create({ ...body, max_tokens: 1 })
  assert.is(message.usage.input_tokens, input_tokens)
  assert.ok(input_tokens > 7)
})

test('a request without max_tokens or messages is refused in the format of this API', async () => {
  const response = await send(url, 'POST', { model: 'm', messages })
  assert.is(response.status, 400)
  assert.equal(JSON.parse(response.text), {
    type: 'error',
    error: { type: 'invalid_request_error', message: 'max_tokens: Field required' },
    request_id: response.headers['request-id'],
  })
  assert.is((await sendJson(url, { model: 'm', max_tokens: 1 })).error.message, 'messages: Field required')
  assert.is((await sendJson(url, '{"model":')).error.type, 'invalid_request_error')
})

test('the error model and unknown paths respond in the format of this API', async () => {
  try {
    await client.messages.create({ model: 'thinwire-demo-error', max_tokens: 1, messages })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, Anthropic.RateLimitError)
    assert.match((error as Error).message, /Rate limit reached/)
  }
  const response = await send(`${url}/batches`, 'GET')
  assert.is(response.status, 404)
  assert.is(JSON.parse(response.text).error.type, 'not_found_error')
})

test('the model list has the fields of both APIs for a client of this one', async () => {
  const page = await client.models.list()
  assert.equal(
    page.data.map((model) => model.id),
    ['thinwire-demo', 'thinwire-demo-tools'],
  )
  assert.is(page.has_more, false)
  assert.is(page.first_id, 'thinwire-demo')
  assert.is(page.last_id, 'thinwire-demo-tools')
  const model = await client.models.retrieve('any/name')
  assert.is(model.id, 'any/name')
  assert.is(model.type, 'model')
  assert.is(model.display_name, 'any/name')
  assert.is(model.created_at, '2026-01-01T00:00:00.000Z')
})

test.run()

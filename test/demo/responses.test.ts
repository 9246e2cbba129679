import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Demo, startDemo } from '../../src/demo/server.js'
import { parseAll, sendJson, sendStream, WEATHER_SCHEMA, weatherArguments } from './wire.js'

let demo: Demo
let client: OpenAI
let url: string

const weather = {
  type: 'function' as const,
  name: 'get_weather',
  parameters: WEATHER_SCHEMA,
  strict: false,
}

test.before(async () => {
  demo = await startDemo({ paceMs: 0 })
  client = new OpenAI({ apiKey: 'any', baseURL: `${demo.origin}/v1`, maxRetries: 0 })
  url = `${demo.origin}/v1/responses`
})
test.after(() => demo.close())

test('a response has the text, the settings of the request, and the usage', async () => {
  const response = await client.responses.create({
    model: 'any',
    input: 'What is a relay?',
    instructions: 'Be brief.',
    metadata: { a: 'b' },
  })
  assert.is(response.object, 'response')
  assert.is(response.status, 'completed')
  assert.is(response.model, 'any')
  assert.is(response.instructions, 'Be brief.')
  assert.equal(response.metadata, { a: 'b' })
  assert.match(response.id, /^resp_/)
  assert.ok(response.output_text.includes('What is a relay?'))
  assert.is(response.usage?.input_tokens, 4 + 3)
  assert.is(response.usage?.total_tokens, 7 + (response.usage?.output_tokens ?? 0))
})

test('a response stream has every event in order, numbered, and no [DONE]', async () => {
  const events = await sendStream(url, { model: 'm', input: [{ role: 'user', content: 'hi' }] })
  const data = parseAll(events)
  assert.equal(
    events.map((event) => event.name),
    data.map((event) => event.type),
  )
  assert.equal(
    data.map((event) => event.sequence_number),
    data.map((_, index) => index),
  )
  const deltas = data.filter((event) => event.type === 'response.output_text.delta')
  assert.equal(
    data.map((event) => event.type),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...deltas.map(() => 'response.output_text.delta'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ],
  )
  const text = deltas.map((event) => event.delta).join('')
  const item = data[2].item
  assert.equal(item.content, [])
  assert.ok(deltas.every((event) => event.item_id === item.id && event.output_index === 0))
  assert.is(data.find((event) => event.type === 'response.output_text.done').text, text)
  assert.is(data.find((event) => event.type === 'response.content_part.done').part.text, text)
  const { response } = data.at(-1)
  assert.is(data[0].response.usage, null)
  assert.is(response.id, data[0].response.id)
  assert.is(response.output[0].id, item.id)
  assert.is(response.output[0].content[0].text, text)
  assert.is(response.usage.output_tokens, deltas.length)
})

test('the official client assembles a response stream', async () => {
  const stream = client.responses.stream({ model: 'm', input: 'hi' })
  const response = await stream.finalResponse()
  const whole = await client.responses.create({ model: 'm', input: 'hi' })
  assert.is(response.output_text, whole.output_text)
})

test('max_output_tokens makes the response incomplete', async () => {
  const response = await client.responses.create({ model: 'm', input: 'hi', max_output_tokens: 3 })
  assert.is(response.status, 'incomplete')
  assert.equal(response.incomplete_details, { reason: 'max_output_tokens' })
  assert.is(response.usage?.output_tokens, 3)
  const data = parseAll(await sendStream(url, { model: 'm', input: 'hi', max_output_tokens: 3 }))
  assert.is(data.at(-1).type, 'response.incomplete')
  assert.is(data.at(-1).response.output[0].status, 'incomplete')
})

test('a tool call is one item with its arguments in fragments', async () => {
  const body = { model: 'm', input: 'get_weather in Graz', tools: [weather] }
  const data = parseAll(await sendStream(url, body))
  const fragments = data.filter((event) => event.type === 'response.function_call_arguments.delta')
  assert.ok(fragments.length > 3)
  assert.equal(
    data.map((event) => event.type),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      ...fragments.map(() => 'response.function_call_arguments.delta'),
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ],
  )
  const added = data[2].item
  assert.is(added.type, 'function_call')
  assert.is(added.arguments, '')
  assert.match(added.call_id, /^call_/)
  const whole = fragments.map((event) => event.delta).join('')
  assert.equal(JSON.parse(whole), weatherArguments('get_weather in Graz'))
  assert.equal(data.at(-1).response.output, [{ ...added, status: 'completed', arguments: whole }])
})

test('the official client reads a tool call and sends its result back', async () => {
  const stream = client.responses.stream({
    model: 'm',
    input: 'hello',
    tools: [weather],
    tool_choice: { type: 'function', name: 'get_weather' },
  })
  const call = (await stream.finalResponse()).output[0]
  if (call?.type !== 'function_call') return assert.unreachable('no tool call')
  assert.is(JSON.parse(call.arguments).city, 'hello')
  const next = await client.responses.create({
    model: 'm',
    tools: [weather],
    input: [
      { role: 'user', content: 'get_weather' },
      { type: 'function_call', call_id: call.call_id, name: call.name, arguments: call.arguments },
      { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
    ],
  })
  assert.ok(next.output_text.includes('“rain”'))
})

test('a request without input is refused', async () => {
  const { error } = await sendJson(url, { model: 'm', messages: [] })
  assert.is(error.message, "Missing required parameter: 'input'.")
  assert.is(error.param, 'input')
  assert.is(error.type, 'invalid_request_error')
  assert.is((await sendJson(url, { model: 'm', input: [] })).error.param, 'input')
})

test.run()

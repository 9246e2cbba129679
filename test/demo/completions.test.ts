import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Demo, startDemo } from '../../src/demo/server.js'
import { parseAll, sendJson, sendStream } from './wire.js'

let demo: Demo
let client: OpenAI
let url: string

test.before(async () => {
  demo = await startDemo({ paceMs: 0 })
  client = new OpenAI({ apiKey: 'any', baseURL: `${demo.origin}/v1`, maxRetries: 0 })
  url = `${demo.origin}/v1/completions`
})
test.after(() => demo.close())

test('a completion continues the prompt', async () => {
  const completion = await client.completions.create({ model: 'any', prompt: 'Once upon a time' })
  assert.is(completion.object, 'text_completion')
  assert.is(completion.model, 'any')
  assert.match(completion.id, /^cmpl-/)
  const choice = completion.choices[0]
  assert.match(choice?.text ?? '', /^ and so it goes on/)
  assert.is(choice?.finish_reason, 'stop')
  assert.is(completion.usage?.prompt_tokens, 4)
})

test('a completion stream has texts, the finish reason, the usage if requested, and [DONE]', async () => {
  const body = { model: 'm', prompt: ['Once'], stream_options: { include_usage: true } }
  const events = await sendStream(url, body)
  assert.is(events.at(-1)?.data, '[DONE]')
  const chunks = parseAll(events.slice(0, -1))
  const last = chunks.pop()
  assert.equal(last.choices, [])
  assert.equal(chunks.at(-1).choices, [{ text: '', index: 0, logprobs: null, finish_reason: 'stop' }])
  assert.is(last.usage.completion_tokens, chunks.length - 1)
  assert.ok(chunks.every((chunk) => chunk.usage === null && chunk.object === 'text_completion'))
  const bare = parseAll((await sendStream(url, { model: 'm', prompt: 'Once' })).slice(0, -1))
  assert.not.ok(bare.some((chunk) => 'usage' in chunk))
  assert.is(bare.length, chunks.length)
})

test('the official client reads a completion stream, cut at max_tokens', async () => {
  let text = ''
  let reason: string | null = null
  const stream = await client.completions.create({ model: 'm', prompt: 'Once', stream: true, max_tokens: 4 })
  for await (const chunk of stream) {
    text += chunk.choices[0]?.text
    reason = chunk.choices[0]?.finish_reason ?? null
  }
  assert.is(text, ' and so it goes')
  assert.is(reason, 'length')
})

test('token ids are accepted as a prompt', async () => {
  assert.is((await sendJson(url, { model: 'm', prompt: [1, 2, 3] })).object, 'text_completion')
})

test('a missing prompt and several prompts are refused', async () => {
  const { error } = await sendJson(url, { model: 'm' })
  assert.is(error.message, "Missing required parameter: 'prompt'.")
  assert.is(error.param, 'prompt')
  for (const prompt of [['a', 'b'], [], {}, 7]) {
    assert.is((await sendJson(url, { model: 'm', prompt })).error.param, 'prompt')
  }
})

test.run()

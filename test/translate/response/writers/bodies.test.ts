import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ChatError } from '../../../../src/translate/response/chat-errors.js'
import { formatError } from '../../../../src/translate/response/error-bodies.js'
import { requireError } from '../../../support/readers/messages.js'
import { create, perform, type Step } from './steps.js'

const typeOf = (error: Partial<ChatError>, status: number | null = null): string => {
  const whole = { message: 'No.', type: 'server_error', param: null, code: null, ...error }
  const body = JSON.parse(formatError(whole, 'messages', status).toString())
  requireError(body)
  return body.error.type
}

test("an error for a client of Messages has Anthropic's name for its status", () => {
  for (const [status, type] of [
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
    [413, 'request_too_large'],
    [418, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'overloaded_error'],
    [504, 'timeout_error'],
    [529, 'overloaded_error'],
  ] as const)
    assert.is(typeOf({ type: 'whatever' }, status), type, String(status))
})

test("without a status, the name follows from the error's code and type", () => {
  for (const [error, type] of [
    [{}, 'api_error'],
    [{ type: 'overloaded_error' }, 'overloaded_error'],
    [{ type: 'invalid_request_error' }, 'invalid_request_error'],
    [{ type: 'invalid_request_error', code: 'invalid_api_key' }, 'authentication_error'],
    [{ type: 'invalid_request_error', code: 'model_not_found' }, 'not_found_error'],
    [{ type: 'requests', code: 'rate_limit_exceeded' }, 'rate_limit_error'],
    [{ type: 'insufficient_quota', code: 'insufficient_quota' }, 'billing_error'],
    [{ type: 'RESOURCE_EXHAUSTED', code: 429 }, 'rate_limit_error'],
    [{ type: 'UNAVAILABLE' }, 'overloaded_error'],
    [{ code: '529' }, 'overloaded_error'],
    [{ type: 'constructor', code: '__proto__' }, 'api_error'],
  ] as const)
    assert.is(typeOf(error), type, JSON.stringify(error))
})

test("an error for a client of OpenAI's APIs has all four members", () => {
  const error = { message: 'No.', type: 'x', param: null, code: null, more: 1 }
  for (const api of ['chat', 'responses'] as const)
    assert.is(
      formatError(error, api).toString(),
      '{"error":{"message":"No.","type":"x","param":null,"code":null}}',
    )
})

const STEPS: Step[] = [
  { do: 'begin', id: 'resp_1', created: 1_700_000_000 },
  { do: 'reasoning', text: 'Hm.' },
  { do: 'content', text: 'Grüß "Gott" ' },
  { do: 'content', text: '🦊\u2028' },
  { do: 'open', id: 'call_1', name: 'f', isCustom: false },
  { do: 'args', index: 0, text: '{"a":1}' },
  { do: 'open', id: 'call_2', name: 'g', isCustom: true },
  { do: 'args', index: 1, text: 'free\n' },
  { do: 'args', index: 1, text: 'text' },
]
const USAGE = { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 }

test('a whole chat completion has all members of one, and only those that say something of the optional ones', () => {
  const begin =
    '{"id":"resp_1","object":"chat.completion","created":1700000000,"model":"m-1","choices":[{"index":0,'
  const end = '"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}'
  const calls =
    '[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}},' +
    '{"id":"call_2","type":"function","function":{"name":"g","arguments":"free\\ntext"}}]'
  for (const [length, reason, message] of [
    [2, 'stop', '"content":"","refusal":null,"reasoning_content":"Hm."'],
    [4, 'stop', '"content":"Grüß \\"Gott\\" 🦊\u2028","refusal":null,"reasoning_content":"Hm."'],
    [
      STEPS.length,
      'tool_calls',
      `"content":"Grüß \\"Gott\\" 🦊\u2028","refusal":null,"reasoning_content":"Hm.","tool_calls":${calls}`,
    ],
  ] as const) {
    const writer = create({ reads: 'chat', stream: false, model: 'm-1' })
    perform(writer, STEPS.slice(0, length))
    writer.finish(reason, USAGE)
    const choice = `"message":{"role":"assistant",${message}},"logprobs":null,"finish_reason":"${reason}"}],`
    assert.is(writer.take().toString(), begin + choice + end)
  }
  const writer = create({ reads: 'chat', stream: false })
  writer.begin('msg_1', 1, 'm-1')
  writer.callArguments(writer.openCall('call_1', 'f'), '{"a":1}')
  writer.finish('tool_calls', null)
  const { choices, usage } = JSON.parse(writer.take().toString())
  assert.equal(
    [choices[0].message.content, 'reasoning_content' in choices[0].message, usage],
    [null, false, undefined],
  )
})

test('a tool input that is no JSON object becomes one', () => {
  for (const [input, isCustom, expected] of [
    ['', false, {}],
    [' {"a": 1}\n', false, { a: 1 }],
    ['[1]', false, { arguments: '[1]' }],
    ['{"a":', false, { arguments: '{"a":' }],
    ['null', false, { arguments: 'null' }],
    ['free "text"', true, { input: 'free "text"' }],
    ['', true, { input: '' }],
  ] as const) {
    const writer = create({ reads: 'messages', stream: false })
    writer.callArguments(writer.openCall('a', 'f', isCustom), input)
    writer.finish('tool_calls', null)
    assert.equal(JSON.parse(writer.take().toString()).content[0].input, expected)
  }
})

test('counts of an upstream that are no counts are not written where a client needs numbers', () => {
  const usage = { prompt_tokens: '5', completion_tokens: -1, prompt_tokens_details: null } as never
  for (const reads of ['responses', 'messages'] as const) {
    const writer = create({ reads, stream: false })
    writer.finish('stop', usage)
    const { usage: read } = JSON.parse(writer.take().toString())
    assert.is(read.input_tokens, 0)
    assert.is(read.output_tokens, 0)
  }
})

test('a time that JSON cannot have is replaced', () => {
  for (const reads of ['chat', 'responses'] as const) {
    for (const stream of [true, false]) {
      const writer = create({ reads, stream })
      writer.begin('a', Number.POSITIVE_INFINITY, null)
      writer.finish('stop', null)
      assert.match(writer.take().toString(), /"created(?:_at)?":\d{10}/)
    }
  }
})

test('a writer says how much it holds, and lets go of it', () => {
  for (const [reads, stream, held] of [
    ['chat', true, 0],
    ['chat', false, 100],
    ['responses', true, 100],
    ['responses', false, 100],
    ['messages', true, 0],
    ['messages', false, 100],
  ] as const) {
    const writer = create({ reads, stream })
    writer.content('x'.repeat(100))
    assert.is(writer.bytesHeld, held, `${reads} ${stream}`)
    writer.finish('stop', null)
    assert.is(writer.bytesHeld, 0)
  }
  const writer = create({ reads: 'messages' })
  writer.callArguments(writer.openCall('a', 'f'), '{"a":')
  writer.content('x'.repeat(100))
  assert.is(writer.bytesHeld, 105)
  writer.callArguments(0, '1}')
  writer.openCall('b', 'g')
  assert.is(writer.bytesHeld, 107, 'a text waits for the call behind it to be noticed')
  writer.finish('tool_calls', null)
  assert.is(writer.bytesHeld, 0)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ChatError } from '../../../../src/translate/response/chat-errors.js'
import { formatError } from '../../../../src/translate/response/error-bodies.js'
import { translateMessage, translateResponse } from '../../../../src/translate/response/whole.js'
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

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  model: 'm-1',
  status: 'completed',
  output: [
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
    { type: 'message', content: [{ type: 'output_text', text: 'Grüß "Gott" 🦊\u2028' }] },
    { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
    { type: 'custom_tool_call', call_id: 'call_2', name: 'g', input: 'free\ntext' },
  ],
  usage: { input_tokens: 5, output_tokens: 6, total_tokens: 11 },
}
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

test('a whole chat completion has the same bytes as before', () => {
  for (const length of [2, 4, STEPS.length]) {
    const writer = create({ reads: 'chat', stream: false })
    perform(writer, STEPS.slice(0, length))
    const calls = length === STEPS.length
    writer.finish(calls ? 'tool_calls' : 'stop', USAGE)
    const output = RESPONSE.output.slice(0, length === 2 ? 1 : length === 4 ? 2 : 4)
    const before = translateResponse(Buffer.from(JSON.stringify({ ...RESPONSE, output })))
    assert.is(writer.take().toString(), before.toString())
  }
  const message = {
    id: 'msg_1',
    model: 'm-1',
    content: [{ type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } }],
    stop_reason: 'tool_use',
  }
  const writer = create({ reads: 'chat', stream: false })
  const before = JSON.parse(translateMessage(Buffer.from(JSON.stringify(message))).toString())
  writer.begin('msg_1', before.created, 'm-1')
  writer.callArguments(writer.openCall('call_1', 'f'), '{"a":1}')
  writer.finish('tool_calls', null)
  assert.is(writer.take().toString(), JSON.stringify(before))
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

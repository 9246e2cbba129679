import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CompletionWriter } from '../../../src/translate/response/completion-writer.js'
import { convertErrorBody } from '../../../src/translate/response/error-body.js'
import { readWholeMessage } from '../../../src/translate/response/read-messages.js'
import { readWholeResponse } from '../../../src/translate/response/read-responses.js'
import { selectTranslation } from '../../../src/translate/response/select.js'

function translateError(body: Buffer): Buffer {
  return convertErrorBody(body, 'chat', 400)
}

function translateResponse(body: Buffer, model: string | null = null): Buffer {
  const writer = new CompletionWriter(model, 'reasoning_content')
  readWholeResponse(body, writer)
  return writer.take()
}

function translateMessage(
  body: Buffer,
  model: string | null = null,
  wrapped: readonly string[] = [],
): Buffer {
  const writer = new CompletionWriter(model, 'reasoning_content')
  readWholeMessage(body, writer, { wrapped, thoughts: null })
  return writer.take()
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const parsed = (bytes: Buffer) => JSON.parse(bytes.toString())

const call = (id: string, name: string, input: string): object => ({
  id,
  type: 'function',
  function: { name, arguments: input },
})

const RESPONSE = {
  id: 'resp_T1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  error: null,
  incomplete_details: null,
  model: 'gpt-x-test',
  output: [
    { type: 'reasoning', summary: [{ text: 'a' }, { text: 'b' }] },
    { type: 'web_search_call', action: {} },
    {
      type: 'message',
      content: [
        { type: 'output_text', text: 'naïve ' },
        { type: 'output_text', text: '🦊' },
      ],
    },
    { type: 'message', content: [{ type: 'output_text', text: 'more' }] },
    { type: 'function_call', call_id: 'call_1', id: 'fc_1', name: 'Shell', arguments: '{"command":"ls"}' },
    { type: 'custom_tool_call', call_id: 'call_2', name: 'ApplyPatch', input: '*** Begin Patch' },
  ],
  usage: {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 1 },
    total_tokens: 15,
  },
}

test('a whole response becomes a chat completion', () => {
  assert.equal(parsed(translateResponse(json(RESPONSE))), {
    id: 'resp_T1',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-x-test',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'naïve 🦊\n\nmore',
          refusal: null,
          reasoning_content: 'a\n\nb',
          tool_calls: [
            call('call_1', 'Shell', '{"command":"ls"}'),
            call('call_2', 'ApplyPatch', '*** Begin Patch'),
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage: {
      prompt_tokens: 12,
      completion_tokens: 3,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 1 },
    },
  })
})

test('a whole response that is incomplete, refused or failed ends as chat completions do', () => {
  const of = (more: object) => parsed(translateResponse(json({ ...RESPONSE, output: [], ...more })))
  const cut = of({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
  assert.is(cut.choices[0].finish_reason, 'length')
  assert.is(cut.choices[0].message.content, '')
  const filtered = of({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } })
  assert.is(filtered.choices[0].finish_reason, 'content_filter')
  const refused = of({ output: [{ type: 'message', content: [{ type: 'refusal', refusal: 'no' }] }] })
  assert.is(refused.choices[0].message.refusal, 'no')
  assert.is(refused.choices[0].finish_reason, 'stop')
  assert.equal(of({ status: 'failed', error: { code: 'server_error', message: 'x' } }), {
    error: { message: 'x', type: 'server_error', param: null, code: 'server_error' },
  })
})

const MESSAGE = {
  id: 'msg_T1',
  type: 'message',
  role: 'assistant',
  model: 'claude-test-1',
  content: [
    { type: 'thinking', thinking: 'a', signature: 'x' },
    { type: 'text', text: 'na' },
    { type: 'text', text: 'ïve' },
    { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
    { type: 'tool_use', id: 'toolu_1', name: 'LS', input: { path: '.' } },
    { type: 'tool_use', id: 'toolu_2', name: 'Now', input: {} },
  ],
  stop_reason: 'tool_use',
  usage: { input_tokens: 25, cache_creation_input_tokens: 5, cache_read_input_tokens: 10, output_tokens: 7 },
}

test('a whole message becomes a chat completion', () => {
  const before = Math.floor(Date.now() / 1000)
  const { created, ...answer } = parsed(translateMessage(json(MESSAGE)))
  assert.ok(created >= before && created <= Date.now() / 1000, String(created))
  assert.equal(answer, {
    id: 'msg_T1',
    object: 'chat.completion',
    model: 'claude-test-1',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'naïve',
          refusal: null,
          reasoning_content: 'a',
          tool_calls: [call('toolu_1', 'LS', '{"path":"."}'), call('toolu_2', 'Now', '{}')],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage: {
      prompt_tokens: 40,
      completion_tokens: 7,
      total_tokens: 47,
      prompt_tokens_details: { cached_tokens: 10 },
    },
  })
  const silent = parsed(translateMessage(json({ ...MESSAGE, content: MESSAGE.content.slice(3) })))
  assert.is(silent.choices[0].message.content, null)
})

test('a body that is not JSON, or of an unknown form, is an error', () => {
  for (const body of [
    '',
    '<html>',
    '[]',
    '{}',
    'null',
    '{"object":"chat.completion","choices":[]}',
    '{"output":1}',
  ]) {
    for (const convert of [translateResponse, translateMessage])
      assert.is(parsed(convert(Buffer.from(body))).error.code, 'upstream_unreadable', body)
    assert.type(parsed(translateError(Buffer.from(body))).error.message, 'string')
  }
})

for (const [name, body, expected] of [
  [
    "Anthropic's",
    { type: 'error', error: { type: 'not_found_error', message: 'x' }, request_id: 'req_1' },
    { request_id: 'req_1', error: { type: 'not_found_error', message: 'x', param: null, code: null } },
  ],
  [
    "Gemini's",
    [{ error: { code: 400, message: 'x', status: 'INVALID_ARGUMENT' } }],
    { error: { code: 400, message: 'x', status: 'INVALID_ARGUMENT', type: 'INVALID_ARGUMENT', param: null } },
  ],
  [
    'one with some of the fields',
    { error: { message: 'x', code: 'content_filter', innererror: { a: 1 } } },
    {
      error: {
        message: 'x',
        code: 'content_filter',
        innererror: { a: 1 },
        type: 'invalid_request_error',
        param: null,
      },
    },
  ],
] as const) {
  test(`an error is converted to OpenAI's form: ${name}`, () => {
    assert.equal(parsed(translateError(json(body))), expected)
  })
}

test("an error in OpenAI's form keeps its bytes, and any other body becomes one", () => {
  const native = '{ "error": {"message":"x","type":"t","param":null,"code":null,"more":1} }'
  assert.is(translateError(Buffer.from(native)).toString(), native)
  for (const [body, message] of [
    ['{"detail":"x"}', 'x'],
    ['{"error":"x"}', 'x'],
    ['{"error":{"code":1}}', null],
    ['<html><title>524: A timeout occurred</title></html>', '524: A timeout occurred'],
    ['Request Entity Too Large', 'Request Entity Too Large'],
    ['event: error\ndata: {"error":{"message":"streamed"}}\n\n', 'streamed'],
    ['data: {"type":"error","error":{"type":"t","message":"streamed"}}\n\n', 'streamed'],
    ['', null],
  ] as const) {
    const { error } = parsed(translateError(Buffer.from(body)))
    assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'], body)
    if (message !== null) assert.is(error.message, message)
  }
})

const FACTS = { from: 'responses', status: 200, eventStream: false, includeUsage: true, model: null } as const

test('a whole response is converted when it is complete, and blank lines ahead of it pass at once', () => {
  for (const [from, body, id] of [
    ['responses', RESPONSE, 'resp_T1'],
    ['messages', MESSAGE, 'msg_T1'],
  ] as const) {
    const translation = selectTranslation({ ...FACTS, from })
    assert.is(translation?.push(Buffer.from('\n \r\n')).toString(), '\n \r\n')
    const bytes = json(body)
    for (let at = 0; at < bytes.length; at += 10)
      assert.is(translation?.push(bytes.subarray(at, at + 10)).length, 0)
    assert.is(parsed(translation?.end() ?? Buffer.alloc(0)).id, id)
  }
})

test('nothing is sent of a whole response that breaks off', () => {
  const translation = selectTranslation(FACTS)
  translation?.push(Buffer.from('{"object":'))
  assert.is(translation?.breakOff().length, 0)
})

test('an error that is too long to hold passes as it is', () => {
  const translation = selectTranslation({ ...FACTS, status: 500 })
  const part = Buffer.alloc(700_000, 'x')
  assert.is(translation?.push(part).length, 0)
  assert.is(translation?.push(part).length, 1_400_000)
  assert.is(translation?.push(part).length, 700_000)
  assert.is(translation?.end().length, 0)
})

test('the head of a response decides whether it is translated', () => {
  const name = (facts: object): string =>
    selectTranslation({ ...FACTS, ...facts })?.constructor.name ?? 'as it is'
  assert.is(name({ eventStream: true }), 'ResponsesStream')
  assert.is(name({ eventStream: true, from: 'messages' }), 'MessagesStream')
  assert.is(name({}), 'BufferedTranslation')
  assert.is(name({ status: 429 }), 'BufferedTranslation')
  assert.is(name({ status: 429, eventStream: true }), 'BufferedTranslation')
  for (const status of [204, 302, 304]) assert.is(name({ status }), 'as it is')
  const error = selectTranslation({ ...FACTS, from: 'messages', status: 529 })
  error?.push(json({ type: 'error', error: { type: 'overloaded_error', message: 'x' } }))
  assert.is(parsed(error?.end() ?? Buffer.alloc(0)).error.code, null)
})

test('a body without anything in it is an error that the client can read', () => {
  for (const from of ['chat', 'responses', 'messages', 'gemini'] as const) {
    for (const stream of [false, true]) {
      for (const body of ['', '\r\n']) {
        const answer = (status: number): string => {
          const context = { from, status, stream, includeUsage: false, model: 'm', hasTools: true }
          const translation = selectTranslation({ ...context, eventStream: false, json: true })
          translation?.push(Buffer.from(body))
          return translation?.end().toString() ?? ''
        }
        assert.is(parsed(Buffer.from(answer(524))).error.type, 'server_error')
        // Native bodies that are not streamed stay as they are.
        if (from !== 'chat' || stream) assert.match(answer(200), /"error":\{"message":"/)
      }
    }
  }
})

test.run()

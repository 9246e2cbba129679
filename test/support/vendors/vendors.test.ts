import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { validateChat } from './chat.js'
import { validateGemini } from './gemini.js'
import { validateMessages } from './messages.js'
import { validateResponses } from './responses.js'

// A validator that lets everything pass would prove nothing: each refuses what its vendor is known to refuse.

type Body = Record<string, unknown>
type Bad = readonly [problem: RegExp, change: Body]

const user = { role: 'user', content: 'Hello' }
const calling = (...ids: string[]) => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
})
const answer = (id: string) => ({ role: 'tool', tool_call_id: id, content: '' })
const chatTools = [{ type: 'function', function: { name: 'f', parameters: {} } }]

const CHAT: Body = {
  model: 'm',
  messages: [user, calling('a', 'b'), answer('b'), answer('a')],
  tools: chatTools,
}
const BAD_CHAT: readonly Bad[] = [
  [/model is missing/, { model: undefined }],
  [/unknown field/, { top_k: 1 }],
  [/less than 1/, { messages: [] }],
  [/role has to be/, { messages: [{ role: 'function', content: 'x' }] }],
  [/is empty/, { messages: [{ role: 'user', content: '' }] }],
  [/no results/, { messages: [user, calling('a')] }],
  [/ahead of results/, { messages: [user, calling('a'), user, answer('a')] }],
  [/without a call/, { messages: [user, answer('a')] }],
  [/neither content/, { messages: [user, { role: 'assistant', content: null }] }],
  [/less than 1/, { messages: [user, { role: 'assistant', content: 'x', tool_calls: [] }] }],
  [/longer than 40/, { messages: [user, calling('a'.repeat(41)), answer('a'.repeat(41))] }],
  [/unknown field/, { messages: [{ ...user, reasoning_content: '' }] }],
  [/without tools/, { tools: undefined, tool_choice: 'auto' }],
  [/there is no/, { tool_choice: { type: 'function', function: { name: 'g' } } }],
  [/not distinct/, { tools: [...chatTools, ...chatTools] }],
  [/does not match/, { tools: [{ type: 'function', function: { name: 'f.g' } }] }],
  [/from 0 to 2/, { temperature: 2.1 }],
  [/more than 4/, { stop: ['1', '2', '3', '4', '5'] }],
  [/without stream/, { stream_options: { include_usage: true } }],
  [/without logprobs/, { top_logprobs: 1 }],
]

const item = (type: string, id: string) => ({
  type,
  call_id: id,
  ...(type.endsWith('output') ? { output: '' } : { name: 'f', arguments: '{}' }),
})
const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'e' }
const RESPONSES: Body = {
  model: 'm',
  store: false,
  input: [user, reasoning, item('function_call', 'a'), item('function_call_output', 'a')],
}
const BAD_RESPONSES: readonly Bad[] = [
  [/unknown field/, { stop: ['a'] }],
  [/unknown field/, { messages: [] }],
  [/unsupported/, { temperature: 0 }],
  [/at least|from 16/, { max_output_tokens: 15 }],
  [/type has to be/, { input: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] }],
  [/No tool output|no tool output/, { input: [user, item('function_call', 'a')] }],
  [/no call found/, { input: [user, item('function_call_output', 'a')] }],
  [/no call found/, { input: [user, item('function_call', 'a'), item('custom_tool_call_output', 'a')] }],
  [/ahead of outputs/, { input: [item('function_call', 'a'), user, item('function_call_output', 'a')] }],
  [
    /longer than 64/,
    { input: [item('function_call', 'a'.repeat(65)), item('function_call_output', 'a'.repeat(65))] },
  ],
  [/required following/, { input: [reasoning, user] }],
  [
    /not persisted/,
    {
      input: [
        { ...reasoning, encrypted_content: undefined },
        { role: 'assistant', content: 'x' },
      ],
    },
  ],
  [/strict is missing/, { tools: [{ type: 'function', name: 'f', parameters: {} }] }],
  [/without tools/, { parallel_tool_calls: true }],
]

const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} })
const done = (id: string) => ({ type: 'tool_result', tool_use_id: id })
const block = (text: string) => ({ type: 'text', text, cache_control: { type: 'ephemeral' } })
const thought = { type: 'thinking', thinking: '', signature: 's' }
const says = (role: string, ...content: unknown[]) => ({ role, content })
const MESSAGES: Body = {
  model: 'm',
  max_tokens: 2000,
  thinking: { type: 'enabled', budget_tokens: 1024 },
  messages: [user, says('assistant', thought, use('a'), use('b')), says('user', done('b'), done('a'))],
}
const BAD_MESSAGES: readonly Bad[] = [
  [/max_tokens is missing/, { max_tokens: undefined }],
  [/exceed the budget/, { max_tokens: 1024 }],
  [/unknown field/, { seed: 1 }],
  [/from 0 to 1/, { temperature: 1.5, thinking: undefined }],
  [/with temperature/, { temperature: 0 }],
  [
    /forces tool use/,
    { tools: [{ name: 'f', input_schema: { type: 'object' } }], tool_choice: { type: 'any' } },
  ],
  [/expected thinking/, { messages: [user, says('assistant', use('a')), says('user', done('a'))] }],
  [/prefilled/, { messages: [user, says('assistant', thought, block('x'))] }],
  [/trailing white/, { messages: [user, says('assistant', block('x '))] }],
  [/first message/, { messages: [says('assistant', block('x')), user] }],
  [/take turns/, { messages: [user, user] }],
  [/white space alone/, { messages: [says('user', block(' \n'))] }],
  [/not those of the calls/, { messages: [user, says('assistant', thought, use('a')), user] }],
  [/not those of the calls/, { messages: [says('user', done('a'))] }],
  [
    /come first/,
    { messages: [user, says('assistant', thought, use('a')), says('user', block('x'), done('a'))] },
  ],
  [/does not match/, { messages: [user, says('assistant', thought, use('a:0')), says('user', done('a:0'))] }],
  [/maximum of 4/, { messages: [says('user', ...['1', '2', '3', '4', '5'].map(block))] }],
  [/has to be "object"/, { tools: [{ name: 'f', input_schema: {} }] }],
  [/white space alone/, { stop_sequences: ['\n'] }],
  [/without tools/, { tool_choice: { type: 'auto' } }],
]

const model = (...names: string[]) => ({
  role: 'model',
  parts: names.map((name) => ({ functionCall: { name, args: {} }, thoughtSignature: 'c2ln' })),
})
const responses = (...names: string[]) => ({
  role: 'user',
  parts: names.map((name) => ({ functionResponse: { name, response: {} } })),
})
const hello = { role: 'user', parts: [{ text: 'Hello' }] }
const GEMINI: Body = { contents: [hello, model('f', 'g'), responses('f', 'g')] }
const BAD_GEMINI: readonly Bad[] = [
  [/unknown field/, { model: 'm' }],
  [/role has to be/, { contents: [{ role: 'assistant', parts: [{ text: 'x' }] }] }],
  [/less than 1/, { contents: [{ role: 'user', parts: [] }] }],
  [/is empty/, { contents: [{ role: 'user', parts: [{ text: '' }] }] }],
  [/one kind of data/, { contents: [{ role: 'user', parts: [{}] }] }],
  [/first content/, { contents: [model('f'), responses('f')] }],
  [/as many/, { contents: [hello, model('f', 'g'), responses('f')] }],
  [/as many/, { contents: [hello, responses('f')] }],
  [/other functions/, { contents: [hello, model('f', 'g'), responses('g', 'f')] }],
  [
    /thought_signature/,
    {
      contents: [
        hello,
        { role: 'model', parts: [{ functionCall: { name: 'f', args: {} } }] },
        responses('f'),
      ],
    },
  ],
  [
    /have to be|has to be an object/,
    { contents: [hello, { role: 'model', parts: [{ functionCall: { name: 'f', args: '' } }] }] },
  ],
  [/more than 5/, { generationConfig: { stopSequences: ['1', '2', '3', '4', '5', '6'] } }],
  [/without functions/, { toolConfig: { functionCallingConfig: { mode: 'AUTO' } } }],
]

const VENDORS: readonly [string, (body: unknown) => string[], Body, readonly Bad[]][] = [
  ['chat', validateChat, CHAT, BAD_CHAT],
  ['responses', (body) => validateResponses(body, { reasons: true }), RESPONSES, BAD_RESPONSES],
  ['messages', validateMessages, MESSAGES, BAD_MESSAGES],
  ['gemini', (body) => validateGemini(body, { signatures: true }), GEMINI, BAD_GEMINI],
]
for (const [name, validate, good, bad] of VENDORS) {
  const read = (change: Body): string[] => validate(JSON.parse(JSON.stringify({ ...good, ...change })))
  test(`the validator of ${name} takes a valid body`, () => {
    assert.equal(read({}), [])
  })
  test(`the validator of ${name} names what is wrong`, () => {
    for (const [problem, change] of bad)
      assert.match(read(change).join('\n'), problem, JSON.stringify(change))
  })
  test(`the validator of ${name} judges any JSON`, () => {
    for (const body of [null, 1, 'x', [], {}]) assert.ok(validate(body).length > 0)
  })
}

test('rules of one server are only its own', () => {
  const ids = { ...CHAT, messages: [user, calling('abcdefgh1'), answer('abcdefgh1')] }
  assert.equal(validateChat(ids, { callIds: 'nine' }), [])
  assert.ok(validateChat(CHAT, { callIds: 'nine' }).length > 0)
  assert.match(validateChat(CHAT, { thinking: 'reasoning_content' }).join(), /no reasoning_content/)
  assert.match(validateChat(CHAT, { thinking: 'thought_signature' }).join(), /thought_signature/)
  assert.match(validateChat({ ...CHAT, stop: 'x' }, { reasons: true }).join(), /stop is unsupported/)
  assert.match(validateResponses(RESPONSES, { reasons: false }).join(), /reasoning items/)
  assert.match(
    validateMessages({ ...MESSAGES, temperature: 1, top_p: 1 }, { oneSampling: true }).join(),
    /both/,
  )
})

test('names that all objects have are unknown fields and kinds, and nothing throws', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    for (const [validate, body] of [
      [validateChat, CHAT],
      [(given: unknown) => validateResponses(given, { reasons: false }), RESPONSES],
      [(given: unknown) => validateMessages(given, {}), MESSAGES],
      [(given: unknown) => validateGemini(given, { signatures: false }), GEMINI],
    ] as const) {
      // `JSON.parse` makes a member of it, as a vendor would see it.
      const whole = JSON.parse(`{"${name}":{},${JSON.stringify(body).slice(1)}`)
      assert.ok(
        validate(whole).some((problem) => problem.includes(`${name} is an unknown field`)),
        name,
      )
    }
    const tools = [{ type: name, function: { name: 'f' } }]
    assert.match(validateChat({ ...CHAT, tools }).join(), /type has to be one of/)
  }
})

test.run()

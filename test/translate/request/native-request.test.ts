import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { createModelEdit, createUsageEdit } from '../../../src/json/edits.js'
import { sortEdits } from '../../../src/json/object-edits.js'
import { peekFields } from '../../../src/json/peek.js'
import { buildNativeRequest } from '../../../src/translate/request/native-request.js'
import { fc } from '../../support/property.js'
import {
  CHAT_BODY,
  changes,
  count,
  edited,
  loosely,
  MESSAGES_BODY,
  RESPONSES_BODY,
  requireUntouchedOutside,
  tool,
  toolChoice,
  word,
} from '../bodies.js'
import { chatFor, messagesFor, responsesFor } from '../model.js'

const PLAIN = { capabilities: { customTools: false, reasoning: false } }

/** The body that is sent, parsed. All bytes outside the edits are compared on the way. */
function sent(shape: BodyApi, body: string | object, options = {}): unknown {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const bytes = Buffer.from(text)
  const { edits } = buildNativeRequest(shape, bytes, options)
  requireUntouchedOutside(bytes, edits)
  return JSON.parse(edited(bytes, edits))
}

function changed(shape: BodyApi, text: string, options = {}): [string, string][] {
  return changes(text, buildNativeRequest(shape, Buffer.from(text), options).edits)
}

test("only the request for a usage chunk is removed from Cursor's Responses body", () => {
  assert.equal(changed('responses', RESPONSES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation, wrapped } = buildNativeRequest(
    'responses',
    Buffer.from(RESPONSES_BODY),
  )
  assert.equal([path, stream, includeUsage, wrapped], ['/responses', true, true, []])
  assert.is(conversation, '00000000-aaaa-bbbb-cccc-000000000001')
})

test("only the request for a usage chunk is removed from Cursor's Messages body", () => {
  assert.equal(changed('messages', MESSAGES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation } = buildNativeRequest(
    'messages',
    Buffer.from(MESSAGES_BODY),
  )
  assert.equal([path, stream, includeUsage, conversation], ['/messages', true, true, null])
})

test("only the flat tool and the tool choice of Cursor's chat body are rewritten", () => {
  const flat =
    '{"type":"custom","name":"ApplyPatch","format":{"type":"grammar","syntax":"lark","definition":"start: X"}}'
  const nested =
    '{"type":"custom","custom":{"name":"ApplyPatch","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: X"}}}}'
  assert.equal(changed('chat', CHAT_BODY), [
    [flat, nested],
    ['{"type":"auto"}', '"auto"'],
  ])
  const { path, includeUsage } = buildNativeRequest('chat', Buffer.from(CHAT_BODY))
  assert.equal([path, includeUsage], ['/chat/completions', false])
})

test('for an upstream without custom tools and reasoning objects, a custom tool becomes a function and the effort a member', () => {
  const { edits, wrapped } = buildNativeRequest('chat', Buffer.from(CHAT_BODY), PLAIN)
  const [[, patch] = [], ...rest] = changes(CHAT_BODY, edits)
  const input = { type: 'string', description: 'Has to match this lark grammar:\nstart: X' }
  assert.equal(JSON.parse(patch ?? ''), {
    type: 'function',
    function: {
      name: 'ApplyPatch',
      parameters: { type: 'object', properties: { input }, required: ['input'] },
    },
  })
  assert.equal(rest, [
    ['{"type":"auto"}', '"auto"'],
    ['"reasoning"', '"reasoning_effort"'],
    ['{"effort":"low"}', '"low"'],
  ])
  assert.equal(wrapped, ['ApplyPatch'])
})

test('a body in the form of its own API is not changed', () => {
  const bodies: [BodyApi, string][] = [
    ['chat', '{"model":"m","messages":[{"role":"user","content":"x"}]}'],
    [
      'chat',
      '{"messages":[{"role":"system","content":"x"}],"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"required"}',
    ],
    [
      'responses',
      '{"input":"x","stream_options":{"include_obfuscation":false},"user":"u","max_output_tokens":9}',
    ],
    [
      'responses',
      '{"input":[{"call_id":"c","type":"function_call"}],"tools":[{"type":"function","name":"a"}]}',
    ],
    ['responses', '{"input":"x","tool_choice":{"type":"file_search"},"tools":[{"type":"file_search"}]}'],
    [
      'messages',
      '{"max_tokens":1,"system":"s","messages":[],"metadata":{"user_id":"u"},"service_tier":"auto"}',
    ],
    [
      'messages',
      '{"max_tokens":1,"tools":[{"type":"custom","name":"a","input_schema":{}}],"tool_choice":{"type":"tool","name":"a"}}',
    ],
  ]
  for (const [shape, body] of bodies) assert.equal(changed(shape, body), [], body)
})

test("on the way to Responses, calls and outputs that Cursor sent as a function's are a custom tool's again", () => {
  const patch = '*** Begin Patch\\n\\"x\\"'
  const body =
    '{"input":[{"type":"function_call","call_id":"c1","name":"Read","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"1"},' +
    `{ "arguments": "${patch}", "type": "function_call", "name":"ApplyPatch","call_id":"c2"},{"call_id":"c2","type":"function_call_output","output":"done"}],` +
    '"tools":[{"type":"function","name":"Read"},{"type":"custom","name":"ApplyPatch"}]}'
  assert.equal(changed('responses', body), [
    ['"arguments"', '"input"'],
    ['"function_call"', '"custom_tool_call"'],
    ['"function_call_output"', '"custom_tool_call_output"'],
  ])
  // Without the tool, nobody knows what it was.
  assert.equal(changed('responses', body.replace(',{"type":"custom","name":"ApplyPatch"}', '')), [])
})

test('on the way to Responses, a nested function keeps the bytes of its schema and stays non-strict', () => {
  const body =
    '{"input":"x","tools":[ {"type":"function","function":{"name":"a","parameters":{"2":1.50, "1":1E2 }}} ,{"type":"function","name":"b"}]}'
  assert.equal(changed('responses', body), [
    [
      '{"type":"function","function":{"name":"a","parameters":{"2":1.50, "1":1E2 }}}',
      '{"type":"function","name":"a","parameters":{"2":1.50, "1":1E2 },"strict":false}',
    ],
  ])
})

test('on the way to Responses, members of chat completions get the names that Responses has for them', () => {
  const schema = { name: 'n', schema: { type: 'object' }, strict: true }
  const body = {
    ...{
      model: 'm',
      input: 'x',
      n: 1,
      stop: ['a'],
      max_tokens: 5,
      max_completion_tokens: 6,
      verbosity: 'low',
    },
    ...{ response_format: { type: 'json_schema', json_schema: schema }, reasoning_effort: 'high', user: 'u' },
    stream_options: { include_usage: true, include_obfuscation: false },
  }
  assert.equal(sent('responses', body), {
    ...{ model: 'm', input: 'x', max_output_tokens: 6, user: 'u', reasoning: { effort: 'high' } },
    text: { format: { type: 'json_schema', ...schema }, verbosity: 'low' },
    stream_options: { include_obfuscation: false },
  })
})

test('call ids that are too long for Responses are shortened in the call and in its result alike', () => {
  const long = `call_${'é'.repeat(70)}\nfc_1`
  const just = 'é'.repeat(64)
  const body = {
    input: [
      { type: 'function_call', call_id: long, name: 'a', arguments: '{"call_id":"not an id"}' },
      { type: 'function_call_output', call_id: long, output: `"call_id":"${'x'.repeat(90)}"` },
      { type: 'custom_tool_call', call_id: just, name: 'a', input: '' },
    ],
  }
  const { input } = sent('responses', body) as { input: { call_id: string }[] }
  const [call, result, other] = input
  assert.ok(call !== undefined && /^call_[0-9a-f]{40}$/.test(call.call_id))
  assert.is(result?.call_id, call.call_id)
  assert.is(other?.call_id, just)
  assert.is(buildNativeRequest('responses', Buffer.from(JSON.stringify(body))).edits.length, 2)
})

test('a Messages body gets the required max_tokens, with room for its thinking budget', () => {
  assert.equal(sent('messages', { messages: [], max_tokens: null }), { messages: [], max_tokens: 16_384 })
  assert.equal(sent('messages', { messages: [], max_completion_tokens: 7 }), { messages: [], max_tokens: 7 })
  const thinking = { type: 'enabled', budget_tokens: 20_000 }
  assert.equal(sent('messages', { messages: [], thinking }), { messages: [], thinking, max_tokens: 36_384 })
})

test('on the way to Messages, the user becomes user_id, and no other metadata stays', () => {
  const rest = { max_tokens: 1, messages: [] }
  const cases: [object, object][] = [
    [{ user: 'u' }, { metadata: { user_id: 'u' } }],
    [{ user: 'u', metadata: { cursorConversationId: 'c' } }, { metadata: { user_id: 'u' } }],
    [{ user: 'u', metadata: { user_id: 'own', x: 1 } }, { metadata: { user_id: 'own' } }],
    [{ metadata: { cursorConversationId: 'c' } }, {}],
    [{ user: 7 }, {}],
  ]
  for (const [given, wanted] of cases)
    assert.equal(sent('messages', { ...given, ...rest }), { ...wanted, ...rest })
  const text = '{"metadata":{"cursorConversationId":"c-1"},"max_tokens":1,"messages":[]}'
  assert.is(buildNativeRequest('messages', Buffer.from(text)).conversation, 'c-1')
})

test('on the way to Messages, parallel_tool_calls becomes a part of the tool choice', () => {
  const rest = { max_tokens: 1, messages: [], tools: [{ name: 'a', input_schema: {} }] }
  const cases: [object, object][] = [
    [{ parallel_tool_calls: true }, {}],
    [{ parallel_tool_calls: false }, { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
    [
      { parallel_tool_calls: false, tool_choice: 'required' },
      { tool_choice: { type: 'any', disable_parallel_tool_use: true } },
    ],
    [{ parallel_tool_calls: false, tool_choice: 'none' }, { tool_choice: { type: 'none' } }],
    [
      { tool_choice: { type: 'function', function: { name: 'a' } } },
      { tool_choice: { type: 'tool', name: 'a' } },
    ],
  ]
  for (const [given, wanted] of cases)
    assert.equal(sent('messages', { ...rest, ...given }), { ...rest, ...wanted })
  assert.equal(sent('messages', { max_tokens: 1, messages: [], tool_choice: 'auto' }), {
    max_tokens: 1,
    messages: [],
  })
})

test("on the way to Messages, leading system messages move beside the messages, and later ones become the user's", () => {
  const body =
    '{"max_tokens":1,"messages":[ {"role":"system","content":"a"}, {"role":"developer","content":[{"type":"text","text":"b", "cache_control":{"type":"ephemeral"}}]} , {"role":"user","content":"c"},{"role":"system","content":"d"}],"system":"s"}'
  assert.equal(changed('messages', body), [
    [
      '{"role":"system","content":"a"}, {"role":"developer","content":[{"type":"text","text":"b", "cache_control":{"type":"ephemeral"}}]} , ',
      '',
    ],
    ['"system"', '"user"'],
    [
      '"s"',
      '[{"type":"text","text":"s"},{"type":"text","text":"a"},{"type":"text","text":"b", "cache_control":{"type":"ephemeral"}}]',
    ],
  ])
})

test('a chat without tools has no tool choice and no parallel_tool_calls', () => {
  const rest = { messages: [], tool_choice: 'auto', parallel_tool_calls: true }
  for (const tools of [null, [], undefined]) {
    assert.equal(sent('chat', { model: 'm', tools, ...rest }), { model: 'm', messages: [] })
  }
  assert.equal(sent('chat', '{"tools":null,"tool_choice":"auto"}'), {})
})

test('an unreadable body stays as it is, and nothing throws', () => {
  const broken = [
    ...[
      '',
      ' ',
      'x',
      '[]',
      '"{}"',
      'null',
      '{',
      '{"a"',
      '{"a":}',
      '{"a":1,}',
      '{"a":1}}',
      '{"a":1}x',
      '{a:1}',
    ],
    ...[
      '{"tools":[{"type":"custom","name":"x"}',
      '{"tools":[1,]}',
      '{"stream":true "n":1}',
      '{"n":1,,"a":2}',
    ],
    ...[
      '{"a":"\\"}',
      '\ufeff{"n":1}',
      '{"n":1',
      '{"tools":[{"type":"custom",}]}',
      RESPONSES_BODY.slice(0, -1),
    ],
  ]
  for (const shape of ['chat', 'responses', 'messages'] as const) {
    for (const text of broken) {
      const { edits, stream, conversation } = buildNativeRequest(shape, Buffer.from(text))
      assert.equal([edits, stream, conversation], [[], false, null], text)
    }
  }
  const deep = Buffer.from(`{"n":1,"messages":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
  assert.is(buildNativeRequest('chat', deep).edits.length, 0)
})

test('damaged bodies throw nothing, and no byte outside the edits changes', () => {
  const given = fc.record({
    text: fc.constantFrom(RESPONSES_BODY, MESSAGES_BODY, CHAT_BODY),
    at: fc.nat(2000),
    length: fc.nat(40),
    bytes: fc.uint8Array({ maxLength: 20 }),
  })
  fc.assert(
    fc.property(given, ({ text, at, length, bytes }) => {
      const whole = Buffer.from(text)
      const body = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + length)])
      for (const shape of ['chat', 'responses', 'messages'] as const) {
        requireUntouchedOutside(body, buildNativeRequest(shape, body).edits)
      }
    }),
  )
})

test('of duplicate keys the last one counts, and all of them are removed together', () => {
  const body =
    '{"n":1,"input":"x","tools":null,"n":2,"max_tokens":1,"max_tokens":2,"tools":[{"type":"custom"}]}'
  assert.equal(sent('responses', body), { input: 'x', max_output_tokens: 2, tools: [{ type: 'custom' }] })
  assert.equal(sent('chat', '{"tools":[{"type":"custom","name":"x"}],"tools":null,"a":1}'), { a: 1 })
})

test('the edits for a model alias and for usage combine with those of the API', () => {
  const body = Buffer.from('{"model":"m","stream":true,"tools":null,"tool_choice":"auto"}')
  const found = peekFields(body)
  const others = [createUsageEdit(found), createModelEdit(found, 'other')].filter((edit) => edit !== null)
  const edits = sortEdits([...buildNativeRequest('chat', body).edits, ...others])
  assert.is(edited(body, edits), '{"model":"other","stream":true,"stream_options":{"include_usage":true}}')
})

const maybe = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arb, { nil: undefined })
const truth = fc.constantFrom<unknown>(true, false, null, 'true')
const object = fc.constantFrom<unknown>({}, { effort: 'low' }, { verbosity: null, format: 3 }, null, 'x', [])
const text = fc.constantFrom<unknown>('', 'a "b" \\n 🦊', null)
const block = fc.record({ type: fc.constantFrom('text', 'tool_use', 'input_text'), text: fc.string() })
const message = fc.oneof(
  fc.record({
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
    content: fc.oneof(text, fc.array(block, { maxLength: 3 })),
  }),
  fc.constantFrom<unknown>(null, 'system', {}, []),
)
const fields = {
  ...{
    model: maybe(word),
    temperature: maybe(fc.double({ noNaN: true })),
    user: maybe(word),
    n: maybe(count),
  },
  ...{
    tools: maybe(fc.oneof(fc.array(tool, { maxLength: 5 }), fc.constant(null))),
    tool_choice: maybe(toolChoice),
  },
  ...{
    parallel_tool_calls: maybe(truth),
    stream: maybe(truth),
    stop: maybe(fc.oneof(word, fc.constant(['a']))),
  },
  ...{ max_tokens: maybe(count), max_completion_tokens: maybe(count), max_output_tokens: maybe(count) },
  ...{ reasoning: maybe(object), text: maybe(object), reasoning_effort: maybe(word), verbosity: maybe(word) },
  ...{ logprobs: maybe(truth), seed: maybe(count), store: maybe(truth), stop_sequences: maybe(object) },
  ...{ system: maybe(fc.oneof(text, fc.array(block, { maxLength: 2 }))), messages: maybe(fc.array(message)) },
  service_tier: maybe(fc.constantFrom('auto', 'default', null, 'standard_only')),
  thinking: maybe(fc.constantFrom({ type: 'enabled', budget_tokens: 1024 }, { type: 'adaptive' }, null)),
  metadata: maybe(
    fc.constantFrom({}, { user_id: 'o' }, { user_id: null, cursorConversationId: 'c' }, null, 'x'),
  ),
  stream_options: maybe(
    fc.constantFrom(
      { include_usage: true },
      { include_usage: false, include_obfuscation: true },
      {},
      null,
      7,
    ),
  ),
  response_format: maybe(
    fc.constantFrom(...[{ type: 'text' }, { type: 'json_object' }, null, 'json'], {
      type: 'json_schema',
      json_schema: { name: 'n', schema: { a: [1, '}'] }, strict: true },
    }),
  ),
}

/** Members in any order. */
const anyBody = fc
  .record(fields)
  .chain((body) =>
    fc
      .shuffledSubarray(Object.keys(body), { minLength: 0 })
      .map((keys) => keys.map((key) => [key, body[key as keyof typeof body]] as const)),
  )
  .map((entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined)))

const anyLooseBody = fc.record({ body: anyBody, seed: fc.nat() }).map(({ body, seed }) => {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return loosely(body, random)
})

for (const [shape, options, model] of [
  ['responses', {}, responsesFor],
  ['messages', {}, messagesFor],
  ['chat', {}, (body: object) => chatFor({ ...body }, true, true)],
  ['chat', PLAIN, (body: object) => chatFor({ ...body }, false, false)],
] as const) {
  const plain = options === PLAIN ? ' with few capabilities' : ''
  test(`any ${shape} body${plain} changes by the rules, and all other bytes stay`, () => {
    fc.assert(
      fc.property(anyLooseBody, (body) => {
        assert.equal(sent(shape, body, options), model(JSON.parse(body)), body)
        const again = buildNativeRequest(
          shape,
          Buffer.from(JSON.stringify(sent(shape, body, options))),
          options,
        )
        assert.equal(again.edits, [], 'a changed body needs no further change')
      }),
      { numRuns: 500 },
    )
  })
}

test('the bytes of a long conversation stay the same', () => {
  const messages = Array.from({ length: 200 }, (_, n) => ({
    role: n % 2 ? 'user' : 'assistant',
    content: `é"${n}`,
  }))
  const head = `{"model":"m","messages":${JSON.stringify(messages)}`
  const body = Buffer.from(`${head},"system":"s","stream_options":{"include_usage":true},"max_tokens":5}`)
  const { edits } = buildNativeRequest('messages', body)
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const result = Buffer.from(edited(body, edits))
  const length = Buffer.byteLength(head)
  assert.is(hash(result.subarray(0, length)), hash(body.subarray(0, length)))
  assert.is(result.subarray(length).toString(), ',"system":"s","max_tokens":5}')
})

test.run()

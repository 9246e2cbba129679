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

/** What a body becomes, as a value; all bytes outside the changed spans were compared. */
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

test("of Cursor's Responses body, only what asks for a usage chunk is taken out", () => {
  assert.equal(changed('responses', RESPONSES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation, wrapped } = buildNativeRequest(
    'responses',
    Buffer.from(RESPONSES_BODY),
  )
  assert.equal([path, stream, includeUsage, wrapped], ['/responses', true, true, []])
  assert.is(conversation, '00000000-aaaa-bbbb-cccc-000000000001')
})

test("of Cursor's Messages body, only what asks for a usage chunk is taken out", () => {
  assert.equal(changed('messages', MESSAGES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation } = buildNativeRequest(
    'messages',
    Buffer.from(MESSAGES_BODY),
  )
  assert.equal([path, stream, includeUsage, conversation], ['/messages', true, true, null])
})

test("of Cursor's chat body, only the flat tool and the choice of tools are written anew", () => {
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

test('where there are no custom tools and no reasoning object, a custom tool becomes a function and the effort stands alone', () => {
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

test('a body that is as it should be is not changed at all', () => {
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

test('a call of a custom tool that comes back as one of a function is one of a custom tool again, with its output', () => {
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

test('a nested function on its way to Responses keeps its schema byte for byte, and stays as little strict as it was', () => {
  const body =
    '{"input":"x","tools":[ {"type":"function","function":{"name":"a","parameters":{"2":1.50, "1":1E2 }}} ,{"type":"function","name":"b"}]}'
  assert.equal(changed('responses', body), [
    [
      '{"type":"function","function":{"name":"a","parameters":{"2":1.50, "1":1E2 }}}',
      '{"type":"function","name":"a","parameters":{"2":1.50, "1":1E2 },"strict":false}',
    ],
  ])
})

test('what chat completions call otherwise is called by its name in Responses', () => {
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

test('ids of calls that are too long are shortened, alike in the call and in its result, and others are not', () => {
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

test('a Messages body gets the limit that it needs, and room to think in', () => {
  assert.equal(sent('messages', { messages: [], max_tokens: null }), { messages: [], max_tokens: 16_384 })
  assert.equal(sent('messages', { messages: [], max_completion_tokens: 7 }), { messages: [], max_tokens: 7 })
  const thinking = { type: 'enabled', budget_tokens: 20_000 }
  assert.equal(sent('messages', { messages: [], thinking }), { messages: [], thinking, max_tokens: 36_384 })
})

test("OpenAI's user is Claude's user_id, and nothing else stays in the metadata", () => {
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

test('one tool at a time is a part of the choice of tools in Messages', () => {
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

test('system messages ahead of a Messages body go beside the messages, later ones are said by the user', () => {
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

test('where there are no tools, a chat says nothing of how to use them', () => {
  const rest = { messages: [], tool_choice: 'auto', parallel_tool_calls: true }
  for (const tools of [null, [], undefined]) {
    assert.equal(sent('chat', { model: 'm', tools, ...rest }), { model: 'm', messages: [] })
  }
  assert.equal(sent('chat', '{"tools":null,"tool_choice":"auto"}'), {})
})

test('a body that cannot be read is left as it is, and nothing throws', () => {
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

test('whatever becomes of the bytes of a body, nothing throws, and no byte outside the spans is changed', () => {
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

test('of doubled keys the last counts, and all of them go if it goes', () => {
  const body =
    '{"n":1,"input":"x","tools":null,"n":2,"max_tokens":1,"max_tokens":2,"tools":[{"type":"custom"}]}'
  assert.equal(sent('responses', body), { input: 'x', max_output_tokens: 2, tools: [{ type: 'custom' }] })
  assert.equal(sent('chat', '{"tools":[{"type":"custom","name":"x"}],"tools":null,"a":1}'), { a: 1 })
})

test("a model's other name and a question for usage go along with what is changed here", () => {
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

/** Members in whatever order. */
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
  const plain = options === PLAIN ? ' where there is less of it' : ''
  test(`for any body, ${shape}${plain} is what the rules say, with all other bytes as they were`, () => {
    fc.assert(
      fc.property(anyLooseBody, (body) => {
        assert.equal(sent(shape, body, options), model(JSON.parse(body)), body)
        const again = buildNativeRequest(
          shape,
          Buffer.from(JSON.stringify(sent(shape, body, options))),
          options,
        )
        assert.equal(again.edits, [], 'what was changed once needs no change')
      }),
      { numRuns: 500 },
    )
  })
}

test('the bytes of a long conversation are the same ahead and behind, by their hash', () => {
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

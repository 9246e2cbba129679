import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Conversation } from '../../../src/translate/conversation.js'
import { repairItems } from '../../../src/translate/repair/items.js'
import { fc } from '../../support/property.js'
import { CHAT_BODY, loosely, MESSAGES_BODY, RESPONSES_BODY, tool, toolChoice } from '../bodies.js'
import { APIS, READERS, read, show } from './bodies.js'

/** Fields that mean the same in every reader. */
const FIELDS: readonly (readonly [body: string, fields: Partial<Conversation>])[] = [
  [
    '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    { model: '"m"', stream: true, includeUsage: true },
  ],
  ['{"model":7,"stream":"yes","stream_options":true}', { model: null, stream: false, includeUsage: false }],
  ['{"max_tokens":1e3}', { maxTokens: '1e3' }],
  ['{"max_completion_tokens":5,"max_tokens":null}', { maxTokens: '5' }],
  ['{"max_output_tokens":5}', { maxTokens: '5' }],
  ['{"temperature":1.0,"top_p":0.10,"top_k":40}', { temperature: '1.0', topP: '0.10', topK: '40' }],
  ['{"seed":2512292042121000001,"n":1}', { seed: '2512292042121000001', n: '1' }],
  ['{"seed":1,"seed":2}', { seed: '2' }],
  ['{"stop":"a"}', { stop: '["a"]' }],
  ['{"stop":["a", 7,"b"]}', { stop: '["a","b"]' }],
  ['{"stop_sequences":["a"],"stop":"b"}', { stop: '["a"]' }],
  ['{"stop":[]}', { stop: null }],
  ['{"reasoning":{"effort":"low"}}', { effort: 'low' }],
  ['{"reasoning_effort":"xhigh"}', { effort: 'xhigh' }],
  ['{"output_config":{"effort":"max"}}', { effort: 'max' }],
  ['{"reasoning":{"enabled":false}}', { effort: 'none' }],
  ['{"thinking":{"type":"disabled"}}', { effort: 'none', thinkingBudget: null }],
  ['{"thinking":{"type":"enabled","budget_tokens":8000}}', { effort: null, thinkingBudget: '8000' }],
  ['{"thinking":{"type":"adaptive"},"reasoning":{"max_tokens":9}}', { effort: null, thinkingBudget: '9' }],
  ['{"text":{"verbosity":"low"}}', { verbosity: '"low"' }],
  ['{"user":"u","metadata":{"user_id":"v"}}', { user: '"u"', metadata: '{"user_id":"v"}' }],
  ['{"metadata":{"user_id":"v"}}', { user: '"v"' }],
  ['{"service_tier":"flex","prompt_cache_key":"k"}', { serviceTier: '"flex"', promptCacheKey: '"k"' }],
  ['{"logprobs":true,"top_logprobs":2}', { logprobs: 'true', topLogprobs: '2' }],
  ['{"include":["message.output_text.logprobs"]}', { logprobs: 'true' }],
  ['{"logit_bias":{"1":-100}}', { logitBias: '{"1":-100}' }],
  ['{"response_format":{"type":"json_object"}}', { format: { kind: 'json' } }],
  ['{"response_format":{"type":"text"}}', { format: null }],
  ...[
    '{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"maximum":9223372036854775807},"strict":true}}}',
    '{"text":{"format":{"type":"json_schema","name":"n","schema":{"maximum":9223372036854775807},"strict":true}}}',
    '{"output_config":{"format":{"type":"json_schema","name":"n","schema":{"maximum":9223372036854775807},"strict":true}}}',
  ].map(
    (body) =>
      [
        body,
        {
          format: {
            kind: 'schema',
            name: '"n"',
            description: null,
            schema: '{"maximum":9223372036854775807}',
            strict: 'true',
          },
        },
      ] as [string, Partial<Conversation>],
  ),
]

test('fields are read by the names of all APIs', () => {
  for (const [body, fields] of FIELDS) {
    for (const api of APIS) {
      const conversation = read(api, body)
      for (const [key, value] of Object.entries(fields)) {
        assert.equal(conversation[key as keyof Conversation], value, `${api}: ${body}: ${key}`)
      }
    }
  }
})

test('of several limits, the one of the own API counts', () => {
  const body = '{"max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3}'
  assert.equal(
    APIS.map((api) => read(api, body).maxTokens),
    ['2', '3', '1'],
  )
})

test('the prompts beside the messages come first', () => {
  const body = { instructions: 'a', system: [{ type: 'text', text: 'b' }], input: 'c', messages: 'c' }
  for (const api of APIS) assert.equal(show(read(api, body).items), ['system: a', 'system: b', 'user: c'])
})

test('other fields keep their names and values, but for nulls', () => {
  const { others } = read('chat', '{"store":false,"x":null,"y":1.0,"background":true,"y":2.0,"z":3,"z":null}')
  assert.equal(
    [...others],
    [
      ['store', 'false'],
      ['y', '2.0'],
      ['background', 'true'],
    ],
  )
})

test('more other fields than any API has are not kept, unless one of them must be refused', () => {
  const many = Array.from({ length: 5000 }, (_, n) => `"k${n}":1`).join(',')
  const { others } = read('chat', `{${many},"previous_response_id":"resp_1"}`)
  assert.ok(others.size < 300)
  assert.is(others.get('previous_response_id'), '"resp_1"')
})

test('tools are read in all forms', () => {
  const schema = '{"type":"object","properties":{"n":{"maximum":9223372036854775807}}}'
  const grammar = { syntax: '"lark"', definition: '"start: X"' }
  const none = { description: null, schema: null, strict: null, grammar: null, cache: null }
  const described = { ...none, kind: 'function', name: 'f', description: '"d"', schema }
  const body = `{"tools":[
    {"type":"function","function":{"name":"f","description":"d","parameters":${schema}}},
    {"type":"function","name":"f","description":"d","parameters":${schema},"strict":true},
    {"name":"f","description":"d","input_schema":${schema},"cache_control":{"type":"ephemeral"}},
    {"type":"custom","name":"f","description":"d","input_schema":${schema}},
    {"name":"f","parameters":null},{"type":"function","function":{"name":"f","function":{}}},
    {"type":"custom","name":"p","format":{"type":"grammar","syntax":"lark","definition":"start: X"}},
    {"type":"custom","custom":{"name":"p","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: X"}}}},
    {"type":"custom","name":"p","format":{"type":"text"}},
    {"type":"web_search_20250305","name":"web_search"},{"type":"function"},null,[]]}`
  for (const api of APIS) {
    assert.equal(read(api, body).tools, [
      described,
      { ...described, strict: 'true' },
      { ...described, cache: '{"type":"ephemeral"}' },
      described,
      { ...none, kind: 'function', name: 'f' },
      { ...none, kind: 'function', name: 'f' },
      { ...none, kind: 'custom', name: 'p', grammar },
      { ...none, kind: 'custom', name: 'p', grammar },
      { ...none, kind: 'custom', name: 'p' },
    ])
    const legacy = read(api, '{"functions":[{"name":"f"}],"function_call":{"name":"f"}}')
    assert.equal(legacy.tools, [{ ...none, kind: 'function', name: 'f' }])
    assert.equal(legacy.toolChoice, { kind: 'one', name: 'f' })
  }
})

test('a choice of tools is read in all forms', () => {
  const one = { kind: 'one', name: 'f' }
  const rows: readonly (readonly [choice: unknown, read: unknown])[] = [
    ['auto', { kind: 'auto' }],
    ['required', { kind: 'any' }],
    [{ type: 'any' }, { kind: 'any' }],
    [{ type: 'none' }, { kind: 'none' }],
    [{ type: 'function', function: { name: 'f' } }, one],
    [{ type: 'function', name: 'f' }, one],
    [{ type: 'custom', custom: { name: 'f' } }, one],
    [{ type: 'tool', name: 'f' }, one],
    [{ type: 'tool', name: 'gone' }, null],
    [{ type: 'web_search_preview' }, null],
    [7, null],
    [
      { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }, { type: 'mcp' }] },
      { kind: 'allowed', mode: 'any', names: ['f'] },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { kind: 'allowed', mode: 'auto', names: ['f'] },
    ],
  ]
  for (const [tool_choice, expected] of rows) {
    const conversation = read('chat', { tools: [{ type: 'function', name: 'f' }], tool_choice })
    assert.equal(conversation.toolChoice, expected)
    assert.is(conversation.others.has('tool_choice'), expected === null)
    assert.is(read('chat', { tool_choice }).toolChoice, null)
  }
  const tools = [{ name: 'f', input_schema: {} }]
  assert.is(
    read('messages', { tools, tool_choice: { type: 'auto', disable_parallel_tool_use: true } }).parallelCalls,
    false,
  )
  assert.is(read('chat', { tools, parallel_tool_calls: true }).parallelCalls, true)
  assert.is(read('chat', { tools }).parallelCalls, null)
})

test("Cursor's bodies are read whole", () => {
  assert.equal(show(read('responses', RESPONSES_BODY).items), [
    'system: You edit code.',
    'user: rename foo',
    'call call_A1 Read({"path":"a.ts"})',
    'result call_A1: 1|foo',
  ])
  assert.equal(show(read('messages', MESSAGES_BODY).items), [
    'system: You edit code.*',
    'user: list files',
    'call toolu_1 LS(={"path":"."})',
    'result toolu_1: a.ts',
  ])
  const chat = read('chat', CHAT_BODY)
  assert.equal(show(chat.items), [
    'system: S',
    'user: ctx',
    'user: do it',
    'call call_B1 read_file({"target_file":"a"})',
    'result call_B1: text',
  ])
  assert.equal(
    chat.tools.map(({ kind, name }) => `${kind} ${name}`),
    ['function read_file', 'custom ApplyPatch'],
  )
})

test('numbers keep their digits wherever they are', () => {
  const number = '-2512292042121000001.50e+400'
  const body = `{"temperature":${number},"tools":[{"name":"f","input_schema":{"maximum":${number}}}],"messages":[
    {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":[${number}]}}]}]}`
  const { temperature, tools, items } = read('messages', body)
  assert.is(temperature, number)
  assert.is(tools[0]?.schema, `{"maximum":${number}}`)
  assert.equal(show(items), [`call t f(={"a":[${number}]})`])
})

test('a body that is no object is not read', () => {
  for (const api of APIS) {
    for (const text of ['', '{', '[]', 'null', '"x"', '{"a":1}}', '{"a" 1}']) {
      assert.is(READERS[api](Buffer.from(text)), null, text)
    }
    const deep = '['.repeat(50_000)
    const body = `{"messages":[{"role":"user","content":${deep}${']'.repeat(50_000)}}],"tool_choice":${deep}${']'.repeat(50_000)}}`
    assert.ok(READERS[api](Buffer.from(body)) !== null)
  }
})

const KEYS = [
  ...[
    'role',
    'type',
    'content',
    'text',
    'name',
    'id',
    'call_id',
    'tool_call_id',
    'tool_use_id',
    'tool_calls',
  ],
  ...[
    'function',
    'custom',
    'arguments',
    'input',
    'output',
    'function_call',
    'image_url',
    'url',
    'source',
    'data',
  ],
  ...['file', 'file_data', 'input_audio', 'cache_control', 'media_type', 'is_error', 'reasoning_content'],
]
const WORDS = [
  ...[
    'user',
    'assistant',
    'system',
    'tool',
    'function',
    'text',
    'tool_use',
    'tool_result',
    'thinking',
    'image',
  ],
  ...[
    'function_call',
    'function_call_output',
    'custom_tool_call',
    'reasoning',
    'image_url',
    'document',
    'base64',
    '',
    'f',
  ],
]
const { odd } = fc.letrec<{ odd: unknown }>((tie) => ({
  odd: fc.oneof(
    { maxDepth: 5, depthSize: 'medium' },
    fc.constantFrom<unknown>(null, true, 7, ...WORDS),
    fc.array(tie('odd'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('odd'), { maxKeys: 6 }),
  ),
}))

test('any value in any place is read without an error, and every copied value is valid JSON', () => {
  const fields = [
    'system',
    'instructions',
    'text',
    'include',
    'reasoning',
    'thinking',
    'metadata',
    'output_config',
    'stop',
    'x',
  ]
  const body = fc.record({
    messages: fc.oneof(fc.array(odd), odd),
    input: fc.oneof(fc.array(odd), odd),
    tools: fc.oneof(fc.array(tool, { maxLength: 3 }), odd),
    tool_choice: fc.oneof(toolChoice, odd),
    ...Object.fromEntries(fields.map((field) => [field, odd])),
  })
  fc.assert(
    fc.property(
      body,
      fc.constantFrom(...APIS),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      (each, api, stream) => {
        const conversation = read(
          api,
          loosely(each, () => stream.next().value as number),
        )
        show(repairItems(conversation.items))
        for (const item of conversation.items) {
          if (item.kind === 'message') assert.ok(item.parts.length > 0)
          if (item.kind === 'thinking') JSON.parse(item.json)
          if (item.kind === 'call' && item.input.form === 'object') JSON.parse(item.input.object)
        }
        for (const json of conversation.others.values()) JSON.parse(json)
      },
    ),
    { numRuns: 300 },
  )
})

test.run()

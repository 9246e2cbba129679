import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { detectBodyApi } from '../../../src/translate/request/detect-api.js'
import { fc } from '../../support/property.js'
import { CHAT_BODY, MESSAGES_BODY, RESPONSES_BODY, tool, toolChoice } from '../bodies.js'
import { translateToChat } from '../to-chat.js'

type Fields = Record<string, unknown>

function chat(shape: 'responses' | 'messages', body: object | string): Fields {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return JSON.parse(translateToChat(shape, Buffer.from(text)).toString())
}

const wrapped = (grammar: string): object => ({
  type: 'object',
  properties: { input: { type: 'string', description: `Has to match this lark grammar:\n${grammar}` } },
  required: ['input'],
})

test('the whole Responses body of Cursor becomes chat completions', () => {
  assert.equal(chat('responses', RESPONSES_BODY), {
    model: 'gpt-x-test',
    stream: true,
    user: 'u_hash_01',
    stream_options: { include_usage: true },
    messages: [
      { role: 'system', content: 'You edit code.' },
      { role: 'user', content: 'rename foo' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_A1', type: 'function', function: { name: 'Read', arguments: '{"path":"a.ts"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_A1', content: '1|foo' },
    ],
    reasoning_effort: 'medium',
    tools: [
      {
        type: 'function',
        function: {
          name: 'Shell',
          description: 'run',
          parameters: { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] },
        },
      },
      {
        type: 'function',
        function: { name: 'ApplyPatch', description: 'patch', parameters: wrapped('start: /.+/') },
      },
    ],
    tool_choice: 'auto',
  })
})

test('the whole Messages body of Cursor becomes chat completions', () => {
  const parameters = { type: 'object', properties: { path: { type: 'string' } } }
  assert.equal(chat('messages', MESSAGES_BODY), {
    model: 'claude-test-1-thinking',
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: 'system', content: 'You edit code.' },
      { role: 'user', content: 'list files' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'toolu_1', type: 'function', function: { name: 'LS', arguments: '{"path":"."}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'a.ts' },
    ],
    max_tokens: 4096,
    tools: [{ type: 'function', function: { name: 'LS', description: 'list', parameters } }],
    tool_choice: 'auto',
  })
})

test('items of Responses become messages: calls join the text ahead of them, images of results follow all results', () => {
  const image = { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'original' }
  const { messages } = chat('responses', {
    instructions: 'be brief',
    input: [
      {
        role: 'developer',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ],
      },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'see' },
          { ...image, detail: 'low' },
        ],
      },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'zzz' },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'I look.', annotations: [] }],
      },
      { type: 'function_call', call_id: 'c1', name: 'Shot', arguments: '{}' },
      { type: 'custom_tool_call', call_id: 'c2', name: 'ApplyPatch', input: '*** "x"' },
      { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'ok' }, image] },
      { type: 'custom_tool_call_output', call_id: 'c2', output: 'done' },
      { type: 'web_search_call', id: 'ws_1', status: 'completed' },
      { type: 'item_reference', id: 'x' },
      { role: 'user', content: 'go on' },
    ],
  })
  const url = 'data:image/png;base64,AA'
  assert.equal(messages, [
    { role: 'system', content: 'be brief' },
    { role: 'system', content: 'a\n\nb' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'see' },
        { type: 'image_url', image_url: { url, detail: 'low' } },
      ],
    },
    {
      role: 'assistant',
      content: 'I look.',
      tool_calls: [
        { id: 'c1', type: 'function', function: { name: 'Shot', arguments: '{}' } },
        {
          id: 'c2',
          type: 'function',
          function: { name: 'ApplyPatch', arguments: '{"input":"*** \\"x\\""}' },
        },
      ],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'ok' },
    { role: 'tool', tool_call_id: 'c2', content: 'done' },
    { role: 'user', content: [{ type: 'image_url', image_url: { url } }] },
    { role: 'user', content: 'go on' },
  ])
})

test("blocks of Messages become messages: results follow their calls directly, ahead of the user's text", () => {
  const source = { type: 'base64', media_type: 'image/png', data: 'AA' }
  const {
    messages,
    reasoning_effort: effort,
    user,
    stop,
    parallel_tool_calls: parallel,
    tool_choice: choice,
  } = chat('messages', {
    max_tokens: 9,
    system: 'S',
    stop_sequences: ['x'],
    metadata: { user_id: 'u' },
    thinking: { type: 'enabled', budget_tokens: 10_000 },
    tools: [
      { name: 'LS', input_schema: {} },
      { type: 'web_search_20250305', name: 'web_search' },
    ],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'see' },
          { type: 'image', source },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'text', text: 'I look.' },
          { type: 'tool_use', id: 't1', name: 'LS', input: { a: 1 } },
          { type: 'tool_use', id: 't2', name: 'LS', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'and?' },
          {
            type: 'tool_result',
            tool_use_id: 't1',
            content: [
              { type: 'text', text: 'r' },
              { type: 'image', source },
            ],
          },
          { type: 'tool_result', tool_use_id: 't2', is_error: true },
        ],
      },
    ],
  })
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }
  assert.equal(messages, [
    { role: 'system', content: 'S' },
    { role: 'user', content: [{ type: 'text', text: 'see' }, image] },
    {
      role: 'assistant',
      content: 'I look.',
      tool_calls: [
        { id: 't1', type: 'function', function: { name: 'LS', arguments: '{"a":1}' } },
        { id: 't2', type: 'function', function: { name: 'LS', arguments: '{}' } },
      ],
    },
    { role: 'tool', tool_call_id: 't1', content: 'r' },
    { role: 'tool', tool_call_id: 't2', content: '' },
    { role: 'user', content: [image] },
    { role: 'user', content: 'and?' },
  ])
  assert.equal([effort, user, stop, parallel, choice], ['medium', 'u', ['x'], false, 'required'])
})

test('formats, limits and efforts get the names that chat completions have for them', () => {
  const format = { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true }
  const { type: _, ...inner } = format
  const { response_format, max_tokens, reasoning_effort, messages, ...rest } = chat('responses', {
    model: 'm',
    input: 'hi',
    max_output_tokens: 5,
    reasoning: { effort: 'low' },
    text: { format },
    store: true,
    previous_response_id: 'resp_1',
    metadata: { a: 'b' },
    tool_choice: 'auto',
    stream: false,
  })
  assert.equal(response_format, { type: 'json_schema', json_schema: inner })
  assert.equal([max_tokens, reasoning_effort, messages], [5, 'low', [{ role: 'user', content: 'hi' }]])
  assert.equal(rest, { model: 'm' })
  assert.is(chat('messages', { output_config: { effort: 'max' }, messages: [] }).reasoning_effort, 'high')
})

test('a longer conversation begins with the same bytes as the shorter one', () => {
  const turns = [
    ...[
      { role: 'user', content: 'a' },
      { role: 'assistant', content: [{ type: 'output_text', text: 'b' }] },
    ],
    ...[{ type: 'function_call', call_id: 'c', name: 'n', arguments: '{}' }],
    ...[
      { type: 'function_call_output', call_id: 'c', output: 'x' },
      { role: 'user', content: 'd' },
    ],
  ]
  const short = JSON.stringify(chat('responses', { input: turns.slice(0, 4) }).messages)
  const long = JSON.stringify(chat('responses', { input: turns }).messages)
  assert.ok(long.startsWith(short.slice(0, -1)))
})

test('a body that is unreadable, or a chat already, stays as it is', () => {
  for (const text of ['', '{', '[]', 'null', '"x"', RESPONSES_BODY.slice(0, -1)]) {
    for (const shape of ['responses', 'messages'] as const) {
      assert.is(translateToChat(shape, Buffer.from(text)).toString(), text)
    }
  }
  assert.is(translateToChat('chat', Buffer.from(CHAT_BODY)).toString(), CHAT_BODY)
  const deep = `{"messages":[],"system":"s","thinking":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
  assert.ok(translateToChat('messages', Buffer.from(deep)).length > 0)
})

test('any body becomes a chat with functions only', () => {
  const odd = fc.constantFrom<unknown>(
    null,
    7,
    'x',
    {},
    [],
    [null],
    [{ type: 'text' }],
    [{ type: 'text', text: 'x' }],
  )
  const item = fc.oneof(
    fc.record({ role: fc.constantFrom<unknown>('user', 'assistant', 'system', 'tool', null), content: odd }),
    fc.record({
      type: fc.constantFrom(
        'function_call',
        'function_call_output',
        'custom_tool_call',
        'reasoning',
        'message',
      ),
      call_id: odd,
      name: odd,
      arguments: odd,
      input: odd,
      output: odd,
    }),
    fc.record({
      role: fc.constantFrom('user', 'assistant'),
      content: fc.array(
        fc.record({
          type: fc.constantFrom('tool_use', 'tool_result', 'image'),
          id: odd,
          content: odd,
          source: odd,
        }),
      ),
    }),
    odd,
  )
  const list = fc.oneof(fc.array(item, { maxLength: 6 }), odd)
  const body = fc.record({
    model: odd,
    input: list,
    messages: list,
    system: odd,
    instructions: odd,
    text: odd,
    include: odd,
    reasoning: odd,
    thinking: odd,
    metadata: odd,
    output_config: odd,
    stop_sequences: odd,
    tools: fc.oneof(fc.array(tool, { maxLength: 4 }), odd),
    tool_choice: fc.oneof(toolChoice, odd),
  })
  fc.assert(
    fc.property(body, (each) => {
      for (const shape of ['responses', 'messages'] as const) {
        const result = chat(shape, each)
        assert.ok(Array.isArray(result.messages))
        for (const made of (result.tools ?? []) as Fields[]) assert.is(made.type, 'function')
        assert.is(
          detectBodyApi(translateToChat(shape, Buffer.from(JSON.stringify(each)))) === 'responses',
          false,
        )
      }
    }),
    { numRuns: 500 },
  )
})

/** One call, or two with one id, and their results. */
type Turn = readonly string[]

const BODIES = {
  responses: (turns: readonly Turn[]) => ({
    input: turns.flatMap((ids): object[] => [
      { role: 'user', content: 'go on' },
      ...ids.map((id) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })),
      ...ids.map((id, n) => ({ type: 'function_call_output', call_id: id, output: `found ${n}` })),
    ]),
  }),
  messages: (turns: readonly Turn[]) => ({
    messages: turns.flatMap((ids): object[] => [
      { role: 'user', content: 'go on' },
      { role: 'assistant', content: ids.map((id) => ({ type: 'tool_use', id, name: 'f', input: {} })) },
      {
        role: 'user',
        content: ids.map((id, n) => ({ type: 'tool_result', tool_use_id: id, content: `found ${n}` })),
      },
    ]),
  }),
} as const

/** The ids of each message's calls or result. */
function listIds(shape: keyof typeof BODIES, turns: readonly Turn[]): unknown[][] {
  const sent = translateToChat(shape, Buffer.from(JSON.stringify(BODIES[shape](turns)))).toString()
  const { messages } = JSON.parse(sent) as { messages: Fields[] }
  return messages
    .filter(({ role }) => role !== 'user')
    .map(({ tool_calls, tool_call_id }) =>
      tool_call_id === undefined ? (tool_calls as Fields[]).map(({ id }) => id) : [tool_call_id],
    )
}

test('a model gets its own ids of calls back from each shape, also those that come again in a later turn', () => {
  for (const shape of ['responses', 'messages'] as const) {
    const ids = listIds(shape, [['functions.Grep:3'], ['functions.Grep:3', 'functions.Read:4']])
    assert.equal(ids, [
      ...[['functions.Grep:3'], ['functions.Grep:3']],
      ...[['functions.Grep:3', 'functions.Read:4'], ['functions.Grep:3'], ['functions.Read:4']],
    ])
    assert.equal(listIds(shape, [['a', 'a']]), [['a', 'a_2'], ['a'], ['a_2']])
  }
})

test('ids of calls are the same from each shape', () => {
  const id = fc.constantFrom('functions.Grep:3', 'functions.Grep:3', 'a', 'a_2', 'x'.repeat(41), 'é b')
  fc.assert(
    fc.property(fc.array(fc.array(id, { minLength: 1, maxLength: 3 }), { maxLength: 4 }), (turns) => {
      const expected = listIds('responses', turns)
      assert.equal(listIds('messages', turns), expected)
    }),
  )
})

test.run()

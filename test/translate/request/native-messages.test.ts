import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { edited, MESSAGES_BODY } from '../bodies.js'
import { build, changed, sent } from '../native.js'

test("only the request for a usage chunk is removed from Cursor's Messages body", () => {
  assert.equal(changed('messages', MESSAGES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation } = build('messages', Buffer.from(MESSAGES_BODY))
  assert.equal([path, stream, includeUsage, conversation], ['/messages', true, true, null])
})

test('a Messages body gets the required max_tokens, with room for its thinking budget', () => {
  assert.equal(sent('messages', { messages: [], max_tokens: null }), { messages: [], max_tokens: 16_384 })
  assert.equal(sent('messages', { messages: [], max_completion_tokens: 7 }), { messages: [], max_tokens: 7 })
  const thinking = { type: 'enabled', budget_tokens: 20_000 }
  assert.equal(sent('messages', { messages: [], thinking }), { messages: [], thinking, max_tokens: 36_384 })
})

test('a limit above what the model takes becomes its own limit, under whatever name it comes', () => {
  const target = { maxOutputTokens: 4_096 }
  for (const [given, wanted] of [
    [{ max_tokens: 8_192 }, 4_096],
    [{ max_completion_tokens: 8_192 }, 4_096],
    [{ max_output_tokens: 1e9, max_completion_tokens: null }, 4_096],
    [{ max_tokens: 4_096 }, 4_096],
    [{ max_tokens: 7 }, 7],
    [{}, 4_096],
  ] as const)
    assert.equal(sent('messages', { messages: [], ...given }, target), { messages: [], max_tokens: wanted })
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
  assert.is(build('messages', Buffer.from(text)).conversation, 'c-1')
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

test('the bytes of a long conversation stay the same', () => {
  const messages = Array.from({ length: 200 }, (_, n) => ({
    role: n % 2 ? 'user' : 'assistant',
    content: `é"${n}`,
  }))
  const head = `{"model":"m","messages":${JSON.stringify(messages)}`
  const body = Buffer.from(`${head},"system":"s","stream_options":{"include_usage":true},"max_tokens":5}`)
  const { edits } = build('messages', body)
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const result = Buffer.from(edited(body, edits))
  const length = Buffer.byteLength(head)
  assert.is(hash(result.subarray(0, length)), hash(body.subarray(0, length)))
  assert.is(result.subarray(length).toString(), ',"system":"s","max_tokens":5}')
})

test.run()

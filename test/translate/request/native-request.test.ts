import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { createModelEdits, createUsageEdit, type Edit } from '../../../src/json/edits.js'
import { sortEdits } from '../../../src/json/object-edits.js'
import { peekFields } from '../../../src/json/peek.js'
import { CHAT_BODY, changes, edited, RESPONSES_BODY } from '../bodies.js'
import { build, changed, PLAIN, sent } from '../native.js'

test("only the flat tool and the tool choice of Cursor's chat body are rewritten", () => {
  const flat =
    '{"type":"custom","name":"ApplyPatch","format":{"type":"grammar","syntax":"lark","definition":"start: X"}}'
  const nested =
    '{"type":"custom","custom":{"name":"ApplyPatch","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: X"}}}}'
  assert.equal(changed('chat', CHAT_BODY), [
    [flat, nested],
    ['{"type":"auto"}', '"auto"'],
  ])
  const { path, includeUsage } = build('chat', Buffer.from(CHAT_BODY))
  assert.equal([path, includeUsage], ['/chat/completions', false])
})

test('for an upstream without custom tools and reasoning objects, a custom tool becomes a function and the effort a member', () => {
  const { edits, wrapped } = build('chat', Buffer.from(CHAT_BODY), PLAIN)
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
      '\ufeff\ufeff{"n":1}',
      '{"n":1',
      '{"tools":[{"type":"custom",}]}',
      RESPONSES_BODY.slice(0, -1),
    ],
  ]
  for (const shape of ['chat', 'responses', 'messages'] as const) {
    for (const text of broken) {
      const { edits, stream, conversation } = build(shape, Buffer.from(text))
      assert.equal([edits, stream, conversation], [[], false, null], text)
    }
  }
  const deep = Buffer.from(`{"n":1,"messages":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
  assert.is(build('chat', deep).edits.length, 0)
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
  const others = [createUsageEdit(found) as Edit, ...createModelEdits(found, 'other')]
  const edits = sortEdits([...build('chat', body).edits, ...others])
  assert.is(edited(body, edits), '{"model":"other","stream":true,"stream_options":{"include_usage":true}}')
})

test.run()

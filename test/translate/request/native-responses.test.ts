import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RESPONSES_BODY } from '../bodies.js'
import { build, changed, sent } from '../native.js'

test("only the request for a usage chunk is removed from Cursor's Responses body", () => {
  assert.equal(changed('responses', RESPONSES_BODY), [[',"stream_options":{"include_usage":true}', '']])
  const { path, stream, includeUsage, conversation, wrapped } = build(
    'responses',
    Buffer.from(RESPONSES_BODY),
  )
  assert.equal([path, stream, includeUsage, wrapped], ['/responses', true, true, []])
  assert.is(conversation, '00000000-aaaa-bbbb-cccc-000000000001')
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
  // Without the tool, its kind is unknown.
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
    model: 'm',
    input: 'x',
    n: 1,
    stop: ['a'],
    max_tokens: 5,
    max_completion_tokens: 6,
    verbosity: 'low',
    response_format: { type: 'json_schema', json_schema: schema },
    reasoning_effort: 'high',
    user: 'u',
    stream_options: { include_usage: true, include_obfuscation: false },
  }
  assert.equal(sent('responses', body), {
    model: 'm',
    input: 'x',
    max_output_tokens: 6,
    user: 'u',
    reasoning: { effort: 'high' },
    text: { format: { type: 'json_schema', ...schema }, verbosity: 'low' },
    stream_options: { include_obfuscation: false },
  })
})

test('call ids that are too long for Responses are shortened in the call and in its result alike', () => {
  const long = `call_${'é'.repeat(70)}\nfc_1`
  const just = `fc_${'x'.repeat(61)}`
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
  assert.is(build('responses', Buffer.from(JSON.stringify(body))).edits.length, 2)
})

test.run()

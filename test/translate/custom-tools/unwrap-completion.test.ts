import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unwrapCompletion } from '../../../src/translate/custom-tools/unwrap-completion.js'
import { selectTranslation } from '../../../src/translate/response/select.js'
import { translate } from '../chunks.js'

const TOOLS = ['ApplyPatch', 'Sketch']

const COMPLETION =
  '{ "id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[' +
  '{"id":"a","type":"function","function":{"name":"Shell","arguments":"{\\"input\\":\\"ls\\"}"}},\n' +
  '{"id":"b","type":"function","function":{"arguments":"{\\"input\\": \\"*** Begin\\\\n\\\\ud83e\\\\udd8a\\"}","name":"ApplyPatch"} },' +
  '{"id":"c","type":"function","function":{"name":"ApplyPatch","arguments":"{\\"input\\":\\"x\\",\\"y\\":1}"}}' +
  ']},"finish_reason":"tool_calls"}],"usage":{"total_tokens":1.0}}\n'

const UNWRAPPED = COMPLETION.replace(
  '"{\\"input\\": \\"*** Begin\\\\n\\\\ud83e\\\\udd8a\\"}"',
  '"*** Begin\\n🦊"',
).replace('"{\\"input\\":\\"x\\",\\"y\\":1}"', '"x"')

test('in a whole completion, only wrapped arguments of wrapped tools change', () => {
  assert.is.not(UNWRAPPED, COMPLETION)
  assert.is(unwrapCompletion(Buffer.from(COMPLETION), TOOLS).toString(), UNWRAPPED)
})

test('bodies without wrapped calls keep their bytes', () => {
  for (const text of ['', '{', '[]', '<html>"tool_calls"', '{"choices":[{"message":{"tool_calls":null}}]}'])
    assert.is(unwrapCompletion(Buffer.from(text), TOOLS).toString(), text)
  assert.is(unwrapCompletion(Buffer.from(COMPLETION), ['Other']).toString(), COMPLETION)
})

test('a whole completion is unwrapped when it is complete, and a blank line ahead of it stays', () => {
  const facts = { from: 'chat', status: 200, eventStream: false, includeUsage: false, model: null } as const
  const whole = selectTranslation({ ...facts, wrapped: TOOLS })
  assert.ok(whole !== null)
  assert.is(translate(whole, [Buffer.from(`\n${COMPLETION}`)]), `\n${UNWRAPPED}`)
})

test.run()

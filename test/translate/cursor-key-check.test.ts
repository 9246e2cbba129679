import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createKeyCheckResponse, isKeyCheck } from '../../src/translate/cursor-key-check.js'

function check(system: string, user: string, more: object = {}): boolean {
  const messages = [
    { role: 'system', content: system },
    { role: 'user', content: user },
  ]
  const body = { model: 'claude-4-sonnet', messages, temperature: 1, max_tokens: 10, stream: false, ...more }
  return isKeyCheck(Buffer.from(JSON.stringify(body, null, 1)))
}

test("Cursor's two key checks are recognized by their text, whatever the model is", () => {
  assert.ok(check('You are a helpful assistant.', 'Test prompt using gpt-3.5-turbo'))
  assert.ok(
    check('You are a helpful assistant.', 'Test prompt using gpt-3.5-turbo', { model: 'x', stream: null }),
  )
  assert.ok(
    check('You are a test assistant.', 'Testing. Just say hi and nothing else.', { max_tokens: null }),
  )
})

test('a chat that resembles a key check is not one', () => {
  const [system, user] = ['You are a helpful assistant.', 'Test prompt using gpt-3.5-turbo']
  assert.not.ok(check(system, `${user}. Why?`))
  assert.not.ok(check(system, 'Test prompt using the new API'))
  assert.not.ok(check('You edit code.', user))
  assert.not.ok(check('You are a test assistant.', user))
  assert.not.ok(check(system, user, { stream: true }))
  assert.not.ok(check(system, user, { tools: [{}] }))
  assert.not.ok(check(system, user, { messages: [{ role: 'user', content: user }] }))
  assert.not.ok(check(system, user, { padding: 'x'.repeat(2000) }))
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"messages":null}',
    '{"messages":[null,null]}',
    '{"messages":[1,2]}',
  ]) {
    assert.not.ok(isKeyCheck(Buffer.from(text)), text)
  }
})

test('the local answer to a key check is a chat completion with zero usage', () => {
  const answer = createKeyCheckResponse('gpt-x-test') as Record<string, unknown>
  assert.is(answer.object, 'chat.completion')
  assert.is(answer.model, 'gpt-x-test')
  assert.equal(answer.usage, { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })
  assert.ok(Number.isInteger(answer.created))
})

test.run()

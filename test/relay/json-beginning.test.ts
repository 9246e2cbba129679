import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Beginning } from '../../src/relay/first-content.js'
import { JsonBeginning } from '../../src/relay/json-beginning.js'
import { fc } from '../support/property.js'

/** Feeds a body in pieces of this size. @returns what was found, and after how many bytes at most */
function feed(text: string, size: number): { found: Beginning; after: number; word: string | undefined } {
  const reader = new JsonBeginning()
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) {
    const found = reader.push(bytes.subarray(at, at + size))
    if (found !== 'empty') return { found, after: Math.min(bytes.length, at + size), word: undefined }
  }
  return { found: reader.end(), after: bytes.length, word: reader.facts?.words[0] }
}

const ERRORS: readonly (readonly [object, string | undefined])[] = [
  [{ error: { type: 'server_error', message: 'x' } }, 'server_error'],
  [{ type: 'error', error: { type: 'overloaded_error' } }, 'overloaded_error'],
  [{ request_id: 'r', error: { code: '1302' } }, '1302'],
  [{ object: 'error', message: 'x', type: 'NotFoundError', code: 404 }, 'notfounderror'],
  [{ error: 'overloaded' }, undefined],
  [
    { id: 'r', object: 'response', status: 'failed', error: { code: 'server_error' }, output: [] },
    'server_error',
  ],
  [{ code: 500, success: false, errors: [{ message: 'x' }] }, '500'],
]

const ANSWERS: readonly unknown[] = [
  { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [] },
  { id: 'm', type: 'message', role: 'assistant', content: [] },
  { id: 'r', object: 'response', created_at: 1.5, status: 'completed', error: null, output: [] },
  { object: 'list', data: [] },
  { candidates: [{}] },
  { input_tokens: 5 },
  { id: 'x', error: null, incomplete_details: { reason: 'x' } },
  { model: 'a "quoted" one', response: 'x' },
  [],
  [{ error: {} }],
  {},
  'text',
  5,
]

test('an error in place of an answer is found, wherever the pieces are cut', () => {
  for (const [body, word] of ERRORS)
    for (const text of [JSON.stringify(body), JSON.stringify(body, null, 2), `\ufeff${JSON.stringify(body)}`])
      for (const size of [1, 2, 7, 1_000]) {
        const { found, word: told } = feed(text, size)
        assert.is(found, 'error', text)
        assert.is(told, word, text)
      }
})

test('an answer is passed on, wherever the pieces are cut', () => {
  for (const body of ANSWERS)
    for (const text of [JSON.stringify(body), JSON.stringify(body, null, 2)])
      for (const size of [1, 3, 1_000]) assert.is(feed(text, size).found, 'content', text)
})

test('an answer is passed on as soon as a member shows it, and no later than after two kilobytes', () => {
  const { after } = feed(`{"id":"x","choices":[${'1,'.repeat(50_000)}1]}`, 16)
  assert.ok(after <= 32, String(after))
  assert.ok(feed(`{"id":"${'x'.repeat(50_000)}"}`, 16).after <= 2_100)
  assert.ok(feed(`{"error":"${'x'.repeat(100_000)}"}`, 16).after <= 66_000)
})

test('a body without anything in it is empty, and what is no JSON is passed on', () => {
  for (const text of ['', ' ', '\n\n \r\n']) assert.is(feed(text, 1).found, 'empty')
  for (const text of ['x', '<html>', '{x', '{"id" 5', '{"id":{', '{"error":{"a"'])
    assert.is(feed(text, 1).found, 'content')
})

test('any body is judged without an exception, and alike however it is cut', () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 1, max: 40 }), (text, size) => {
      assert.is(feed(text, size).found, feed(text, 10_000).found)
      const wrapped = `{"id":1,"error":${text}}`
      assert.is(feed(wrapped, size).found, feed(wrapped, 10_000).found)
    }),
  )
})

test.run()

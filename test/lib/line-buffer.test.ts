import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LineBuffer } from '../../src/lib/line-buffer.js'

test('lines are taken out together, as UTF-8 and in their order', () => {
  const buffer = new LineBuffer()
  for (const line of ['a\n', 'naïve 🦊\n', 'z\n']) buffer.add(line)
  assert.is(buffer.bytes, Buffer.byteLength('a\nnaïve 🦊\nz\n'))
  assert.is(buffer.take().toString(), 'a\nnaïve 🦊\nz\n')
  assert.is(buffer.bytes, 0)
  assert.is(buffer.take().length, 0)
})

test('lines that were taken out do not change when more lines come', () => {
  const buffer = new LineBuffer()
  buffer.add('first\n')
  const taken = buffer.take()
  buffer.add('other\n')
  assert.is(taken.toString(), 'first\n')
})

test('lines of any length are kept whole', () => {
  const buffer = new LineBuffer()
  const lines = [10, 70_000, 3, 2_000_000, 5].map((length) => `${'é'.repeat(length)}\n`)
  for (const line of lines) buffer.add(line)
  assert.ok(buffer.take().equals(Buffer.from(lines.join(''))))
  buffer.add('after\n')
  assert.is(buffer.take().toString(), 'after\n')
})

test.run()

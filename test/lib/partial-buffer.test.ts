import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PartialBuffer } from '../../src/lib/partial-buffer.js'
import { fc } from '../support/property.js'

test('chunks are put together from the given start of each, whatever their sizes', () => {
  const chunk = fc.tuple(fc.uint8Array({ maxLength: 3_000 }), fc.nat(3_000))
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 20 }), (chunks) => {
      const buffer = new PartialBuffer()
      const expected: Buffer[] = []
      for (const [bytes, at] of chunks) {
        const start = Math.min(at, bytes.length)
        buffer.add(Buffer.from(bytes), start)
        expected.push(Buffer.from(bytes.subarray(start)))
      }
      const whole = Buffer.concat(expected)
      assert.is(buffer.bytes, whole.length)
      assert.is(buffer.beginning(5), whole.toString('latin1', 0, 5))
      assert.ok(buffer.take().equals(whole))
      assert.is(buffer.bytes, 0)
    }),
  )
})

test('a chunk may change after it was added', () => {
  const buffer = new PartialBuffer()
  const chunk = Buffer.from('abc')
  buffer.add(chunk)
  chunk.fill(0)
  assert.is(buffer.take().toString(), 'abc')
})

test('the buffer can be used again after its bytes were taken, large ones too', () => {
  const buffer = new PartialBuffer()
  for (const length of [10, 100_000, 20]) {
    buffer.add(Buffer.alloc(length, 'x'))
    assert.is(buffer.take().toString(), 'x'.repeat(length))
  }
})

test.run()

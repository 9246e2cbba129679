import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RecentOutputs } from '../../src/limits/recent-outputs.js'
import { fc } from '../support/property.js'

const USUAL = 1_000

test('the expected length is the 95th percentile of the last 64 answers, however they come', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(9), fc.nat(100_000)), { maxLength: 200 }), (lengths) => {
      const outputs = new RecentOutputs()
      for (const [i, length] of lengths.entries()) {
        outputs.add('m', length)
        const kept = lengths.slice(Math.max(0, i - 63), i + 1).sort((one, other) => one - other)
        assert.is(outputs.expect('m'), kept[Math.ceil(kept.length * 0.95) - 1])
      }
    }),
  )
})

test('a model that has not answered, and a request that names none, are expected to use the usual number', () => {
  const outputs = new RecentOutputs()
  outputs.add('other', 5)
  assert.is(outputs.expect('m'), USUAL)
  assert.is(outputs.expect(null), USUAL)
})

test('of more than five hundred models those are forgotten that have not answered for longest', () => {
  const outputs = new RecentOutputs()
  for (let n = 0; n < 500; n++) outputs.add(`m${n}`, 5)
  outputs.add('m0', 6)
  outputs.add('m0', 6)
  for (let n = 500; n < 510; n++) outputs.add(`m${n}`, 5)
  assert.is(outputs.expect('m0'), 6)
  assert.is(outputs.expect('m10'), USUAL)
  assert.is(outputs.expect('m11'), 5)
})

test.run()

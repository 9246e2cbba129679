import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TokenEstimator } from '../../src/metering/token-estimator.js'
import { fc } from '../support/property.js'
import { median, TEXTS } from './texts.js'

function gauged(...pieces: readonly Buffer[]): number {
  const estimator = new TokenEstimator()
  for (const piece of pieces) estimator.takeAll(piece)
  return estimator.tokens
}

for (const [kind, texts] of Object.entries(TEXTS)) {
  const errors = texts.map((text) => Math.abs(gauged(Buffer.from(text)) / encode(text).length - 1))
  const half = median(errors)
  const told = `${(half * 100).toFixed(1)} % off in the median of ${texts.length} texts`
  test(`tokens of ${kind} are estimated to less than a tenth: ${told}`, () => {
    assert.ok(half < 0.1, told)
    // All of them together: what an account adds up.
    const sum = texts.reduce((total, text) => total + gauged(Buffer.from(text)), 0)
    const true_ = texts.reduce((total, text) => total + encode(text).length, 0)
    assert.ok(Math.abs(sum / true_ - 1) < 0.1, `${sum} of ${true_}`)
  })
}

test('a text of nothing has no tokens, and one of one word has one', () => {
  assert.is(gauged(), 0)
  assert.is(gauged(Buffer.from('hello')), 1)
  assert.is(gauged(Buffer.from('2024')), 3)
})

test('however a text is cut, its estimate is the same', () => {
  const text = fc.string({ unit: 'binary', maxLength: 200 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(200)), (all, cuts) => {
      const bytes = Buffer.from(all)
      const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b)
      const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      assert.is(gauged(...pieces), gauged(bytes))
    }),
  )
})

test('what was taken since a mark can be taken back', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'binary' }), fc.string(), (before, lost, after) => {
      const estimator = new TokenEstimator()
      estimator.takeAll(Buffer.from(before))
      estimator.mark()
      estimator.takeAll(Buffer.from(lost))
      estimator.rewind()
      estimator.takeAll(Buffer.from(after))
      assert.is(estimator.tokens, gauged(Buffer.from(before), Buffer.from(after)))
    }),
  )
})

test.run()

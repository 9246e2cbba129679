import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TokenEstimator } from '../../src/metering/token-estimator.js'
import { fc } from '../support/property.js'
import { median, TEXTS } from './texts.js'

function estimate(...chunks: readonly Buffer[]): number {
  const estimator = new TokenEstimator()
  for (const chunk of chunks) estimator.takeAll(chunk)
  return estimator.tokens
}

for (const [kind, texts] of Object.entries(TEXTS)) {
  const errors = texts.map((text) => Math.abs(estimate(Buffer.from(text)) / encode(text).length - 1))
  const half = median(errors)
  const errorText = `${(half * 100).toFixed(1)} % off in the median of ${texts.length} texts`
  test(`tokens of ${kind} are estimated to less than a tenth: ${errorText}`, () => {
    assert.ok(half < 0.1, errorText)
    // The error of the sum, which reports add up.
    const sum = texts.reduce((total, text) => total + estimate(Buffer.from(text)), 0)
    const true_ = texts.reduce((total, text) => total + encode(text).length, 0)
    assert.ok(Math.abs(sum / true_ - 1) < 0.1, `${sum} of ${true_}`)
  })
}

test('an empty text has no tokens, and a short word has one', () => {
  assert.is(estimate(), 0)
  assert.is(estimate(Buffer.from('hello')), 1)
  assert.is(estimate(Buffer.from('2024')), 3)
})

test('the estimate of a text does not depend on its chunks', () => {
  const text = fc.string({ unit: 'binary', maxLength: 200 })
  fc.assert(
    fc.property(text, fc.array(fc.nat(200)), (all, cuts) => {
      const bytes = Buffer.from(all)
      const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b)
      const chunks = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      assert.is(estimate(...chunks), estimate(bytes))
    }),
  )
})

test('rewind forgets the bytes since the last mark', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'binary' }), fc.string(), (before, lost, after) => {
      const estimator = new TokenEstimator()
      estimator.takeAll(Buffer.from(before))
      estimator.mark()
      estimator.takeAll(Buffer.from(lost))
      estimator.rewind()
      estimator.takeAll(Buffer.from(after))
      assert.is(estimator.tokens, estimate(Buffer.from(before), Buffer.from(after)))
    }),
  )
})

test.run()

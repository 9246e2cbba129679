import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addWhole, formatWhole, parseWhole, type Whole } from '../../../src/ledger/read/whole.js'
import { formatNanoUsd, parseNanoUsd } from '../../../src/lib/nano-usd.js'
import { fc } from '../../support/property.js'

const known = fc.oneof(fc.maxSafeNat(), fc.nat(1_000), fc.bigInt({ min: 0n, max: 2n ** 80n }))

test('a sum is exact in any order, however large', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(known, fc.constant(null))), fc.nat(20), (values, at) => {
      const add = (some: readonly (Whole | null)[]): Whole | null => some.reduce(addWhole, null)
      const all = values.filter((value) => value !== null)
      const right = all.length === 0 ? null : all.reduce((sum: bigint, value) => sum + BigInt(value), 0n)
      // In two parts, the second one backwards, and through JSON.
      const parts = [values.slice(0, at), values.slice(at).reverse()].map(add)
      const sums = [
        add(values),
        add(parts),
        add(parts.map((part) => parseWhole(JSON.parse(formatWhole(part))))),
      ]
      for (const sum of sums) assert.is(sum === null ? null : BigInt(sum), right)
    }),
  )
})

test('dollars are the nearest number to the sum of their nano-dollars', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2_000_000_000), { minLength: 1 }), (nanos) => {
      const sum = nanos
        .map((nano) => parseNanoUsd(nano / 1e9) as Whole)
        .reduce((a, b) => addWhole(a, b) as Whole)
      const right = nanos.reduce((a, b) => a + BigInt(b), 0n)
      assert.is(BigInt(sum), right)
      assert.is(Number(formatNanoUsd(sum)), Number(`${right}e-9`))
    }),
  )
  assert.is(Number(formatNanoUsd(9_007_199_254_740_993_500_000_000n)), 9_007_199_254_740_994)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatNanoUsd, parseNanoUsd } from '../../src/lib/nano-usd.js'
import { fc } from '../support/property.js'

/** By moving digits alone. */
function write(nano: bigint): string {
  const digits = String(nano).padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return digits.slice(0, -9) + (fraction === '' ? '' : `.${fraction}`)
}

test('an amount is written as a decimal number, without an exponent and without zeros at its end', () => {
  for (const [nano, text] of [
    [0, '0'],
    [1, '0.000000001'],
    [10, '0.00000001'],
    [62_200, '0.0000622'],
    [999_999_999, '0.999999999'],
    [100_000_000, '0.1'],
    [1_000_000_000, '1'],
    [1_500_000_000, '1.5'],
    [10_000_000_000, '10'],
    [12_345_678_901_234, '12345.678901234'],
    [123_456_789_012_345_678_901n, '123456789012.345678901'],
    [0n, '0'],
    [5n, '0.000000005'],
  ] as const)
    assert.is(formatNanoUsd(nano), text)
})

test('every amount is written exactly, as a number and as a bigint, and read back', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 24n), (nano) => {
      assert.is(formatNanoUsd(nano), write(nano))
      assert.is(parseNanoUsd(formatNanoUsd(nano)), nano)
    }),
  )
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), fc.integer({ min: 0, max: 2_000_000_000 })), (nano) => {
      assert.is(formatNanoUsd(nano), write(BigInt(nano)))
    }),
  )
})

test('an amount up to two million dollars survives as a number of JSON', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2_000_000 }),
      fc.integer({ min: 0, max: 999_999_999 }),
      (usd, rest) => {
        const nano = usd * 1_000_000_000 + rest
        assert.is(Number(parseNanoUsd(JSON.parse(formatNanoUsd(nano)))), nano)
      },
    ),
  )
})

test('a number that is larger, or has more digits, is rounded half up', () => {
  assert.is(parseNanoUsd(1e300), 10n ** 309n)
  assert.is(parseNanoUsd('0.0000000005'), 1n)
  assert.is(parseNanoUsd('0.00000000049'), 0n)
})

test('what is not an amount is null', () => {
  for (const usd of [-1, Number.NaN, Number.POSITIVE_INFINITY, '', '-1', 'x', '1 USD'])
    assert.is(parseNanoUsd(usd), null, String(usd))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  addDecimals,
  equalDecimals,
  formatDecimal,
  multiplyDecimals,
  parseDecimal,
  roundDecimal,
} from '../../src/lib/decimal.js'
import { fc } from '../support/property.js'

const decimals = fc.tuple(fc.bigInt(0n, 10n ** 20n), fc.integer({ min: 0, max: 30 }))

/** The number as a fraction of ten to the power of 40, by moving digits alone. */
function widen([digits, scale]: [bigint, number]): bigint {
  return BigInt(`${digits}${'0'.repeat(40 - scale)}`)
}

function read(text: string) {
  const decimal = parseDecimal(text)
  assert.ok(decimal !== null, text)
  return decimal
}

test('a decimal number is read from any way to write it', () => {
  for (const [text, expected] of [
    ['0', '0'],
    ['0.0', '0'],
    ['7', '7'],
    ['007.50', '7.5'],
    ['1e-7', '0.0000001'],
    ['1.25E-06', '0.00000125'],
    ['2.5e3', '2500'],
    ['1e+2', '100'],
    [3e-7, '0.0000003'],
    [5.46875e-7, '0.000000546875'],
    [0.1, '0.1'],
  ] as const)
    assert.is(formatDecimal(parseDecimal(text) ?? read('')), expected, String(text))
})

test('what is not a decimal number, or is negative, is null', () => {
  for (const text of [
    '',
    '-1',
    '+1',
    '.5',
    '1.',
    'e5',
    '1e',
    '0x1',
    ' 1',
    '1 ',
    'NaN',
    '1e-1e-1',
    '1,5',
    '1e9999',
  ])
    assert.is(parseDecimal(text), null, text)
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY, -1]) assert.is(parseDecimal(number), null)
})

test('a text and its number agree, and formatting is undone by reading', () => {
  fc.assert(
    fc.property(decimals, ([digits, scale]) => {
      const decimal = read(`${digits}e-${scale}`)
      assert.ok(equalDecimals(read(formatDecimal(decimal)), decimal))
      assert.not.match(formatDecimal(decimal), /e|\.$|\.\d*0$/)
    }),
  )
})

test('sums, products and roundings are exact', () => {
  fc.assert(
    fc.property(decimals, decimals, fc.integer({ min: 0, max: 12 }), (one, other, to) => {
      const [a, b] = [read(`${one[0]}e-${one[1]}`), read(`${other[0]}e-${other[1]}`)]
      assert.is(roundDecimal(addDecimals(a, b), 40), widen(one) + widen(other))
      assert.is(roundDecimal(multiplyDecimals(a, b), 80), widen(one) * widen(other))
      const unit = 10n ** BigInt(40 - to)
      const rest = widen(one) % unit
      assert.is(roundDecimal(a, to), (widen(one) - rest) / unit + (rest * 2n >= unit ? 1n : 0n))
    }),
  )
})

test.run()

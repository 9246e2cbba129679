import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { countDigits, formatDuration, formatUsd } from '../../../src/limits/responses/amount-text.js'
import { parseDurationMs } from '../../../src/routing/delay-text.js'
import { fc } from '../../support/property.js'

const DURATIONS: readonly (readonly [ms: number, text: string])[] = [
  [0, '0s'],
  [-5, '0s'],
  [0.2, '1ms'],
  [120, '120ms'],
  [999.5, '1s'],
  [1_000, '1s'],
  [1_500, '1.5s'],
  [60_000, '1m0s'],
  [86_400, '1m26.4s'],
  [360_000, '6m0s'],
  [3_600_000, '1h0m0s'],
  [90_061_007, '25h1m1.007s'],
]

for (const [ms, text] of DURATIONS)
  test(`${ms} ms are ${text}`, () => {
    assert.is(formatDuration(ms), text)
  })

test('a duration reads as what it was, in whole milliseconds', () => {
  fc.assert(
    fc.property(fc.nat(), (ms) => {
      assert.is(Math.round(parseDurationMs(formatDuration(ms)) ?? Number.NaN), ms)
    }),
  )
})

/** Nano-dollars that a text shows. */
function read(text: string): bigint {
  const [, whole = '', fraction = ''] = /^\$([\d,]+)\.(\d{2,9})$/.exec(text) ?? []
  assert.is.not(whole, '', text)
  return BigInt(whole.replaceAll(',', '') + fraction.padEnd(9, '0'))
}

test('a limit is shown exactly, and what is used is on the right side of it, to three digits at least', () => {
  const nano = fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 10n ** 18n }).map(BigInt))
  const limits = fc.oneof(
    fc.integer({ min: 1, max: 1e15 }),
    fc.integer({ min: 1, max: 1e6 }).map((cents) => cents * 1e7),
  )
  fc.assert(
    fc.property(limits, nano, (limit, used) => {
      const digits = countDigits(limit)
      assert.is(read(formatUsd(limit, digits)), BigInt(limit))
      const shown = read(formatUsd(used, digits))
      assert.ok(shown <= BigInt(used))
      assert.is(shown >= BigInt(limit), BigInt(used) >= BigInt(limit))
      const lost = BigInt(used) - shown
      assert.ok(lost * 100n <= BigInt(used), `${used} as ${formatUsd(used, digits)}`)
    }),
  )
})

test.run()

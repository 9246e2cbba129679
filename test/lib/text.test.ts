import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatMs, formatTime, quoteJson } from '../../src/lib/text.js'
import { fc } from '../support/property.js'

test('milliseconds have up to three decimals and no trailing zeros', () => {
  const texts: readonly (readonly [number | null, string])[] = [
    [0, '0'],
    [1, '1'],
    [1.5, '1.5'],
    [12.3456, '12.346'],
    [0.0004, '0'],
    [999.9996, '1000'],
    [-0.5, '-0.5'],
    [null, 'null'],
  ]
  for (const [ms, text] of texts) assert.is(formatMs(ms), text)
  fc.assert(fc.property(fc.nat(10_000_000), (us) => assert.is(formatMs(us / 1_000), String(us / 1_000))))
})

test('a time is written in ISO 8601, whatever time was written before', () => {
  for (const ms of [0, 1_750_000_000_123, 1_750_000_000_123, 1]) {
    assert.is(formatTime(ms), new Date(ms).toISOString())
  }
})

test('any text is quoted as JSON quotes it', () => {
  assert.is(quoteJson(null), 'null')
  const units = fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes))
  const either = fc.oneof(fc.string(), units)
  fc.assert(fc.property(either, (text) => assert.is(quoteJson(text), JSON.stringify(text))))
  for (const text of ['"', '\\', '\n', '\u007f', ' ~', 'é']) assert.is(quoteJson(text), JSON.stringify(text))
})

test.run()

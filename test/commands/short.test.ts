import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCost, formatDuration, shortenNumber } from '../../src/commands/short.js'
import { fc } from '../support/property.js'

test('counts, costs and times are formatted in few characters', () => {
  assert.equal(
    [null, 0, 7, 999, 1_000, 1_234, 99_949, 99_950, 999_499, 999_500, 1.25e6, 6e9, 1e22].map(shortenNumber),
    ['-', '0', '7', '999', '1.0k', '1.2k', '99.9k', '100k', '999k', '1.0M', '1.3M', '6.0G', '1e22'],
  )
  assert.equal(
    [null, 0, 0.00001, 0.0123, 0.1, 12.345, 999.99, 999.999, 123_456].map((usd) => formatCost(usd, false)),
    ['-', '0.00', '<.0001', '0.0123', '0.10', '12.35', '999.99', '1.0k', '123k'],
  )
  assert.is(formatCost(1, true), '1.00+')
  assert.equal(
    [null, 0, 0.123, 1.26, 12.6, 999.6, 1_250, 150_000, 3_600_000, 86_400_000, 1e15].map(formatDuration),
    ['-', '0us', '123us', '1.3ms', '13ms', '1.0s', '1.3s', '150s', '60m', '24h', '>10kh'],
  )
})

test('formatted numbers never exceed their width', () => {
  const value = fc.oneof(
    fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
    fc.nat(),
    fc.maxSafeNat(),
  )
  fc.assert(
    fc.property(value, (each) => {
      assert.ok(shortenNumber(each).length <= 5, shortenNumber(each))
      assert.ok(formatCost(each, true).length <= 7, formatCost(each, true))
      assert.ok(formatDuration(each).length <= 5, formatDuration(each))
    }),
    { numRuns: 2_000 },
  )
})

test.run()

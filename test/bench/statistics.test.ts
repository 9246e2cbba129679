import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { distributionPoints, median, quantile, ratioOfMedians } from '../../bench/statistics.js'

test('the median of an even number of values stands between the two in the middle', () => {
  assert.is(median([4, 1, 3, 2]), 2.5)
  assert.is(median([10, 9, 100]), 10)
  assert.is(Number.isNaN(median([])), true)
})

test('quantiles reach from the smallest value to the largest', () => {
  assert.is(quantile([1, 2, 3], 0), 1)
  assert.is(quantile([1, 2, 3], 1), 3)
  assert.is(quantile([0, 10], 0.25), 2.5)
})

test('the points of a distribution rise in both directions and end at the largest value', () => {
  const points = distributionPoints(Array.from({ length: 500 }, (_, i) => (i * 7919) % 500))
  for (let i = 1; i < points.length; i++) {
    const [earlier, below] = points[i - 1] as [number, number]
    const [later, above] = points[i] as [number, number]
    assert.ok(later >= earlier && above >= below)
  }
  assert.equal(points.at(-1), [1, 499])
})

test('the interval of a ratio holds the ratio, and is a point where the rounds agree', () => {
  assert.equal(ratioOfMedians([2, 2, 2], [1, 1, 1]), { ratio: 2, low: 2, high: 2 })
  const { ratio, low, high } = ratioOfMedians([10, 12, 11, 13, 12], [5, 6, 7, 5, 6])
  assert.ok(low <= ratio && ratio <= high && low < high)
})

test.run()

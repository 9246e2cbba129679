import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LatencyWindow } from '../../src/routing/latency.js'
import { fc } from '../support/property.js'

test('an empty window has neither quantiles nor a mean', () => {
  const latency = new LatencyWindow()
  assert.is(latency.quantile(0.5), null)
  assert.is(latency.expected(0), null)
})

test('quantiles are exact over the last 128 times, in whatever order the times come', () => {
  const times = fc.array(
    fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 5 })),
    { minLength: 1, maxLength: 400, size: 'max' },
  )
  fc.assert(
    fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (all, q) => {
      const latency = new LatencyWindow()
      for (const ms of all) latency.observe(0, ms)
      const last = all.slice(-128).sort((a, b) => a - b)
      assert.is(latency.count, last.length)
      assert.ok(latency.quantile(q) === last[Math.max(0, Math.ceil(q * last.length) - 1)])
    }),
  )
})

test('a value that is no time is ignored', () => {
  const latency = new LatencyWindow()
  latency.observe(0, 100)
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, -1]) latency.observe(0, ms)
  assert.is(latency.count, 1)
  assert.is(latency.expected(0), 100)
})

test('the mean follows a change and stays between the lowest and the highest time', () => {
  const latency = new LatencyWindow()
  for (let i = 0; i < 50; i++) latency.observe(0, 100)
  assert.is(latency.expected(0), 100)
  latency.observe(0, 900)
  assert.is(latency.expected(0), 200)
  for (let i = 0; i < 50; i++) latency.observe(0, 900)
  const mean = latency.expected(0) ?? 0
  assert.ok(mean > 890 && mean <= 900, String(mean))
})

test('the expected time of a target without requests is halved every 30 seconds, until there is a new time', () => {
  const latency = new LatencyWindow()
  latency.observe(1_000, 800)
  assert.is(latency.expected(500), 800)
  assert.is(latency.expected(31_000), 400)
  assert.is(latency.expected(61_000), 200)
  latency.observe(61_000, 800)
  assert.is(latency.expected(61_000), 800)
})

test.run()

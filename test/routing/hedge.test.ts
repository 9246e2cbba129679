import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findHedgeDelayMs, HedgeBudget } from '../../src/routing/hedge.js'
import { LatencyWindow } from '../../src/routing/latency.js'
import { fc } from '../support/property.js'

test('there are never more hedges than their share of the requests', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 500, size: 'max' }),
      fc.constantFrom(0, 0.01, 0.05, 0.1, 0.3, 1),
      (calls, share) => {
        const budget = new HedgeBudget(share)
        let requests = 0
        let granted = 0
        for (const isRequest of calls) {
          if (isRequest) {
            budget.count()
            requests++
          } else if (budget.take()) granted++
          assert.ok(granted <= requests * share)
        }
        assert.is(budget.taken, granted)
        assert.is(budget.taken + budget.denied, calls.length - requests)
      },
    ),
  )
})

test('five of a hundred requests that all ask for a hedge get one', () => {
  const budget = new HedgeBudget()
  for (let i = 0; i < 100; i++) {
    budget.count()
    budget.take()
  }
  assert.is(budget.taken, 5)
  assert.is(budget.denied, 95)
})

test('many requests without hedges save up no more than ten hedges', () => {
  const budget = new HedgeBudget()
  for (let i = 0; i < 10_000; i++) budget.count()
  for (let i = 0; i < 100; i++) budget.take()
  assert.is(budget.taken, 10)
})

test('a share of 0 allows no hedge', () => {
  const budget = new HedgeBudget(0)
  for (let i = 0; i < 1_000; i++) budget.count()
  assert.not.ok(budget.take())
})

function timesOf(ms: number, count: number): LatencyWindow {
  const latency = new LatencyWindow()
  for (let i = 0; i < count; i++) latency.observe(0, ms)
  return latency
}

test('the hedge delay is the p95 of the first target, at least 50 ms, and unknown with fewer than 20 times', () => {
  assert.is(findHedgeDelayMs(timesOf(300, 0)), null)
  assert.is(findHedgeDelayMs(timesOf(300, 19)), null)
  assert.is(findHedgeDelayMs(timesOf(300, 20)), 300)
  assert.is(findHedgeDelayMs(timesOf(3, 20)), 50)
  const times = timesOf(300, 19)
  times.observe(0, 9_000)
  assert.is(findHedgeDelayMs(times), 300)
  times.observe(0, 9_000)
  assert.is(findHedgeDelayMs(times), 9_000)
})

test.run()

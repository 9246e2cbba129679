import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Rate } from '../../../src/config/limit-rules.js'
import { RateCount, wholeUsed } from '../../../src/limits/counters/rate-count.js'
import { fc } from '../../support/property.js'

/** What the sum may be off by: sums of fractions are inexact. */
const INEXACT = 2e-3

const rates: fc.Arbitrary<Rate> = fc.record({
  perMinute: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 10_000_000 })),
  burst: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10_000_000 })),
})

/**
 * Pauses between arrivals, as shares of the time in which all of the burst comes back: many at once, some after a short
 * or a long pause.
 */
const gaps = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 0.1, noNaN: true }),
  fc.double({ min: 0, max: 1.5, noNaN: true }),
)

const toMs = (rate: Rate, gap: number): number => (gap * rate.burst * 60_000) / rate.perMinute

interface Passed {
  readonly at: number
  amount: number
}

/** No window may have more than the burst and what the rate gives in its time. */
function assertBounded(rate: Rate, passed: readonly Passed[]): void {
  for (let first = 0; first < passed.length; first++) {
    let sum = 0
    for (let last = first; last < passed.length; last++) {
      sum += passed[last]?.amount ?? 0
      const minutes = ((passed[last]?.at ?? 0) - (passed[first]?.at ?? 0)) / 60_000
      const most = rate.burst + rate.perMinute * minutes
      assert.ok(sum <= most + INEXACT, `${sum} passed within ${minutes} minutes, at most ${most}`)
    }
  }
}

test('in any time of t no more than burst + rate * t passes', () => {
  fc.assert(
    fc.property(
      rates,
      fc.array(fc.record({ gap: gaps, share: fc.double({ min: 0, max: 1.2, noNaN: true }) }), {
        maxLength: 60,
      }),
      fc.boolean(),
      (rate, arrivals, areSingle) => {
        const count = new RateCount(rate)
        const passed: Passed[] = []
        let now = 1_000
        for (const { gap, share } of arrivals) {
          now += toMs(rate, gap)
          const cost = areSingle ? 1 : Math.ceil(share * rate.burst)
          if (count.waitMs(rate, cost, now) > 0) continue
          const amount = Math.min(cost, rate.burst)
          count.add(rate, amount, now)
          passed.push({ at: now, amount })
        }
        assertBounded(rate, passed)
      },
    ),
    { numRuns: 300 },
  )
})

test('what is given back never lets more than that pass, at whatever time it is given back', () => {
  fc.assert(
    fc.property(
      rates,
      fc.array(
        fc.record({
          gap: gaps,
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          used: fc.double({ min: 0, max: 1, noNaN: true }),
          back: fc.nat(5),
        }),
        { maxLength: 60, size: 'max' },
      ),
      (rate, arrivals) => {
        const count = new RateCount(rate)
        const passed: Passed[] = []
        const open: { readonly mark: number; readonly passed: Passed; readonly used: number }[] = []
        let now = 1_000
        for (const { gap, share, used, back } of arrivals) {
          now += toMs(rate, gap)
          const [ended] = open.splice(back, 1)
          if (ended !== undefined) {
            const { at, amount } = ended.passed
            count.giveBack(rate, amount - ended.used, amount, ended.mark, at, now)
            ended.passed.amount = ended.used
          }
          const cost = Math.ceil(share * rate.burst)
          if (count.waitMs(rate, cost, now) > 0) continue
          const entry = { at: now, amount: cost }
          passed.push(entry)
          open.push({ mark: count.add(rate, cost, now), passed: entry, used: Math.floor(used * cost) })
        }
        // Whoever is still open may use all of its estimate.
        assertBounded(rate, passed)
      },
    ),
    { numRuns: 2_000 },
  )
})

test('what comes evenly at the rate always passes, though the times are fractions', () => {
  fc.assert(
    fc.property(rates, fc.double({ min: 0, max: 1e9, noNaN: true }), (rate, start) => {
      const count = new RateCount(rate)
      count.add(rate, rate.burst, start)
      for (let i = 1; i <= 100; i++) {
        const now = start + (i * 60_000) / rate.perMinute
        assert.is(count.waitMs(rate, 1, now), 0)
        count.add(rate, 1, now)
      }
    }),
  )
})

test('what was refused passes after the time that it was given', () => {
  fc.assert(
    fc.property(
      rates,
      fc.array(fc.tuple(gaps, fc.nat(1_000)), { maxLength: 40, size: 'max' }),
      (rate, arrivals) => {
        const count = new RateCount(rate)
        let now = 1e9
        for (const [gap, cost] of arrivals) {
          now += toMs(rate, gap)
          const waitMs = count.waitMs(rate, cost, now)
          assert.ok(waitMs >= 0 && Number.isInteger(waitMs))
          if (waitMs > 0) now += waitMs
          assert.is(count.waitMs(rate, cost, now), 0)
          count.add(rate, Math.min(cost, rate.burst), now)
        }
      },
    ),
  )
})

test('a first request passes whatever its estimate, and a debt is paid by time', () => {
  const rate = { perMinute: 60, burst: 10 }
  const count = new RateCount(rate)
  assert.is(count.waitMs(rate, 1e9, 0), 0)
  count.add(rate, 10, 0)
  // It was 40.
  count.addExcess(rate, 30, 0)
  assert.is(count.used(rate, 0), 40)
  assert.is(count.waitMs(rate, 1, 0), 31_000)
  assert.is(count.waitMs(rate, 1e9, 0), 40_000)
  assert.is(count.waitMs(rate, 1, 31_000), 0)
})

test('a rate that changes keeps how much is used', () => {
  const slow = { perMinute: 60, burst: 60 }
  const fast = { perMinute: 600, burst: 60 }
  const count = new RateCount(slow)
  count.add(slow, 30, 0)
  assert.is(count.used(fast, 0), 30)
  assert.is(count.resetMs(fast, 0), 3_000)
  assert.is(count.used(fast, 1_000), 20)
  assert.is(count.used(slow, 1_000), 20)
  const small = { perMinute: 600, burst: 5 }
  assert.is(count.waitMs(small, 1, 1_000), 1_600)
})

test('what takes longer than a calendar to come back still has a date, and stays used', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.oneof(fc.constant(1), fc.constant(Number.MAX_SAFE_INTEGER)),
      fc.array(fc.constantFrom(1, 1e12, Number.MAX_SAFE_INTEGER, 1e300), { minLength: 1, maxLength: 5 }),
      (perMinute, burst, costs) => {
        const rate = { perMinute, burst }
        const count = new RateCount(rate)
        for (const cost of costs) count.addExcess(rate, cost, 0)
        for (const ms of [count.resetMs(rate, 0), count.waitMs(rate, burst, 0)])
          assert.ok(!Number.isNaN(new Date(Date.now() + ms).getTime()), String(ms))
        const used = wholeUsed(count.used(rate, 0))
        assert.ok(
          Number.isSafeInteger(used) && used >= (1 - 1e-9) * Math.min(...costs, Number.MAX_SAFE_INTEGER),
        )
      },
    ),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { computeOverheadMs, formatServerTiming } from '../../src/exchange/timing.js'

const AT = { startedAt: 1_000, readAt: 1_001, readMs: 20, attemptAt: 1_021.5, headMs: 0.25 }

test('each phase that there was is told in milliseconds', () => {
  assert.is(formatServerTiming(AT, 1_121.5), 'admit;dur=1, read;dur=20, plan;dur=0.5, attempt;dur=100')
  assert.is(formatServerTiming({ ...AT, readAt: 0, readMs: -1 }, 1_121.5), 'admit;dur=21.5, attempt;dur=100')
  assert.is(formatServerTiming({ ...AT, readAt: 0, readMs: -1, attemptAt: 0 }, 1_002), 'admit;dur=2')
  assert.is(formatServerTiming({ ...AT, readMs: -1, attemptAt: 0 }, 1_002), 'admit;dur=1')
  assert.is(formatServerTiming({ ...AT, attemptAt: 0 }, 1_022), 'admit;dur=1, read;dur=20, plan;dur=1')
})

test("the relay's own time is neither the upload nor the upstream", () => {
  assert.is(computeOverheadMs(AT), 1.75)
  assert.is(computeOverheadMs({ ...AT, readAt: 0, readMs: -1 }), 21.75)
  // Sent on and answered while it came.
  assert.is(computeOverheadMs({ ...AT, attemptAt: 1_010 }), 1.25)
})

test('it is not known of a request without an attempt, or whose body never was whole', () => {
  assert.is(computeOverheadMs({ ...AT, attemptAt: 0 }), -1)
  assert.is(computeOverheadMs({ ...AT, readMs: -1 }), -1)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { computeOverheadMs, formatServerTiming } from '../../src/exchange/timing.js'

const AT = {
  startedAt: 1_000,
  bodyStartedAt: 1_001,
  bodyMs: 20,
  attemptStartedAt: 1_021.5,
  responseStartedAt: 1_121.5,
  headMs: 0.25,
}
const NO_BODY = { ...AT, bodyStartedAt: null, bodyMs: null }

test('each phase that a request went through is shown in milliseconds', () => {
  assert.is(formatServerTiming(AT, 1_121.5), 'admit;dur=1, read;dur=20, plan;dur=0.5, attempt;dur=100')
  assert.is(formatServerTiming(NO_BODY, 1_121.5), 'admit;dur=21.5, attempt;dur=100')
  assert.is(formatServerTiming({ ...NO_BODY, attemptStartedAt: null }, 1_002), 'admit;dur=2')
  assert.is(formatServerTiming({ ...AT, bodyMs: null, attemptStartedAt: null }, 1_002), 'admit;dur=1')
  assert.is(
    formatServerTiming({ ...AT, attemptStartedAt: null }, 1_022),
    'admit;dur=1, read;dur=20, plan;dur=1',
  )
})

test("the relay's own time is neither the upload nor the upstream", () => {
  assert.is(computeOverheadMs(AT, false), 1.75)
  assert.is(computeOverheadMs(NO_BODY, false), 21.75)
  // The attempt began while the body was still arriving.
  assert.is(computeOverheadMs({ ...AT, attemptStartedAt: 1_010 }, false), 1.25)
})

test('the overhead of a cached response is all of its time but the upload', () => {
  const hit = { ...AT, attemptStartedAt: null, responseStartedAt: 1_021.5 }
  assert.is(computeOverheadMs(hit, true), 1.75)
  assert.is(computeOverheadMs({ ...hit, bodyStartedAt: null, bodyMs: null }, true), 21.75)
})

test('the overhead is unknown without an attempt, or if the body never was complete', () => {
  assert.is(computeOverheadMs({ ...AT, attemptStartedAt: null }, false), null)
  assert.is(computeOverheadMs({ ...AT, bodyMs: null }, false), null)
})

test.run()

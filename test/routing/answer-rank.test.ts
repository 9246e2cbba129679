import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareAnswers, type FailedAnswer } from '../../src/routing/answer-rank.js'
import { FAILURE_KINDS, type FailureKind } from '../../src/routing/outcome.js'
import { fc } from '../support/property.js'

const answer = (kind: FailureKind, waitMs: number | null, isJson = true): FailedAnswer => ({
  kind,
  waitMs,
  isJson,
})

/** From the best to the worst; those in one row are alike. */
const ORDER: readonly (readonly FailedAnswer[])[] = [
  [answer('rate_limited', 3_000), answer('server_error', 3_000)],
  [answer('rate_limited', 7_000)],
  [answer('server_error', 1_000, false)],
  [answer('server_error', null), answer('rate_limited', null), answer('retryable_status', 0)],
  [answer('server_error', null, false), answer('empty_response', null, false)],
  [answer('quota_exhausted', 60_000)],
  [answer('quota_exhausted', null)],
  [answer('final_status', null), answer('correctable', null)],
  [answer('final_status', null, false)],
  [answer('model_missing', null)],
  [answer('credential_refused', null)],
  [answer('credential_refused', null, false)],
  [answer('connect_failed', null)],
]

test('the best of two failed responses is the one that passes by itself, with its wait, as JSON', () => {
  for (const [i, row] of ORDER.entries())
    for (const [j, other] of ORDER.entries())
      for (const a of row)
        for (const b of other)
          assert.is(Math.sign(compareAnswers(a, b)), Math.sign(i - j), JSON.stringify([a, b]))
})

test('the order of any failed responses does not depend on the order in which they came', () => {
  const any = fc.record({
    kind: fc.constantFrom(...(Object.keys(FAILURE_KINDS) as FailureKind[])),
    waitMs: fc.option(fc.nat(100_000)),
    isJson: fc.boolean(),
  })
  fc.assert(
    fc.property(any, any, any, (a, b, c) => {
      assert.is(Math.sign(compareAnswers(a, b)), -Math.sign(compareAnswers(b, a)) + 0)
      if (compareAnswers(a, b) <= 0 && compareAnswers(b, c) <= 0) assert.ok(compareAnswers(a, c) <= 0)
    }),
  )
})

test.run()

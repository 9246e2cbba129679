import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Counter } from '../../../src/limits/counters/counter.js'
import { makeRule } from '../../support/limit-rules.js'

const AT = Date.parse('2026-11-29T12:00:00Z')
const NEXT_DAY = Date.parse('2026-11-30T00:00:00Z')
const HOUR_MS = 3_600_000

const BOTH = makeRule({ tokens: { day: 10, month: 100 } })
const MONTH = makeRule({ tokens: { month: 100 } })

/** A counter that had a budget for each day, of which 7 tokens were used, and has it no more. */
function withoutDay(): Counter {
  const counter = new Counter(BOTH, '')
  counter.countAt(BOTH, 0, AT).spent = 7
  counter.adopt(MONTH)
  return counter
}

test('a budget that a rule gets again within its period has what was used of it', () => {
  const counter = withoutDay()
  assert.ok(counter.sweep(0, AT), 'it is needed')
  counter.adopt(BOTH)
  assert.is(counter.countAt(BOTH, 0, AT).spent, 7)
  assert.is(counter.countAt(BOTH, 1, AT).spent, 0)
})

test('a budget that a rule has no more is forgotten some hours after its period', () => {
  const counter = withoutDay()
  assert.ok(counter.sweep(0, NEXT_DAY), 'the clock may be wrong')
  assert.ok(counter.sweep(HOUR_MS, NEXT_DAY + HOUR_MS))
  assert.not.ok(counter.sweep(6 * HOUR_MS, NEXT_DAY + 6 * HOUR_MS))
  counter.adopt(BOTH)
  assert.is(counter.countAt(BOTH, 0, AT).spent, 0)
})

test('what is restored afresh forgets a budget that the rule has no more, too', () => {
  const counter = withoutDay()
  counter.forget('tokens', 'day')
  counter.adopt(BOTH)
  assert.is(counter.countAt(BOTH, 0, AT).spent, 0)
})

test.run()

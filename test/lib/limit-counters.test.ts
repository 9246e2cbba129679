import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundCounters } from '../../src/lib/limit-counters.js'

test('each hit of a limit is counted, and a limit that was never hit is left out', () => {
  const counters = new BoundCounters()
  assert.equal(counters.snapshot(), {})
  counters.hit('bodyBytes')
  counters.hit('idleMs')
  counters.hit('bodyBytes')
  assert.equal(counters.snapshot(), { bodyBytes: 2, idleMs: 1 })
})

test.run()

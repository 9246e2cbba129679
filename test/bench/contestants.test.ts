import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONSTANT, CONTESTANTS, THINWIRE } from '../../bench/contestants.js'
import { takesPart } from '../../bench/scenario.js'
import { HITS } from '../../bench/scenarios/completions.js'
import { REQUESTS } from '../../bench/scenarios/requests.js'
import { SCENARIOS } from '../../bench/scenarios.js'

test('Thinwire takes part in all, and each contestant in something', () => {
  for (const scenario of SCENARIOS) assert.ok(takesPart(scenario, THINWIRE), scenario.name)
  for (const contestant of CONTESTANTS)
    assert.ok(
      SCENARIOS.some((scenario) => takesPart(scenario, contestant)),
      contestant.name,
    )
})

test('what is for one scenario only takes no part in those for all', () => {
  assert.ok(takesPart(HITS, CONSTANT))
  assert.not.ok(takesPart(REQUESTS, CONSTANT))
  assert.equal(
    CONTESTANTS.filter((contestant) => takesPart(HITS, contestant)).map(({ name }) => name),
    ['constant', 'thinwire'],
  )
})

test.run()

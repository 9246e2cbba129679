import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONSTANT, CONTESTANTS, lastRelease, ROOT, THINWIRE } from '../../bench/contestants.js'
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

test('the last release takes part beside bare and nginx where Thinwire is to become faster', () => {
  const named = ['low-rate', 'burst', 'agent-prompt', 'tls-upstream', 'growth']
  const scenarios = SCENARIOS.filter(({ name }) => named.includes(name))
  assert.is(scenarios.length, named.length)
  const all = [...CONTESTANTS, lastRelease(ROOT)]
  for (const scenario of scenarios) {
    const names = all.filter((contestant) => takesPart(scenario, contestant)).map(({ name }) => name)
    for (const name of ['nginx', 'bare', 'thinwire', 'last']) assert.ok(names.includes(name), scenario.name)
  }
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

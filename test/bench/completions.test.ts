import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../../bench/contestants.js'
import type { Driver } from '../../bench/driver.js'
import { Recorder } from '../../bench/recorder.js'
import type { Scenario } from '../../bench/scenario.js'
import { HITS, JOINS, MISSES } from '../../bench/scenarios/completions.js'
import type { Outcomes } from '../../bench/wire/jobs.js'

const READING = { cpuUs: 0, rssBytes: 0, gcUs: null, loopDelayP99Us: null }

/** A scenario in which the answers say this of the cache. */
function measure(scenario: Scenario, name: string, outcomes: (past: boolean) => Outcomes): Promise<void> {
  const driver = {
    run: async (_: string, { distinct }: { distinct: boolean }) => ({
      requests: 320,
      streams: 320,
      seconds: 1,
      outcomes: outcomes(distinct),
    }),
  }
  const running = { name, port: 0, headers: [], child: { read: async () => READING } }
  const stage = { driver: driver as unknown as Driver, record: new Recorder(), mode: 'quick' as const }
  return scenario.measure(stage, running as unknown as Running)
}

async function failure(measured: Promise<void>): Promise<string> {
  return measured.then(
    () => 'none',
    (error: Error) => error.message,
  )
}

test('hits that were none are no figure', async () => {
  await measure(HITS, 'thinwire', () => ({ hit: 319, miss: 1 }))
  await measure(HITS, 'constant', () => ({ none: 320 }))
  assert.match(
    await failure(measure(HITS, 'thinwire', () => ({ hit: 300, miss: 20 }))),
    /thinwire.*"hit":300/,
  )
  assert.match(await failure(measure(HITS, 'thinwire', () => ({ none: 320 }))), /thinwire/)
})

test('misses that came from the cache are no figure, nor are those of a Thinwire that has none', async () => {
  await measure(MISSES, 'thinwire', () => ({ miss: 320 }))
  await measure(MISSES, 'uncached', () => ({ none: 320 }))
  assert.match(await failure(measure(MISSES, 'thinwire', () => ({ hit: 320 }))), /thinwire/)
  assert.match(await failure(measure(MISSES, 'uncached', () => ({ miss: 320 }))), /uncached/)
})

test('joins have one that is joined, and those beside them go past the cache', async () => {
  const joined = { miss: 3, joined: 317 }
  await measure(JOINS, 'thinwire', (past) => (past ? { off: 320 } : joined))
  assert.match(await failure(measure(JOINS, 'thinwire', (past) => (past ? { miss: 320 } : joined))), /"off"/)
  const alone = { miss: 300, joined: 20 }
  assert.match(await failure(measure(JOINS, 'thinwire', (past) => (past ? { off: 320 } : alone))), /"joined"/)
})

test.run()

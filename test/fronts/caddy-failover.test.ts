import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CADDY, HIDES_CUTS } from '../support/fronts/caddy.js'
import { type CaddyScene, inCaddyScene } from '../support/fronts/caddy-scene.js'
import {
  assertCounts,
  describeRun,
  type FailoverReport,
  lostOf,
  runUnderLoad,
  tryKills,
} from '../support/fronts/failover.js'
import type { Load } from '../support/fronts/load.js'
import { SEED } from '../support/random.js'

if (CADDY === undefined) process.stderr.write('caddy is not there: its recipe is not tested under load\n')
const withCaddy = CADDY === undefined ? test.skip : test

async function tryFault(
  scene: CaddyScene,
  part: number,
  name: string,
  fault: (load: Load) => Promise<void>,
): Promise<FailoverReport> {
  const { caddy, key, provider } = scene
  const report = await runUnderLoad({ ...caddy.target, key, seed: SEED * 100 + part }, fault)
  process.stdout.write(describeRun(name, report))
  // In a version that hides cuts, what a killed relay had open looks whole.
  const shown = report.outcomes.filter(({ ended }) => ended !== 'false-whole' || !HIDES_CUTS)
  assertCounts(shown, provider)
  return report
}

withCaddy(
  'relays that are killed lose what they had open, and nothing after; without any, requests go direct',
  async () => {
    await inCaddyScene({}, async (scene) => {
      await tryKills(scene.set, (part, name, fault) => tryFault(scene, part, name, fault))
      const reloaded = await tryFault(scene, 3, 'caddy reloaded', async (load) => {
        for (let n = 0; n < 2; n++) {
          await scene.caddy.reload()
          await load.passes(40)
        }
      })
      // A reload closes idle connections, also at the moment in which a client sends its next request by one. That one
      // has gone nowhere, and the client has seen it.
      for (const { id, ended, protocol, code } of lostOf(reloaded.outcomes)) {
        assert.equal([ended, protocol, code], ['nothing', 'h1', 'ECONNRESET'])
        assert.equal(scene.provider.arrivalsOf(id), [])
      }
    })
  },
)

withCaddy('a relay that drains loses nothing, nor does a frozen one that wakes up', async () => {
  await inCaddyScene({}, async (scene) => {
    const drained = await tryFault(scene, 4, 'relay upgraded', () => scene.set.first.upgrade())
    assert.equal(lostOf(drained.outcomes), [])
    assert.not.ok(drained.outcomes.some(({ isDirect }) => isDirect))
    const frozen = await tryFault(scene, 5, 'one relay frozen', async (load) => {
      scene.set.first.freeze()
      await load.passes(100)
      scene.set.first.thaw()
    })
    assert.equal(lostOf(frozen.outcomes), [])
    assert.not.ok(frozen.outcomes.some(({ isDirect }) => isDirect))
  })
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertCounts,
  describeRun,
  type FailoverReport,
  lostOf,
  runUnderLoad,
  tryKills,
} from '../support/fronts/failover.js'
import { HAPROXY } from '../support/fronts/haproxy.js'
import { type HaproxyScene, inHaproxyScene } from '../support/fronts/haproxy-scene.js'
import type { Load } from '../support/fronts/load.js'
import { SEED } from '../support/random.js'
import { until } from '../support/until.js'

if (HAPROXY === undefined) process.stderr.write('haproxy is not there: its recipe is not tested under load\n')
const withHaproxy = HAPROXY === undefined ? test.skip : test

async function tryFault(
  scene: HaproxyScene,
  part: number,
  name: string,
  fault: (load: Load) => Promise<void>,
): Promise<FailoverReport> {
  const { haproxy, key, provider } = scene
  const report = await runUnderLoad({ ...haproxy.target, key, seed: SEED * 100 + part, http2: false }, fault)
  process.stdout.write(describeRun(name, report))
  assertCounts(report.outcomes, provider)
  return report
}

withHaproxy(
  'relays that are killed lose what they had open, and nothing after; without any, requests go direct',
  async () => {
    await inHaproxyScene({}, async (scene) => {
      await tryKills(scene.set, (part, name, fault) => tryFault(scene, part, name, fault))
      const reloaded = await tryFault(scene, 3, 'haproxy reloaded', async (load) => {
        for (let n = 0; n < 2; n++) {
          scene.haproxy.front.reload()
          await load.passes(40)
        }
      })
      assert.equal(lostOf(reloaded.outcomes), [])
    })
  },
)

withHaproxy(
  'a relay that drains loses nothing; what a frozen one had open fails, and is not sent again',
  async () => {
    await inHaproxyScene({}, async (scene) => {
      const frozen = await tryFault(scene, 5, 'one relay frozen', async (load) => {
        scene.set.first.freeze()
        await until(
          () => scene.haproxy.front.output.includes('relays/a is DOWN'),
          'the frozen relay to be found',
        )
        await load.passes(20)
        scene.set.first.thaw()
        await until(() => scene.haproxy.front.output.includes('relays/a is UP'), 'it to be used again')
      })
      const lost = lostOf(frozen.outcomes)
      for (const { ended, status } of lost) assert.ok(ended === 'cut' || status === 502, ended)
      assert.ok(lost.length <= 8, 'more than one for each client')
      assert.not.ok(frozen.outcomes.some(({ isDirect }) => isDirect))
      const drained = await tryFault(scene, 4, 'relay upgraded', () => scene.set.first.upgrade())
      assert.equal(lostOf(drained.outcomes), [])
      assert.not.ok(drained.outcomes.some(({ isDirect }) => isDirect))
    })
  },
)

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertCounts,
  describeRun,
  type FailoverReport,
  lostOf,
  runUnderLoad,
} from '../support/fronts/failover.js'
import type { Load } from '../support/fronts/load.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { inNginxScene, type NginxScene } from '../support/fronts/nginx-scene.js'
import { SEED } from '../support/random.js'

if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: its recipe is not tested under load\n')
const withNginx = HAS_NGINX ? test : test.skip

async function tryFault(
  scene: NginxScene,
  name: string,
  fault: (load: Load) => Promise<void>,
): Promise<FailoverReport> {
  const { nginx, key, provider } = scene
  const report = await runUnderLoad({ ...nginx.target, key, seed: SEED }, fault)
  process.stdout.write(describeRun(name, report))
  assertCounts(report.outcomes, provider)
  return report
}

/** Requests that were open when the fault began may be lost with the relay that had them: they were sent. */
function assertOnlyOpenOnesLost({ outcomes, faultAt }: FailoverReport, until = faultAt): void {
  assert.equal(
    lostOf(outcomes).filter(({ from, to }) => from > until || to < faultAt),
    [],
    'lost, although a healthy way could have served them',
  )
}

withNginx('a relay that is killed loses what it had open, and no request after it', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'one relay killed', async (load) => {
      await scene.set.first.kill()
      await load.passes(60)
      await scene.set.first.start()
    })
    assertOnlyOpenOnesLost(report)
    assert.not.ok(report.outcomes.some(({ isDirect }) => isDirect))
  })
})

withNginx('when both relays are killed requests go direct, and come back', async () => {
  await inNginxScene({}, async (scene) => {
    let killedAt = 0
    const report = await tryFault(scene, 'both relays killed', async (load) => {
      await Promise.all(scene.set.relays.map((relay) => relay.kill()))
      killedAt = performance.now()
      await load.passes(60)
      await scene.set.startAll()
      // A relay that failed rests for two seconds.
      await load.passes(60)
    })
    assertOnlyOpenOnesLost(report, killedAt)
    const during = report.outcomes.filter(({ from, to }) => from > killedAt && to < killedAt + 200)
    assert.ok(during.every(({ isDirect }) => isDirect))
  })
})

withNginx('a frozen relay is passed by, and serves again when it is awake', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'one relay frozen', async (load) => {
      scene.set.first.freeze()
      await load.passes(100)
      scene.set.first.thaw()
      await load.passes(40)
    })
    // What it had open waited for it.
    assert.equal(lostOf(report.outcomes), [])
  })
})

withNginx('when both relays are frozen requests go direct', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'both relays frozen', async (load) => {
      for (const relay of scene.set.relays) relay.freeze()
      await load.passes(60)
      for (const relay of scene.set.relays) relay.thaw()
      await load.passes(40)
    })
    assert.equal(lostOf(report.outcomes), [])
    assert.ok(report.outcomes.some(({ isDirect }) => isDirect))
  })
})

withNginx('a relay that drains loses nothing', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'one relay drained', async (load) => {
      assert.is(await scene.set.first.drain(), 0)
      await load.passes(40)
      await scene.set.first.start()
    })
    assert.equal(lostOf(report.outcomes), [])
    assert.not.ok(report.outcomes.some(({ isDirect }) => isDirect))
  })
})

withNginx('relays that are upgraded one after another lose nothing', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'relays upgraded in turn', async (load) => {
      for (const relay of scene.set.relays) {
        await relay.upgrade()
        // Longer than a relay rests that was not ready.
        await load.passes(200)
      }
    })
    assert.equal(lostOf(report.outcomes), [])
  })
})

withNginx('a reload of nginx loses nothing', async () => {
  await inNginxScene({}, async (scene) => {
    const report = await tryFault(scene, 'nginx reloaded', async (load) => {
      for (let n = 0; n < 3; n++) {
        scene.nginx.front.reload()
        await load.passes(60)
      }
    })
    assert.equal(lostOf(report.outcomes), [])
  })
})

test.run()

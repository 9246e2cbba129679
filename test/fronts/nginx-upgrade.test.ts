import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertNoneDirect, lostOf } from '../support/fronts/failover.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { type NginxScene, openNginxScene, runFault } from '../support/fronts/nginx-scene.js'

if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: its recipe is not tested under load\n')
const test = suite<{ scene: NginxScene; close: () => Promise<void> }>('nginx-upgrade')
const withNginx = HAS_NGINX ? test : test.skip

// One scene for all: each fault has to leave everything as it was.
test.before(async (context) => {
  if (HAS_NGINX) Object.assign(context, await openNginxScene({}))
})

test.after(async ({ close }) => {
  await close?.()
})

withNginx('a relay that drains loses nothing', async ({ scene }) => {
  const report = await runFault(scene, 'one relay drained', async (load) => {
    assert.is(await scene.set.first.drain(), 0)
    await load.passes(20)
    await scene.set.first.start()
  })
  assert.equal(lostOf(report.outcomes), [])
  assertNoneDirect(report)
})

withNginx('relays that are upgraded one after another lose nothing', async ({ scene }) => {
  const report = await runFault(scene, 'relays upgraded in turn', async (load) => {
    for (const relay of scene.set.relays) {
      await relay.upgrade()
      // Longer than a relay rests that was not ready.
      await load.passes(30)
    }
  })
  assert.equal(lostOf(report.outcomes), [])
})

withNginx('a reload of nginx loses nothing', async ({ scene }) => {
  const report = await runFault(scene, 'nginx reloaded', async (load) => {
    for (let n = 0; n < 3; n++) {
      scene.nginx.front.reload()
      await load.passes(30)
    }
  })
  assert.equal(lostOf(report.outcomes), [])
})

test.run()

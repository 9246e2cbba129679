import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertNoneDirect, assertOnlyOpenOnesLost, lostOf } from '../support/fronts/failover.js'
import { Http2Client, requestByHttp1 } from '../support/fronts/front-client.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { chat, type NginxScene, openNginxScene, runFault } from '../support/fronts/nginx-scene.js'
import { until } from '../support/until.js'

if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: its recipe is not tested under load\n')
const test = suite<{ scene: NginxScene; close: () => Promise<void> }>('nginx-failover')
const withNginx = HAS_NGINX ? test : test.skip

// One scene for all: each fault has to leave everything as it was.
test.before(async (context) => {
  if (HAS_NGINX) Object.assign(context, await openNginxScene({}))
})

test.after(async ({ close }) => {
  await close?.()
})

withNginx('a relay that is killed loses what it had open, and no request after it', async ({ scene }) => {
  const report = await runFault(scene, 'one relay killed', async (load) => {
    await scene.set.first.kill()
    await load.passes(30)
    await scene.set.first.start()
  })
  assertOnlyOpenOnesLost(report)
  assertNoneDirect(report)
})

withNginx('when both relays are killed requests go direct, and come back', async ({ scene }) => {
  let killedAt = 0
  const report = await runFault(scene, 'both relays killed', async (load) => {
    await Promise.all(scene.set.relays.map((relay) => relay.kill()))
    killedAt = performance.now()
    await load.passes(30)
    await scene.set.startAll()
    // A relay that failed rests for two seconds.
    await load.passes(30)
  })
  assertOnlyOpenOnesLost(report, killedAt)
  const during = report.outcomes.filter(({ from, to }) => from > killedAt && to < killedAt + 200)
  assert.ok(during.every(({ isDirect }) => isDirect))
})

withNginx('a frozen relay is passed by, and serves again when it is awake', async ({ scene }) => {
  const report = await runFault(scene, 'one relay frozen', async (load) => {
    scene.set.first.freeze()
    await load.passes(60)
    scene.set.first.thaw()
    await load.passes(20)
  })
  // What it had open waited for it.
  assert.equal(lostOf(report.outcomes), [])
})

withNginx('when both relays are frozen requests go direct', async ({ scene }) => {
  const report = await runFault(scene, 'both relays frozen', async (load) => {
    for (const relay of scene.set.relays) relay.freeze()
    await load.passes(30)
    for (const relay of scene.set.relays) relay.thaw()
    await load.passes(20)
  })
  assert.equal(lostOf(report.outcomes), [])
  assert.ok(report.outcomes.some(({ isDirect }) => isDirect))
})

withNginx(
  'a request that a killed relay had is not sent again, and the client learns why',
  async ({ scene }) => {
    const client = new Http2Client()
    // Long enough that nothing is answered before the kill.
    const slow = { metadata: { gap_ms: '20000' } }
    try {
      const lost = [requestByHttp1(chat(scene, 'slow1', slow)), client.request(chat(scene, 'slow2', slow))]
      const arrived = (id: string): boolean => scene.provider.arrivalsOf(id).length > 0
      await until(() => arrived('slow1') && arrived('slow2'), 'both requests at the provider')
      await Promise.all(scene.set.relays.map((relay) => relay.kill()))
      for (const { status, code, isDirect } of await Promise.all(lost))
        assert.equal([status, code, isDirect], [502, 'relay_lost', false])
      for (const id of ['slow1', 'slow2'])
        assert.equal(
          scene.provider.arrivalsOf(id).map(({ way }) => way),
          ['relay'],
        )
    } finally {
      client.close()
      await scene.set.startAll()
    }
  },
)

test.run()

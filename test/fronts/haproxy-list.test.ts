import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { askWith, awaitStatus, BUDGETED, followList, revokeAndWait } from '../support/fronts/followed-list.js'
import { requestByHttp1 } from '../support/fronts/front-client.js'
import { HAPROXY } from '../support/fronts/haproxy.js'
import { haproxyChat, inHaproxyScene } from '../support/fronts/haproxy-scene.js'

if (HAPROXY === undefined) process.stderr.write('haproxy is not there: its direct list is not tested\n')
const withHaproxy = HAPROXY === undefined ? test.skip : test

withHaproxy('HAProxy follows the list that keys export keeps', async () => {
  const settings = { ...BUDGETED, models: { fast: { upstream: 'openai', model: 'gpt-5-mini' } } }
  await inHaproxyScene({ relays: false, settings, list: () => [] }, async (scene) => {
    const { place, set, haproxy, key } = scene
    const wanted = haproxyChat(scene, '')
    const budgeted = set.issueKey('budgeted')
    const args = ['--hashes', '--format', 'haproxy', '--out', haproxy.listFolder]
    const follower = followList(place, set, args, `kill -USR2 ${haproxy.front.pid}`)
    await awaitStatus(wanted, key, 200)
    assert.is(await askWith(wanted, budgeted), 401)
    const late = set.issueKey('late')
    const added = await awaitStatus(wanted, late, 200)
    const revoked = await revokeAndWait(wanted, set, late)
    process.stdout.write(
      `a new key after ${added.toFixed(0)} ms, a revoked one refused after ${revoked.toFixed(0)} ms\n`,
    )
    const alias = await requestByHttp1(haproxyChat(scene, 'alias', { model: 'fast' }))
    assert.equal([alias.status, alias.code], [503, 'direct_not_possible'])
    const path = await requestByHttp1({ ...wanted, path: '/v1/files' })
    assert.equal([path.status, path.code], [503, 'direct_not_possible'])
    assert.is(await askWith(wanted, key), 200)
    assert.is(follower.code, null, follower.err)
  })
})

test.run()

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CADDY } from '../support/fronts/caddy.js'
import { caddyChat, inCaddyScene } from '../support/fronts/caddy-scene.js'
import { askWith, awaitStatus, BUDGETED, followList, revokeAndWait } from '../support/fronts/followed-list.js'

if (CADDY === undefined) process.stderr.write('caddy is not there: its direct list is not tested\n')
const withCaddy = CADDY === undefined ? test.skip : test

withCaddy('Caddy follows the list that keys export keeps', async () => {
  await inCaddyScene({ relays: false, settings: BUDGETED, list: () => [] }, async (scene) => {
    const { place, set, caddy, key } = scene
    const wanted = caddyChat(scene, '')
    const [budgeted, late] = [set.issueKey('budgeted'), set.issueKey('late')]
    const keys = join(place.folder, 'plain-keys')
    writeFileSync(keys, `${key}\n${budgeted}\n${late}\n`, { mode: 0o600 })
    const args = ['--format', 'caddy', '--keys', keys, '--out', caddy.listFile]
    const follower = followList(place, set, args, caddy.reloadCommand)
    await awaitStatus(wanted, key, 200)
    assert.is(await askWith(wanted, budgeted), 401)
    assert.is(await askWith(wanted, late), 200)
    const revoked = await revokeAndWait(wanted, set, late)
    process.stdout.write(`a revoked key refused after ${revoked.toFixed(0)} ms\n`)
    assert.is(await askWith(wanted, key), 200)
    assert.is(follower.code, null, follower.err)
  })
})

test.run()

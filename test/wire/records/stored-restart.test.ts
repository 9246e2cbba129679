import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../../src/access/keyring.js'
import { readLedgerAfterKills } from '../../support/ledger.js'
import { StoredProvider } from '../../support/stored-provider.js'
import { type Got, listBilled, send } from '../../support/stored-scene.js'
import { clear, open, type Place, started, type Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'

const RESPONSE = { model: 'm', input: 'hi' }

interface Scene extends Place {
  first: StoredProvider
  second: StoredProvider
  key: string
  otherKey: string
}

const test = suite<Scene>('stored objects over a restart')
test.before.each(async (scene) => {
  open(scene)
  scene.first = await StoredProvider.start('a')
  scene.second = await StoredProvider.start('b')
  const keys = join(scene.folder, 'data', 'keys.jsonl')
  scene.key = issueKey(keys, { env: 'test', team: 'team1', user: 'user1' }).key
  scene.otherKey = issueKey(keys, { env: 'test', team: 'other', user: 'user1' }).key
  const upstreams = {
    a: { baseUrl: scene.first.url, warm: false },
    b: { baseUrl: scene.second.url, warm: false },
  }
  const routes = [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }]
  writeFileSync(join(scene.folder, 'thinwire.json'), JSON.stringify({ upstreams, routes }))
})
test.after.each(async (scene) => {
  await clear(scene)
  await scene.first.close()
  await scene.second.close()
})

function fileOf({ folder }: Scene): string {
  return join(folder, 'data', 'stored.jsonl')
}

function linesOf(scene: Scene): string[] {
  const file = fileOf(scene)
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

async function start(scene: Scene): Promise<Thinwire> {
  const thinwire = await started(scene)
  scene.running.push(thinwire)
  return thinwire
}

/** Makes a response by a failover, and one in the background that nobody has seen whole. */
async function make(scene: Scene, { port }: Thinwire): Promise<readonly [Got, Got]> {
  scene.first.isDown = true
  const response = await send(port, scene.key, 'POST', '/responses', RESPONSE)
  scene.first.isDown = false
  const later = await send(port, scene.key, 'POST', '/responses', { ...RESPONSE, background: true })
  return [response, later]
}

/** What a start must know of these two, and how often their tokens are in the ledger in the end. */
async function checkKnown(scene: Scene, port: number, [response, later]: readonly [Got, Got]): Promise<void> {
  const { first, second, key, otherKey } = scene
  const asked = first.asked.length
  for (const { id } of [response, later])
    assert.is((await send(port, otherKey, 'GET', `/responses/${id}`)).status, 404)
  assert.is(first.asked.length, asked)
  for (let i = 0; i < 4; i++) {
    for (const { id } of [response, later])
      assert.is((await send(port, key, 'GET', `/responses/${id}`)).status, 200)
  }
  assert.not(first.asked.includes(`GET /responses/${response.id}`))
  const folder = join(scene.folder, 'data')
  const prompts = [...first.kept.values(), ...second.kept.values()].map(({ prompt }) => prompt)
  await until(() => readLedgerAfterKills(folder).length >= 12, 'the records')
  assert.equal(
    listBilled(readLedgerAfterKills(folder) as never)
      .map((line) => Number(/ (\d+)\+7 /.exec(line)?.[1]))
      .sort(),
    prompts.sort(),
  )
}

test('a start knows what an orderly end has left', async (scene) => {
  const thinwire = await start(scene)
  const made = await make(scene, thinwire)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  assert.is(linesOf(scene).length, 2)
  const { port } = await start(scene)
  await checkKnown(scene, port, made)
})

test('a start knows what was written before a kill -9, whatever the last line is like', async (scene) => {
  const thinwire = await start(scene)
  const made = await make(scene, thinwire)
  await until(() => linesOf(scene).length === 2, 'the objects to be written')
  await until(
    () => readLedgerAfterKills(join(scene.folder, 'data')).length === 2,
    'the records to be written',
  )
  await thinwire.kill()
  appendFileSync(fileOf(scene), linesOf(scene)[0]?.slice(0, 40) ?? '')
  const { port } = await start(scene)
  await checkKnown(scene, port, made)
  await until(() => linesOf(scene).every((line) => line.endsWith('}')), 'the torn line to go')
})

test('the file has nothing of what was said, and no key', async (scene) => {
  const thinwire = await start(scene)
  const secret = { ...RESPONSE, input: 'a-secret-of-the-prompt' }
  const { id } = await send(thinwire.port, scene.key, 'POST', '/responses', secret)
  await until(() => linesOf(scene).length === 1, 'the object to be written')
  const { at, ...rest } = JSON.parse(linesOf(scene)[0] ?? '')
  assert.match(rest.key, /^k_/)
  assert.equal(rest, { id, owner: 'team1', key: rest.key, upstream: 'a', billed: true })
  assert.ok(Math.abs(Date.now() - at) < 3_600_000)
})

test.run()

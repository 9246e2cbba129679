import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeKey } from '../../src/access/key-changes.js'
import { directList } from '../support/fronts/direct-list.js'
import { type FrontRequest, requestByHttp1 } from '../support/fronts/front-client.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { chat, inNginxScene, type NginxScene } from '../support/fronts/nginx-scene.js'
import { DIRECT_CREDENTIAL } from '../support/fronts/provider.js'
import type { RelaySet } from '../support/fronts/relay-set.js'
import { run, Thinwire } from '../support/thinwire.js'
import { until, wait } from '../support/until.js'

const withNginx = HAS_NGINX ? test : test.skip

/** A map of nginx with one key, as `thinwire keys export --format nginx` writes it. */
const mapOf = ({ key }: RelaySet): string =>
  `map $http_authorization $thinwire_direct_key {\n    default "";\n    "~^[Bb]earer +${key}$" "k_1:prod:core:first";\n}\n`

async function codeOf(request: FrontRequest): Promise<[number, string]> {
  const { status, code } = await requestByHttp1(request)
  return [status, code]
}

withNginx('without njs a map of keys says who goes direct, and where to', async () => {
  await inNginxScene({ direct: 'map', relays: false, list: mapOf }, async (scene) => {
    const body = '{"model":"fast", "user":"m1"}'
    const outcome = await requestByHttp1({ ...chat(scene, 'm1'), body, path: '/v1/chat/completions?key=x' })
    assert.is(outcome.ended, 'whole', outcome.body)
    assert.ok(outcome.isDirect)
    const [arrival] = scene.provider.arrivalsOf('m1')
    assert.equal(
      [arrival?.headers.authorization, arrival?.path, String(arrival?.body)],
      [`Bearer ${DIRECT_CREDENTIAL}`, '/v1/chat/completions', body],
    )
    const cut = { stream: true, metadata: { pieces: '4', cut_after: '2' } }
    assert.is((await requestByHttp1(chat(scene, 'm2', cut))).ended, 'cut')
    const before = scene.provider.arrivals.length
    const wrong = { authorization: `Bearer ${scene.key}x` }
    assert.equal(await codeOf({ ...chat(scene, 'x'), headers: wrong }), [401, 'invalid_api_key'])
    for (const path of [
      '/v1/files',
      '/v1/chat/completions/../../files',
      '/v1/chat%2fcompletions',
      '/v1/responses/x',
    ])
      assert.equal(await codeOf({ ...chat(scene, 'x'), path }), [503, 'direct_not_possible'], path)
    const refused = await requestByHttp1({ ...chat(scene, 'x'), path: '/v1/files' })
    assert.equal([refused.isDirect, refused.headers['retry-after']], [true, '5'])
    assert.is(scene.provider.arrivals.length, before)
    assert.equal(await codeOf(chat(scene, 'x', { metadata: { refuse: '401' } })), [502, 'direct_refused'])
    const [line] = scene.nginx.directLog
    assert.equal([line?.key_id, line?.env, line?.team, line?.user], ['k_1', 'prod', 'core', 'first'])
  })
})

withNginx('in passthrough mode the key of the client goes on, and aliases work', async () => {
  await inNginxScene({ direct: 'passthrough', relays: false }, async (scene) => {
    const headers = { authorization: `Bearer ${DIRECT_CREDENTIAL}`, 'content-type': 'application/json' }
    const outcome = await requestByHttp1({ ...chat(scene, 'p1', { model: 'fast' }), headers })
    assert.is(outcome.ended, 'whole', outcome.body)
    assert.match(String(scene.provider.arrivalsOf('p1')[0]?.body), /"model":"gpt-5-mini"/)
    const { body: _, ...get } = { ...chat(scene, ''), headers, method: 'GET' }
    assert.is((await requestByHttp1({ ...get, path: '/v1/files?limit=2' })).status, 200)
    assert.is(scene.provider.arrivals.at(-1)?.path, '/v1/files?limit=2')
    for (const path of ['/v1/../admin', '/v1//files', '/other', '/v1/a%2fb'])
      assert.equal(await codeOf({ ...get, path }), [503, 'direct_not_possible'], path)
    const wrong = await requestByHttp1({
      ...chat(scene, 'p2'),
      headers: { authorization: 'Bearer sk-other' },
    })
    assert.is(wrong.isDirect, true)
    assert.ok(wrong.status >= 400)
  })
})

withNginx('without a direct way the relays alone serve, and 502 says that there is none', async () => {
  await inNginxScene({ direct: 'none', relays: false }, async (scene) => {
    assert.equal(await codeOf(chat(scene, 'n1')), [502, 'relay_lost'])
    await scene.set.startAll()
    await until(() => scene.set.relays.every(({ isRunning }) => isRunning), 'the relays')
    assert.is((await requestByHttp1(chat(scene, 'n2'))).ended, 'whole')
  })
})

/** Asks until the answer has this status. The bound guards the promise of a second, with room for a busy machine. */
async function awaitStatus(scene: NginxScene, key: string, status: number): Promise<number> {
  const began = performance.now()
  const request = { ...chat(scene, ''), headers: { authorization: `Bearer ${key}` } }
  for (;;) {
    const outcome = await requestByHttp1(request)
    const took = performance.now() - began
    if (outcome.status === status) return took
    assert.ok(took < 20_000, `no ${status} within 20 s, but ${outcome.status} ${outcome.body}`)
    await wait(20)
  }
}

withNginx('the list that keys export writes follows new, revoked, expired and budgeted keys', async () => {
  const settings = {
    direct: { upstream: 'openai' },
    limits: {
      rules: [{ name: 'budget', match: { user: 'budgeted' }, per: 'key', usd: { day: 1 } }],
    },
  }
  await inNginxScene({ relays: false, settings, list: () => directList([]) }, async (scene) => {
    const { place, set, nginx, key } = scene
    const budgeted = set.issueKey('budgeted')
    const expiring = set.issueKey('expiring', {
      limits: { expiresAt: new Date(Date.now() + 6_000).toISOString() },
    })
    const args = [
      'keys',
      'export',
      '--hashes',
      '--config',
      set.configFile,
      '--out',
      nginx.listFile,
      '--mode',
      '644',
    ]
    const once = await run(place, [...args])
    assert.is(once.code, 0, once.err)
    const follower = new Thinwire(place, [...args, '--follow'])
    await awaitStatus(scene, key, 200)
    assert.is(
      (await requestByHttp1({ ...chat(scene, ''), headers: { authorization: `Bearer ${budgeted}` } })).status,
      401,
    )
    const late = set.issueKey('late')
    const added = await awaitStatus(scene, late, 200)
    revokeKey(set.keyFile, late)
    const revoked = await awaitStatus(scene, late, 401)
    await awaitStatus(scene, expiring, 401)
    process.stdout.write(
      `a new key after ${added.toFixed(0)} ms, a revoked one refused after ${revoked.toFixed(0)} ms\n`,
    )
    assert.is((await requestByHttp1(chat(scene, ''))).status, 200)
    assert.is(follower.code, null, follower.err)
  })
})

test.run()

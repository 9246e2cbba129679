import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../support/client.js'
import { openPage, type PageScene, withPage } from '../support/page/scene.js'

// Who may do what: each endpoint, asked by each kind of caller.

const GETS = [
  'session',
  'series?range=5m',
  'totals?by=model',
  'totals.csv?by=team',
  'series.csv?range=5m',
  'spend',
  'spend.csv?by=team',
  'limits',
  'limits.csv',
  'refusals',
  'refusals.csv?table=rules',
  'upstreams',
  'upstreams.csv',
  'requests?limit=5',
  'requests.csv',
  'keys',
  'keys.csv',
  'live',
]

const POSTS = ['keys', 'keys/k_0123456789/rotate', 'keys/k_0123456789/revoke']

type Caller = (scene: PageScene) => Promise<readonly string[]>

/** What each caller sends, and the statuses of looking and acting. An order is empty: 400 says that it was let through. */
const CALLERS: ReadonlyArray<readonly [name: string, caller: Caller, get: number, post: readonly number[]]> =
  [
    ['an operator', async (scene) => [await scene.signIn(), ownOrigin(scene)], 200, [400, 404, 404]],
    [
      'a holder',
      async (scene) => [await scene.signIn(scene.one.key), ownOrigin(scene)],
      200,
      [403, 403, 403],
    ],
    ['nobody', async (scene) => [ownOrigin(scene)], 401, [401, 401, 401]],
    [
      'somebody with a forged cookie',
      async (scene) => [`cookie: thinwire_${scene.port}=${'A'.repeat(43)}`, ownOrigin(scene)],
      401,
      [401, 401, 401],
    ],
    [
      'somebody with two cookies',
      async (scene) => [
        `${await scene.signIn()}; thinwire_${scene.port}=${'A'.repeat(43)}`,
        ownOrigin(scene),
      ],
      401,
      [401, 401, 401],
    ],
    [
      'the page of another site',
      async (scene) => [await scene.signIn(), 'origin: http://evil.example', 'sec-fetch-site: cross-site'],
      403,
      [403, 403, 403],
    ],
    [
      'a page at another port of the same host',
      async (scene) => [await scene.signIn(), 'origin: http://127.0.0.1:1', 'sec-fetch-site: same-site'],
      403,
      [403, 403, 403],
    ],
    [
      'an old browser at another port',
      async (scene) => [await scene.signIn(), 'origin: http://127.0.0.1:1'],
      200,
      [403, 403, 403],
    ],
    ['a program without an origin', async (scene) => [await scene.signIn()], 200, [403, 403, 403]],
    [
      'a program with the token in a header',
      async (scene) => ['authorization: Bearer operator-token-0123456789', ownOrigin(scene)],
      401,
      [401, 401, 401],
    ],
    [
      'a page whose name leads here (DNS rebinding)',
      async (scene) => [await scene.signIn(), 'host: evil.example', 'origin: http://evil.example'],
      421,
      [421, 421, 421],
    ],
  ]

for (const [name, caller, get, post] of CALLERS)
  test(`the API gives ${name} what it is to`, () =>
    withPage({}, async (scene) => {
      const headers = await caller(scene)
      for (const path of GETS) {
        const response = await read(scene, `/api/${path}`, headers)
        assert.is(response.status, get, `GET ${path}`)
        checkSafe(response)
      }
      for (const [i, path] of POSTS.entries()) {
        const json = [...headers, 'content-type: application/json']
        const response = await scene.ask('POST', `/api/${path}`, json, '{}')
        assert.is(response.status, post[i], `POST ${path}: ${response.body}`)
        checkSafe(response)
      }
    }))

test('a holder is shown what the own key did, whatever is asked for', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn(scene.one.key)
    const { id } = scene.one.record
    const other = scene.other.record.id
    for (const path of ['series', 'totals', 'spend', 'refusals', 'requests', 'upstreams'])
      await scene.ask('GET', `/api/${path}?key=${other}`, [cookie])
    const filters = scene.source.asked.flatMap(({ filter }) => (filter === undefined ? [] : [filter.key]))
    assert.ok(filters.length >= 6)
    for (const key of filters) assert.equal(key, [id])
    const keys = (await json(scene, '/api/keys', cookie)) as { keys: { id: string }[] }
    assert.equal(
      keys.keys.map((row) => row.id),
      [id],
    )
    const limits = (await json(scene, '/api/limits', cookie)) as { meters: { owner: string }[] }
    assert.equal(
      limits.meters.map(({ owner }) => owner),
      [id],
    )
    assert.equal(((await json(scene, '/api/refusals', cookie)) as { rules: unknown[] }).rules, [])
    const targets = (await json(scene, '/api/upstreams', cookie)) as { targets: Record<string, unknown>[] }
    assert.ok(targets.targets.length > 0)
    for (const row of targets.targets)
      assert.equal([row.state, row.openedTimes, row.inFlight], ['closed', 0, 0])
    const listed = (await json(scene, '/api/requests', cookie)) as {
      requests: { key: string }[]
      kept: number
    }
    assert.ok(listed.requests.every(({ key }) => key === id))
    assert.is(listed.kept, listed.requests.length)
    const session = (await json(scene, '/api/session', cookie)) as Record<string, unknown>
    assert.equal(session.key, { id, owner: 'team1/user1' })
    assert.is(session.mayChangeKeys, false)
  }))

test('a holder does not find the request of another key by its id', () =>
  withPage({}, async (scene) => {
    const holder = await scene.signIn(scene.one.key)
    assert.is((await scene.ask('GET', '/api/requests/tw-0-0', [holder])).status, 200)
    assert.is((await scene.ask('GET', '/api/requests/tw-0-1', [holder])).status, 404)
    const operator = await scene.signIn()
    assert.is((await scene.ask('GET', '/api/requests/tw-0-1', [operator])).status, 200)
  }))

test('the page itself needs no session, and nobody learns without one which paths the API has', () =>
  withPage({}, async (scene) => {
    assert.is((await scene.ask('GET', '/sign-in')).status, 200)
    assert.is((await scene.ask('GET', '/api/nothing')).status, 401)
    const cookie = await scene.signIn()
    assert.is((await scene.ask('GET', '/api/nothing', [cookie])).status, 404)
    assert.is((await scene.ask('GET', '/api/session.csv', [cookie])).status, 404)
    assert.is((await scene.ask('GET', '/api/__proto__', [cookie])).status, 404)
    assert.is((await scene.ask('GET', '/api/requests/tw-0-1/more', [cookie])).status, 404)
  }))

test('an operator who looks from elsewhere needs a name that the config knows', async () => {
  const scene = await openPage({ settings: { hosts: ['Page.example.com'] } })
  try {
    const status = async (host: string): Promise<number> =>
      (await scene.ask('GET', '/sign-in', [`host: ${host}`])).status
    const { port } = scene
    for (const host of [
      `127.0.0.1:${port}`,
      '[::1]:1',
      'localhost',
      'a.localhost:7',
      'PAGE.example.com',
      '10.0.0.7',
    ])
      assert.is(await status(host), 200, host)
    for (const host of [
      'thinwire',
      'evil.example',
      'a.page.example.com',
      'page.example.com.evil.example',
      '',
    ])
      assert.is(await status(host), 421, host)
    assert.is(await status('127.0.0.1.evil.example'), 421)
    assert.is(await status('localhost.evil.example'), 421)
    scene.page.reconfigure({ token: null, hosts: ['other.example'] })
    assert.is(await status('page.example.com'), 421)
    assert.is(await status('other.example'), 200)
  } finally {
    scene.close()
  }
})

function ownOrigin({ port }: PageScene): string {
  return `origin: http://127.0.0.1:${port}`
}

async function json(scene: PageScene, path: string, cookie: string): Promise<unknown> {
  return JSON.parse((await scene.ask('GET', path, [cookie])).body.toString())
}

/** A live stream does not end: its head is enough. */
async function read(scene: PageScene, path: string, headers: readonly string[]): Promise<Response> {
  if (path !== '/api/live') return scene.ask('GET', path, headers)
  return scene.ask('HEAD', path, headers)
}

/** Each answer forbids what a page of others could do with it. */
function checkSafe(response: Response): void {
  const header = (name: string): string => response.header(name) ?? ''
  assert.match(
    header('content-security-policy'),
    /^default-src 'self'; frame-ancestors 'none'; base-uri 'none'/,
  )
  assert.is(header('x-content-type-options'), 'nosniff')
  assert.match(header('referrer-policy'), /^(?:no-referrer|same-origin)$/)
  assert.is(header('cache-control'), 'no-store')
  assert.is(
    response.headers.some(([name]) => name.toLowerCase().startsWith('access-control-')),
    false,
  )
}

test.run()

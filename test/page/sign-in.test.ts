import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey, issueKey } from '../../src/access/key-changes.js'
import { revokeKey } from '../../src/access/keyring.js'
import { OperatorToken, PRINTED_MS } from '../../src/page/operator-token.js'
import { Sessions } from '../../src/page/sessions.js'
import { SignInLimit } from '../../src/page/sign-in-limit.js'
import type { Response } from '../support/client.js'
import { type PageScene, TOKEN, withPage } from '../support/page/scene.js'

const HOUR_MS = 3_600_000

test('a printed token is good for one sign-in, and is out of the address then', () =>
  withPage({ settings: { token: null } }, async (scene) => {
    let spent = 0
    const token = scene.page.printToken(() => spent++)
    const first = await scene.ask('GET', `/?view=spend&token=${token}&range=7d`)
    assert.is(first.status, 303)
    assert.is(first.header('location'), '/?view=spend&range=7d')
    const cookie = first.header('set-cookie') ?? ''
    assert.match(cookie, /^thinwire_\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
    assert.is(spent, 1)
    assert.is((await whoIs(scene, cookie)).role, 'operator')
    const second = await scene.ask('GET', `/?token=${token}`)
    assert.is(second.status, 303)
    assert.is(second.header('location'), '/sign-in?to=%2F&why=spent')
    assert.is(second.header('set-cookie'), undefined)
    const again = await scene.ask('GET', `/?token=${token}`, [cookieLine(cookie)])
    assert.is(again.header('location'), '/', 'who is signed in is not signed out by the old link')
    assert.not.match(scene.logged.join('\n'), token)
  }))

test('a printed token is not used up by who only looks ahead', () =>
  withPage({ settings: { token: null } }, async (scene) => {
    const token = scene.page.printToken()
    await scene.ask('HEAD', `/?token=${token}`)
    await scene.ask('GET', `/?token=${token}`, ['sec-purpose: prefetch;prerender'])
    await scene.ask('GET', `/?token=${token}`, ['purpose: prefetch'])
    await scene.ask('GET', `/?token=${token}`, ['host: evil.example'])
    await scene.ask('GET', `/?token=${token}&token=${token}`)
    assert.is((await scene.ask('GET', `/?token=${token}`)).header('location'), '/')
  }))

test('the form lets in operators and holders, without a script', () =>
  withPage({}, async (scene) => {
    const page = await scene.ask('GET', '/sign-in?to=%2F%3Fview%3Dspend')
    const text = page.body.toString()
    assert.match(text, /<form method="post" action="\/sign-in">/)
    assert.not.match(text, /<script|style=|onload/)
    assert.match(text, 'value="/?view=spend"')
    const operator = await sendForm(scene, { token: ` ${TOKEN} `, to: '/?view=spend' })
    assert.is(operator.status, 303)
    assert.is(operator.header('location'), '/?view=spend')
    assert.is((await whoIs(scene, operator.header('set-cookie') ?? '')).role, 'operator')
    const holder = await sendForm(scene, { token: scene.one.key, to: '/' })
    assert.is((await whoIs(scene, holder.header('set-cookie') ?? '')).role, 'holder')
    const wrong = await sendForm(scene, { token: '<b>wrong', to: '"><script>' })
    assert.is(wrong.status, 401)
    assert.match(wrong.body.toString(), 'neither the token of this page nor a valid key')
    assert.not.match(wrong.body.toString(), /wrong<|<b>|"><script/)
  }))

/** Where a sign-in may lead. */
const RETURNS: ReadonlyArray<readonly [to: string, location: string]> = [
  ['/?view=keys', '/?view=keys'],
  ['//evil.example/', '/'],
  ['/\\evil.example/', '/'],
  ['https://evil.example/', '/'],
  ['javascript:alert(1)', '/'],
  ['/a\r\nset-cookie: x=y', '/'],
  ['/sign-in?to=/', '/'],
  ['', '/'],
]
for (const [to, location] of RETURNS)
  test(`a sign-in for ${JSON.stringify(to)} leads to ${location}`, () =>
    withPage({}, async (scene) => {
      assert.is((await sendForm(scene, { token: TOKEN, to })).header('location'), location)
    }))

test('a key in a link signs nobody in: it could be another one than the own', () =>
  withPage({}, async (scene) => {
    const response = await scene.ask('GET', `/?token=${scene.one.key}`)
    assert.match(response.header('location') ?? '', /^\/sign-in/)
    assert.is(response.header('set-cookie'), undefined)
  }))

test('the script of the page signs in and out', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn()
    const own = [cookie, `origin: http://127.0.0.1:${scene.port}`]
    assert.is((await scene.ask('GET', '/api/session', own)).status, 200)
    const out = await scene.ask('DELETE', '/api/session', own)
    assert.is(out.status, 204)
    assert.match(out.header('set-cookie') ?? '', /^thinwire_\d+=; .*Max-Age=0$/)
    assert.is((await scene.ask('GET', '/api/session', own)).status, 401)
    const again = [await scene.signIn(), `origin: http://127.0.0.1:${scene.port}`]
    assert.is((await scene.ask('POST', '/sign-out', again)).header('location'), '/sign-in')
    assert.is((await scene.ask('GET', '/api/session', again)).status, 401)
    const other = await scene.signIn()
    assert.is((await scene.ask('POST', '/sign-out', [other, 'origin: http://evil.example'])).status, 403)
    assert.is((await scene.ask('GET', '/api/session', [other])).status, 200)
  }))

test('behind a proxy that speaks https, the cookie is for https alone', () =>
  withPage({}, async (scene) => {
    const body = JSON.stringify({ secret: TOKEN })
    const send = (...headers: string[]): Promise<Response> =>
      scene.ask('POST', '/api/session', ['content-type: application/json', ...headers], body)
    const named = await send('x-forwarded-proto: https', 'sec-fetch-site: same-origin')
    assert.match(named.header('set-cookie') ?? '', /; Secure$/)
    const told = await send(`host: localhost`, 'origin: https://localhost')
    assert.match(told.header('set-cookie') ?? '', /; Secure$/)
    const plain = await send(`origin: http://127.0.0.1:${scene.port}`)
    assert.not.match(plain.header('set-cookie') ?? '', /Secure/)
  }))

test('who tries tokens has to wait, and others need not', () =>
  withPage({ trustedProxies: ['127.0.0.1'] }, async (scene) => {
    const send = (secret: string, address: string): Promise<Response> =>
      scene.ask(
        'POST',
        '/api/session',
        ['content-type: application/json', 'sec-fetch-site: same-origin', `x-forwarded-for: ${address}`],
        JSON.stringify({ secret }),
      )
    for (let i = 0; i < 10; i++) assert.is((await send(`wrong-${i}`, '192.0.2.1')).status, 401)
    const slow = await send(TOKEN, '192.0.2.1')
    assert.is(slow.status, 429)
    assert.match(slow.header('retry-after') ?? '', /^\d+$/)
    assert.is((await scene.ask('GET', `/?token=${TOKEN}`, ['x-forwarded-for: 192.0.2.1'])).status, 429)
    assert.is((await send(TOKEN, '192.0.2.2')).status, 200)
    assert.not.match(scene.logged.join('\n'), /wrong-\d/)
    assert.match(scene.logged.join('\n'), /192\.0\.2\.1/)
  }))

test('pictures and frames in a page of others use no token up, and keep nobody from a sign-in', () =>
  withPage({}, async (scene) => {
    const token = scene.page.printToken()
    const others = ['sec-fetch-site: cross-site', 'sec-fetch-mode: no-cors']
    for (const what of ['image', 'iframe', 'empty', 'script', 'style'])
      for (const tried of ['wrong', 'wrong', 'wrong', token])
        await scene.ask('GET', `/?token=${tried}`, [...others, `sec-fetch-dest: ${what}`])
    assert.not.match(scene.logged.join('\n'), 'a sign-in has failed')
    const visit = ['sec-fetch-site: none', 'sec-fetch-mode: navigate', 'sec-fetch-dest: document']
    assert.is((await scene.ask('GET', `/?token=${token}`, visit)).header('location'), '/')
  }))

test('a session ends when its key is revoked, and such a key signs nobody in', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn(scene.one.key)
    revokeKey(scene.keyFile, scene.one.record.id)
    scene.source.keys?.reload()
    assert.is((await scene.ask('GET', '/api/session', [cookie])).status, 401)
    assert.is((await sendForm(scene, { token: scene.one.key, to: '/' })).status, 401)
  }))

test('a key that is bound to addresses is good for the page from there alone', () =>
  withPage({ trustedProxies: ['127.0.0.1'] }, async (scene) => {
    const { key } = issueKey(
      scene.keyFile,
      { env: 'test', team: 'team1', user: 'user3' },
      { limits: { addresses: ['10.0.0.0/8'] } },
    )
    scene.source.keys?.reload()
    const send = (address: string): Promise<Response> =>
      scene.ask(
        'POST',
        '/api/session',
        ['content-type: application/json', 'sec-fetch-site: same-origin', `x-forwarded-for: ${address}`],
        JSON.stringify({ secret: key }),
      )
    assert.is((await send('192.0.2.1')).status, 401)
    const inside = await send('10.1.2.3')
    assert.is(inside.status, 200)
    const cookie = cookieLine(inside.header('set-cookie') ?? '')
    assert.is((await scene.ask('GET', '/api/session', [cookie, 'x-forwarded-for: 10.1.2.4'])).status, 200)
    assert.is((await scene.ask('GET', '/api/session', [cookie, 'x-forwarded-for: 192.0.2.1'])).status, 401)
  }))

test('operators have to sign in again when the token changes, and holders need not', () =>
  withPage({}, async (scene) => {
    const operator = await scene.signIn()
    const holder = await scene.signIn(scene.one.key)
    scene.page.reconfigure({ token: TOKEN, hosts: [] })
    assert.is((await scene.ask('GET', '/api/session', [operator])).status, 200)
    scene.page.reconfigure({ token: 'another-token-0123456789', hosts: [] })
    assert.is((await scene.ask('GET', '/api/session', [operator])).status, 401)
    assert.is((await scene.ask('GET', '/api/session', [holder])).status, 200)
    assert.is((await sendForm(scene, { token: TOKEN, to: '/' })).status, 401)
    await scene.signIn('another-token-0123456789')
  }))

test('who is signed in stays so at a process that takes over, until the session ends there or here', () =>
  withPage({}, async (before) => {
    await withPage({ settings: { token: TOKEN } }, async (after) => {
      const cookies = [await before.signIn()]
      before.page.followBy({
        takeSessions: (token, sessions) => {
          assert.not.match(JSON.stringify(sessions) + token, TOKEN)
          after.page.takeSessions(token, sessions)
        },
        endSession: (id) => after.page.endSession(id),
      })
      cookies.push(await before.signIn())
      // The name of a cookie has the port, which is the same after a restart.
      const there = (cookie: string): string => cookie.replace(`_${before.port}=`, `_${after.port}=`)
      const ask = async (cookie = ''): Promise<number> =>
        (await after.ask('GET', '/api/session', [there(cookie)])).status
      for (const cookie of cookies) assert.is(await ask(cookie), 200)
      await before.ask('POST', '/sign-out', [cookies[1] ?? '', `origin: http://127.0.0.1:${before.port}`])
      assert.is(await ask(cookies[1]), 401)
      after.page.reconfigure({ token: 'another-token-0123456789', hosts: [] })
      assert.is(await ask(cookies[0]), 401)
      // Operators of another token are not let in at all.
      assert.is(await ask(await before.signIn()), 401)
    })
  }))

test('a session that has come from another process ends with its key, and when it is not used', () => {
  const key = { id: 'k_1', revokedAt: null, expiresAt: null, addresses: null }
  let found: typeof key | undefined = key
  let now = 1_000
  const before = new Sessions({ findKey: () => key as never, now: () => now })
  const after = new Sessions({ findKey: () => found as never, now: () => now })
  const texts = [before.openForHolder('h1'), before.openForHolder('h2')]
  before.followBy({ take: (sessions) => after.take(sessions), end: (id) => after.endSent(id) })
  assert.is(after.find(texts[0] ?? '', null)?.key, key)
  found = undefined
  assert.is(after.find(texts[0] ?? '', null), null)
  found = key
  assert.is(after.size, 1)
  now += 12 * HOUR_MS
  assert.is(after.find(texts[1] ?? '', null), null)
  before.followBy(null)
  before.openForOperator()
  assert.is(after.size, 0)
})

test('a printed token is good for nothing once the config has one', () => {
  const token = new OperatorToken(null)
  let spent = 0
  const printed = token.print(() => spent++)
  assert.ok(token.follow('a-token-of-the-config'))
  assert.is(spent, 1)
  assert.not(token.take(printed))
  assert.ok(token.take('a-token-of-the-config'))
  assert.ok(token.take('a-token-of-the-config'))
  assert.not(token.follow('a-token-of-the-config'))
})

test('a printed token lapses', () => {
  let now = 0
  const token = new OperatorToken(null, () => now)
  const printed = token.print()
  now = PRINTED_MS
  assert.not(token.take(printed))
  const next = token.print()
  assert.not(token.take(''))
  assert.ok(token.take(next))
})

test('a session that is not used ends, and each one ends at last', () => {
  let now = 0
  const sessions = new Sessions({ findKey: () => undefined, now: () => now })
  const idle = sessions.openForOperator()
  const used = sessions.openForOperator()
  now = 11 * HOUR_MS
  assert.ok(sessions.find(used, null))
  now = 12 * HOUR_MS
  assert.is(sessions.find(idle, null), null)
  for (; now < 7 * 24 * HOUR_MS; now += HOUR_MS) assert.ok(sessions.find(used, null))
  assert.is(sessions.find(used, null), null)
  assert.is(sessions.size, 0)
})

test('sessions are bounded: those of one key do not end those of others', () => {
  const key = { id: 'k_1', revokedAt: null, expiresAt: null, addresses: null }
  const sessions = new Sessions({ findKey: () => key as never })
  const operator = sessions.openForOperator()
  const other = sessions.openForHolder('other')
  const first = sessions.openForHolder('one')
  for (let i = 0; i < 1_000; i++) sessions.openForHolder('one')
  assert.is(sessions.find(first, null), null)
  assert.ok(sessions.find(other, null))
  assert.ok(sessions.find(operator, null))
  assert.is(sessions.size, 10)
  for (let i = 0; i < 10_000; i++) sessions.openForHolder(`key ${i}`)
  assert.ok(sessions.find(operator, null))
  assert.ok(sessions.size <= 2_101)
})

test('failed sign-ins are forgiven with time, and their table is bounded', () => {
  let now = 0
  const limit = new SignInLimit(() => now)
  for (let i = 0; i < 10; i++) {
    assert.is(limit.readWait('one'), 0)
    limit.fail('one')
  }
  assert.is(limit.readWait('one'), 10)
  assert.is(limit.readWait('other'), 0)
  now = 10_000
  assert.is(limit.readWait('one'), 0)
  limit.fail('one')
  assert.is(limit.readWait('one'), 10)
  for (let i = 0; i < 20_000; i++) limit.fail(`address ${i}`)
  assert.is(limit.readWait('one'), 0)
})

test('a key that is changed to other addresses ends its sessions from elsewhere', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn(scene.one.key)
    changeKey(scene.keyFile, scene.one.record.id, { addresses: ['10.0.0.0/8'] })
    scene.source.keys?.reload()
    assert.is((await scene.ask('GET', '/api/session', [cookie])).status, 401)
  }))

function sendForm(scene: PageScene, fields: Record<string, string>): Promise<Response> {
  const headers = [
    `origin: http://127.0.0.1:${scene.port}`,
    'content-type: application/x-www-form-urlencoded',
  ]
  return scene.ask('POST', '/sign-in', headers, new URLSearchParams(fields).toString())
}

function cookieLine(setCookie: string): string {
  return `cookie: ${setCookie.split(';', 1)[0]}`
}

async function whoIs(scene: PageScene, setCookie: string): Promise<Record<string, unknown>> {
  const response = await scene.ask('GET', '/api/session', [cookieLine(setCookie)])
  return JSON.parse(response.body.toString()) as Record<string, unknown>
}

test('of two printed tokens the later one is good, once', () => {
  const token = new OperatorToken(null)
  const first = token.print()
  const second = token.print()
  assert.not.ok(token.take(first))
  assert.ok(token.take(second))
  assert.not.ok(token.take(second))
})

test.run()

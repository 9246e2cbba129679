import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadAudit } from '../../src/access/audit.js'
import { findKey } from '../../src/access/key-changes.js'
import { formatAudit } from '../../src/commands/keys-text.js'
import type { Response } from '../support/client.js'
import { type PageScene, withPage } from '../support/page/scene.js'

test('an operator issues a key, which is shown once, and the audit names the session', () =>
  withSender(async (scene, send) => {
    const order = { env: 'prod', team: 'team3', user: 'user3', expires: '30d', models: ['gpt-*', 'o?'] }
    const response = await send('keys', order)
    assert.is(response.status, 200)
    const { id, key } = JSON.parse(response.body.toString()) as { id: string; key: string }
    assert.match(key, /^lc_prod_team3_user3_/)
    const record = findKey(scene.keyFile, key)
    assert.is(record.id, id)
    assert.equal(record.models, ['gpt-*', 'o?'])
    assert.ok(record.expiresAt !== null)
    const listed = await scene.ask('GET', '/api/keys', [await scene.signIn()])
    assert.match(listed.body.toString(), id)
    assert.not.match(listed.body.toString(), key)
    const entry = loadAudit(scene.keyFile).entries.at(-1)
    assert.match(entry?.page ?? '', /^[0-9a-f]{8} from 127\.0\.0\.1$/)
    assert.is(loadAudit(scene.keyFile).entries[0]?.page, null)
    assert.equal(loadAudit(scene.keyFile).flaws, [])
    assert.match(formatAudit(loadAudit(scene.keyFile).entries), `issued   ${id}  by page ${entry?.page}`)
    assert.match(scene.logged.join('\n'), `has issued the key ${id}`)
    assert.not.match(scene.logged.join('\n'), key)
    await scene.signIn(key)
  }))

test('an operator rotates and revokes a key', () =>
  withSender(async (scene, send) => {
    const { id } = scene.one.record
    const rotated = await send(`keys/${id}/rotate`, { overlap: '2h' })
    assert.is(rotated.status, 200)
    const { id: next, key } = JSON.parse(rotated.body.toString()) as { id: string; key: string }
    assert.is(findKey(scene.keyFile, key).replaces, id)
    assert.is((await send(`keys/${id}/rotate`, {})).status, 409)
    const revoked = await send(`keys/${next}/revoke`, {})
    assert.is(revoked.status, 204)
    assert.is(revoked.body.length, 0)
    assert.ok(findKey(scene.keyFile, next).revokedAt !== null)
    const again = await send(`keys/${next}/revoke`, {})
    assert.is(again.status, 409)
    assert.match(again.body.toString(), 'already_revoked')
    assert.is((await send('keys/k_00000000ff/revoke', {})).status, 404)
    const ops = loadAudit(scene.keyFile).entries.map(({ op, page }) => [op, page !== null])
    assert.equal(ops.slice(2), [
      ['issued', true],
      ['rotated', true],
      ['revoked', true],
    ])
  }))

/** Orders that are refused, and what the message says. */
const WRONG: ReadonlyArray<readonly [path: string, body: unknown, status: number, message: RegExp]> = [
  ['keys', {}, 400, /env: is missing/],
  ['keys', [], 400, /must be a JSON object/],
  ['keys', { env: 'a', team: 'B', user: 'c' }, 400, /team: must be 1 to 32 characters/],
  ['keys', { env: 'a', team: 'b', user: '<script>' }, 400, /user: must be/],
  ['keys', { env: 'a', team: 'b', user: 'c', expires: 'tomorrow' }, 400, /expires: must be like/],
  ['keys', { env: 'a', team: 'b', user: 'c', expires: '2001-01-01' }, 400, /expires: must be in the future/],
  ['keys', { env: 'a', team: 'b', user: 'c', models: 'gpt-*' }, 400, /models: must be names/],
  ['keys', { env: 'a', team: 'b', user: 'c', models: [] }, 400, /models: must be names/],
  ['keys', { env: 'a', team: 'b', user: 'c', id: 'k_1' }, 400, /id: is not known here/],
  ['keys?x=1', { env: 'a', team: 'b', user: 'c' }, 400, /x: is not known here/],
  ['keys/k_0123456789/rotate', { overlap: 'long' }, 400, /overlap: must be like/],
  ['keys/k_0123456789/rotate', { overlap: 5 }, 400, /overlap: must be like/],
  ['keys/k_0/revoke', {}, 404, /no key with this id/],
  ['keys/..%2f..%2fetc/revoke', {}, 404, /no key with this id/],
]
for (const [path, body, status, message] of WRONG)
  test(`an order at ${path} is refused: ${JSON.stringify(body)}`, () =>
    withSender(async (scene, send) => {
      const before = loadAudit(scene.keyFile).entries.length
      const response = await send(path, body)
      assert.is(response.status, status)
      assert.match(response.body.toString(), message)
      assert.is(loadAudit(scene.keyFile).entries.length, before)
    }))

test('an order is JSON that says so', () =>
  withSender(async (scene) => {
    const own = [await scene.signIn(), `origin: http://127.0.0.1:${scene.port}`]
    const body = JSON.stringify({ env: 'a', team: 'b', user: 'c' })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      assert.is((await scene.ask('POST', '/api/keys', [...own, `content-type: ${type}`], body)).status, 415)
    const broken = await scene.ask('POST', '/api/keys', [...own, 'content-type: application/json'], '{"env":')
    assert.is(broken.status, 400)
  }))

test('a key file that cannot be used is told of, and the page goes on', () =>
  withSender(async (scene, send) => {
    rmSync(scene.keyFile)
    mkdirSync(scene.keyFile)
    const response = await send('keys', { env: 'a', team: 'b', user: 'c' })
    assert.is(response.status, 503)
    assert.match(response.body.toString(), /key_file.*name a file, not a folder/)
    rmSync(scene.keyFile, { recursive: true })
  }))

test('while the key file is away or empty, no other one is begun: the keys of all others would be gone', () =>
  withSender(async (scene, send) => {
    const order = { env: 'a', team: 'b', user: 'c' }
    const text = readFileSync(scene.keyFile)
    const away: ReadonlyArray<readonly [leave: () => void, message: RegExp]> = [
      [() => rmSync(scene.keyFile), /key_file.*ENOENT.*put it back/],
      [() => writeFileSync(scene.keyFile, ''), /key_file.*EMPTIED.*put its lines back/],
    ]
    for (const [leave, message] of away) {
      leave()
      for (const path of [
        'keys',
        `keys/${scene.one.record.id}/rotate`,
        `keys/${scene.one.record.id}/revoke`,
      ]) {
        const response = await send(path, path === 'keys' ? order : {})
        assert.is(response.status, 503)
        assert.match(response.body.toString(), message)
      }
      await scene.signIn(scene.other.key)
    }
    writeFileSync(scene.keyFile, text)
    assert.is((await send('keys', order)).status, 200)
    await scene.signIn(scene.other.key)
  }))

test('the first key may be issued here, where there is no file yet', () =>
  withSender(async (scene, send) => {
    rmSync(scene.keyFile)
    Object.assign(scene.source.keys ?? {}, { list: () => [] })
    assert.is((await send('keys', { env: 'a', team: 'b', user: 'c' })).status, 200)
  }))

test('changes at one time are made one after the other, and the audit has all', () =>
  withSender(async (scene, send) => {
    const users = ['a', 'b', 'c', 'd', 'e', 'f']
    const all = await Promise.all(users.map((user) => send('keys', { env: 'x', team: 'y', user })))
    assert.equal(
      all.map(({ status }) => status),
      users.map(() => 200),
    )
    const { entries, flaws } = loadAudit(scene.keyFile)
    assert.is(entries.length, 2 + users.length)
    assert.equal(flaws, [])
  }))

test('a change that the audit does not take is made, and logged', () =>
  withSender(async (scene, send) => {
    const audit = scene.keyFile.replace('.jsonl', '.audit.jsonl')
    rmSync(audit)
    mkdirSync(audit)
    chmodSync(audit, 0o700)
    assert.is((await send('keys', { env: 'a', team: 'b', user: 'c' })).status, 200)
    assert.match(scene.logged.join('\n'), 'the change is made, but it is not in the audit')
  }))

type Send = (path: string, body: unknown) => Promise<Response>

function withSender(act: (scene: PageScene, send: Send) => Promise<void>): Promise<void> {
  return withPage({}, async (scene) => {
    const headers = [
      await scene.signIn(),
      `origin: http://127.0.0.1:${scene.port}`,
      'content-type: application/json',
    ]
    await act(scene, (path, body) => scene.ask('POST', `/api/${path}`, headers, JSON.stringify(body)))
  })
}

test.run()

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { hashKey, mintKey } from '../../src/access/key.js'
import { changeKey, issueKey, revokeKey, rotateKey } from '../../src/access/key-changes.js'
import { KeyFileWatch } from '../../src/access/key-file-watch.js'
import type { Keyring } from '../../src/access/keyring.js'
import { until } from '../support/until.js'
import { type KeyPlace, keySuite, openKeyring } from './key-place.js'

const test = keySuite('key file watch')
const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const DAY = 24 * 3_600_000

/** A keyring that is only read when a test says so, and a watch that looks into the audit at once. */
function open(place: KeyPlace): Keyring {
  const watch = new KeyFileWatch(place.file, (message) => place.problems.push(message), 0)
  return openKeyring(place, { pollMs: 3_600_000, watch })
}

/** What the watch has to report is there when it has reported this line. */
async function settled(place: KeyPlace, ring: Keyring): Promise<string[]> {
  appendFileSync(place.file, '{"v":2,"op":"settled"}\n')
  ring.reload()
  await until(() => place.problems.some((text) => text.endsWith('an unknown change')), 'the last line')
  return place.problems.filter((text) => !/unknown change|was skipped: it has no "id"/.test(text))
}

test('changes by the command are not reported', async (place) => {
  const ring = open(place)
  const { record } = issueKey(place.file, ALICE)
  ring.reload()
  changeKey(place.file, record.id, { models: ['m'] })
  ring.reload()
  rotateKey(place.file, record.id, DAY * 30)
  ring.reload()
  revokeKey(place.file, record.id)
  ring.reload()
  assert.equal(await settled(place, ring), [])
})

test('lines that were added by hand are reported once, and count', async (place) => {
  const { key, record } = issueKey(place.file, ALICE)
  const ring = open(place)
  const { id } = record
  appendFileSync(place.file, `{"v":1,"ts":"2026-01-31T12:00:00Z","op":"revoked","id":"${id}"}`)
  ring.reload()
  assert.ok(ring.find(hashKey(key))?.revokedAt)
  await until(() => place.problems.length > 0, 'the first report')
  appendFileSync(place.file, '\n')
  ring.reload()
  issueKey(place.file, ALICE)
  ring.reload()
  assert.equal(await settled(place, ring), [
    `key file ${place.file}: not written by thinwire keys: revoked ${id}`,
  ])
})

test('lines that were changed or removed are reported, and so is an older copy of the file', async (place) => {
  const { key, record } = issueKey(place.file, ALICE)
  issueKey(place.file, ALICE)
  const before = readFileSync(place.file, 'utf8')
  const ring = open(place)
  revokeKey(place.file, key)
  ring.reload()
  assert.ok(ring.find(hashKey(key))?.revokedAt)
  writeFileSync(place.file, before)
  ring.reload()
  writeFileSync(place.file, before.replace('alice', 'mallory'))
  ring.reload()
  writeFileSync(place.file, before.split('\n').slice(1).join('\n'))
  ring.reload()
  const byHand = `key file ${place.file}: lines were changed or removed by hand; see: thinwire keys audit`
  const restored = `key file ${place.file}: keys that were revoked are valid again (${record.id}); it may be an older copy`
  const lost = `key file ${place.file} has lost keys (1): they are refused from now on; it may be an older copy`
  assert.equal(await settled(place, ring), [restored, byHand, byHand, lost, byHand])
})

test('a key that was put into a line by mistake is not repeated', async (place) => {
  issueKey(place.file, ALICE)
  const ring = open(place)
  const key = mintKey(ALICE)
  appendFileSync(place.file, `{"v":1,"op":"${key}","id":"${key}"}\n${key}\n`)
  ring.reload()
  const reports = await settled(place, ring)
  assert.ok(reports.length > 0)
  for (const text of place.problems) assert.not.match(text, key)
})

test('keys that expire within a week are reported once, and again when their expiry was moved', async (place) => {
  const limits = { models: null, addresses: null }
  const at = (days: number) => new Date(Date.now() + days * DAY).toISOString()
  const soon = issueKey(place.file, ALICE, { limits: { ...limits, expiresAt: at(3) } }).record
  issueKey(place.file, ALICE, { limits: { ...limits, expiresAt: at(30) } })
  issueKey(place.file, ALICE, { limits: { ...limits, expiresAt: at(-1) } })
  const revoked = issueKey(place.file, ALICE, { limits: { ...limits, expiresAt: at(2) } }).record
  revokeKey(place.file, revoked.id)
  const ring = open(place)
  const first = `keys expire within 7 days: ${soon.id} (alice) on ${at(3).slice(0, 10)}`
  assert.equal(place.problems, [first])
  ring.reload()
  changeKey(place.file, soon.id, { expiresAt: at(5) })
  ring.reload()
  assert.equal(await settled(place, ring), [
    first,
    `keys expire within 7 days: ${soon.id} (alice) on ${at(5).slice(0, 10)}`,
  ])
})

test('of many keys the first ten are named', async (place) => {
  const expiresAt = new Date(Date.now() + DAY).toISOString()
  for (let i = 0; i < 13; i++)
    issueKey(place.file, ALICE, { limits: { models: null, addresses: null, expiresAt } })
  open(place)
  assert.match(place.problems[0] ?? '', /(?:k_\w+ \(alice\) on \S+, ){9}k_\w+ \(alice\) on \S+ and 3 more$/)
})

test('nothing is reported after the keyring was closed', async (place) => {
  const { record } = issueKey(place.file, ALICE)
  const ring = open(place)
  appendFileSync(place.file, `{"v":1,"ts":"2026-01-31T12:00:00Z","op":"revoked","id":"${record.id}"}\n`)
  ring.reload()
  ring.close()
  await sleep(20)
  assert.equal(place.problems, [])
})

test.run()

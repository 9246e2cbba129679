import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { issueKey, revokeKey } from '../../src/access/key-changes.js'
import { until } from '../support/until.js'
import { keySuite, openKeyring } from './key-place.js'

const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const BOB = { env: 'prod', team: 'team1', user: 'bob' }

const test = keySuite('key file notices')

for (const isOpen of [true, false])
  test(`a last line that was torn ${isOpen ? 'while the relay runs' : 'before the start'} is reported, once`, async (place) => {
    const { file, problems } = place
    const { record } = issueKey(file, ALICE)
    const ring = isOpen ? openKeyring(place) : null
    appendFileSync(file, '{"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"revoked","id":"k_')
    const opened = ring ?? openKeyring(place)
    await until(() => problems.length > 0, 'the notice')
    assert.match(problems[0] ?? '', /line 2 was skipped: it is not complete/)
    assert.not.match(problems.join(), /revoked/)
    assert.is(opened.list()[0]?.id, record.id)
    // The next line ends it, and is read; the torn one is then no JSON.
    revokeKey(file, record.id)
    await until(() => opened.list()[0]?.revokedAt !== null, 'the next line')
    assert.is(problems.filter((each) => each.includes('not complete')).length, 1)
  })

test('a line that is written in two pieces is not reported', async (place) => {
  const { file, problems } = place
  issueKey(file, ALICE)
  const text = readFileSync(file, 'utf8')
  issueKey(file, BOB)
  const line = readFileSync(file, 'utf8').slice(text.length)
  writeFileSync(file, text + line)
  const ring = openKeyring(place)
  await until(() => ring.size === 2, 'both keys')
  assert.equal(problems, [])
})

test('an older key file that is put back is reported: its lost keys, and revocations that are gone', async (place) => {
  const { file, problems } = place
  const alice = issueKey(file, ALICE)
  const older = readFileSync(file, 'utf8')
  const bob = issueKey(file, BOB)
  revokeKey(file, alice.record.id)
  const ring = openKeyring(place)
  assert.is(ring.size, 2)
  writeFileSync(file, older)
  await until(() => ring.size === 1, 'the older file')
  await until(() => problems.length === 2, 'both notices')
  assert.match(problems[0] ?? '', /has lost keys \(1\)/)
  assert.match(
    problems[1] ?? '',
    new RegExp(`keys that were revoked are valid again \\(${alice.record.id}\\)`),
  )
  assert.not.match(problems.join(), bob.key)
})

test('a key file that grows is not reported', async (place) => {
  const { file, problems } = place
  const { record } = issueKey(file, ALICE)
  const ring = openKeyring(place)
  issueKey(file, BOB)
  revokeKey(file, record.id)
  await until(() => ring.size === 2 && ring.list()[0]?.revokedAt !== null, 'both changes')
  assert.equal(problems, [])
})

test.run()

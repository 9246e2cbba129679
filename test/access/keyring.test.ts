import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey, KeyFormatError } from '../../src/access/key.js'
import { issueKey, Keyring, KeyringError, revokeKey } from '../../src/access/keyring.js'
import { keySuite, openKeyring } from './key-place.js'

const test = keySuite('keyring')
const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const BOB = { env: 'prod', team: 'team1', user: 'bob' }
const NOON = Date.parse('2026-01-31T12:00:00.000Z')

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000
  while (!holds()) {
    if (Date.now() > end) assert.unreachable(`waited in vain: ${what}`)
    await sleep(2)
  }
}

/** Long enough for several polls; only used to show that nothing happens, so a slow machine cannot fail it. */
const aFewPolls = () => sleep(60)

function fails(code: string, message: RegExp, run: () => unknown): void {
  assert.throws(run, (err: unknown) => {
    assert.instance(err, KeyringError)
    const { code: actual, message: text } = err as KeyringError
    assert.is(actual, code)
    assert.match(text, message)
    assert.not.match(text, '\n')
    return true
  })
}

/** A line as the file has it. */
function issuedLine(key: string, more: Record<string, unknown> = {}): string {
  const hash = hashKey(key)
  const line = {
    v: 1,
    ts: '2026-01-01T00:00:00.000Z',
    op: 'issued',
    id: deriveKeyId(hash),
    hash,
    ...ALICE,
    ...more,
  }
  return `${JSON.stringify(line)}\n`
}

test('a missing file is an empty keyring and not a problem', async (place) => {
  const ring = openKeyring(place)
  assert.is(ring.size, 0)
  assert.equal(ring.list(), [])
  await aFewPolls()
  ring.reload()
  assert.equal(place.problems, [])
})

test('an issued key is found by its hash, with its owner', (place) => {
  const { key, record } = issueKey(place.file, ALICE, { now: () => NOON })
  const found = openKeyring(place).find(hashKey(key))
  assert.equal(found, record)
  assert.equal(found, {
    id: deriveKeyId(hashKey(key)),
    ...ALICE,
    issuedAt: '2026-01-31T12:00:00.000Z',
    revokedAt: null,
    expiresAt: null,
    models: null,
    addresses: null,
    limits: null,
    ruleEntries: null,
    replaces: null,
    rotatedTo: null,
  })
})

test('the file never contains the key, and only the user can read the file and a folder made for it', (place) => {
  const file = join(place.folder, 'a', 'b', 'keys.jsonl')
  const { key } = issueKey(file, ALICE)
  const text = readFileSync(file, 'utf8')
  assert.not.match(text, key)
  assert.not.match(text, key.split('_').at(-1) ?? key)
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.is(statSync(join(place.folder, 'a', 'b')).mode & 0o777, 0o700)
  assert.is(statSync(join(place.folder, 'a')).mode & 0o777, 0o700)
})

test('every line has the documented fields in the documented order', (place) => {
  const { record } = issueKey(place.file, ALICE, { now: () => NOON })
  revokeKey(place.file, record.id, { now: () => NOON + 1000 })
  const [issued = '', revoked = '', rest] = readFileSync(place.file, 'utf8').split('\n')
  assert.equal(Object.keys(JSON.parse(issued)), ['v', 'ts', 'op', 'id', 'hash', 'env', 'team', 'user'])
  assert.is(revoked, `{"v":1,"ts":"2026-01-31T12:00:01.000Z","op":"revoked","id":"${record.id}"}`)
  assert.is(rest, '')
})

test('a key that is issued while the keyring is open is found without a restart', async (place) => {
  const ring = openKeyring(place)
  const { key } = issueKey(place.file, ALICE)
  await until('the new key is found', () => ring.find(hashKey(key)) !== undefined)
})

test('a key that is revoked while the keyring is open becomes revoked in the same object', async (place) => {
  const { key, record } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  const before = ring.find(hashKey(key))
  assert.is(before?.revokedAt, null)
  revokeKey(place.file, record.id, { now: () => NOON })
  await until('the key is revoked', () => before?.revokedAt === '2026-01-31T12:00:00.000Z')
  assert.is(ring.find(hashKey(key)), before)
  assert.is(ring.size, 1)
})

test('reload makes a key valid at once and reports the number of keys', (place) => {
  const counts: number[] = []
  const ring = openKeyring(place, { pollMs: 3_600_000, onReload: (count) => counts.push(count) })
  const first = issueKey(place.file, ALICE)
  ring.reload()
  const record = ring.find(hashKey(first.key))
  assert.is(record?.user, 'alice')
  issueKey(place.file, BOB)
  ring.reload()
  assert.is(ring.find(hashKey(first.key)), record)
  assert.equal(
    ring.list().map(({ user }) => user),
    ['alice', 'bob'],
  )
  assert.equal(counts, [1, 2])
})

test('the first reading is not reported as a reload, and an unchanged file is not read again', async (place) => {
  issueKey(place.file, ALICE)
  const counts: number[] = []
  openKeyring(place, { onReload: (count) => counts.push(count) })
  await aFewPolls()
  assert.equal(counts, [])
})

test('a closed keyring keeps its keys and does not read the file again', async (place) => {
  issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  ring.close()
  issueKey(place.file, BOB)
  await aFewPolls()
  ring.reload()
  assert.is(ring.size, 1)
  ring.close()
})

test('a poll that began before a reload does not bring older keys back', async (place) => {
  const ring = openKeyring(place, { pollMs: 1 })
  for (let i = 0; i < 200; i++) {
    const { key } = issueKey(place.file, ALICE)
    ring.reload()
    const hash = hashKey(key)
    assert.ok(ring.find(hash))
    await sleep(i % 3)
    assert.ok(ring.find(hash))
  }
})

test('an incomplete last line is read when it is complete, and is not reported', async (place) => {
  const first = issueKey(place.file, ALICE)
  const whole = readFileSync(place.file, 'utf8')
  const second = issueKey(place.file, BOB)
  const line = readFileSync(place.file, 'utf8').slice(whole.length)
  for (const at of [1, 20, line.length - 2]) {
    writeFileSync(place.file, whole + line.slice(0, at))
    const ring = openKeyring(place)
    assert.ok(ring.find(hashKey(first.key)))
    assert.is(ring.find(hashKey(second.key)), undefined)
    appendFileSync(place.file, line.slice(at))
    await until('the rest of the line is read', () => ring.find(hashKey(second.key)) !== undefined)
    ring.close()
  }
  assert.equal(place.problems, [])
})

test('a last line that lacks only its line end counts', (place) => {
  const { record } = issueKey(place.file, ALICE)
  appendFileSync(place.file, `{"v":1,"ts":"2026-03-01T00:00:00Z","op":"revoked","id":"${record.id}"}`)
  assert.is(openKeyring(place).list()[0]?.revokedAt, '2026-03-01T00:00:00.000Z')
})

test('after an incomplete line the next key gets a line of its own', (place) => {
  issueKey(place.file, ALICE)
  appendFileSync(place.file, '{"v":1,"ts":"2026-0')
  const { key } = issueKey(place.file, BOB)
  const ring = openKeyring(place)
  assert.is(ring.size, 2)
  assert.ok(ring.find(hashKey(key)))
  assert.equal(place.problems, [`key file ${place.file}, line 2 was skipped: it is not JSON`])
})

test('broken lines are skipped and reported once, by number and never by content', async (place) => {
  const { record } = issueKey(place.file, ALICE)
  const wrongs = [
    'lc_prod_team1_alice_secret',
    '["secret"]',
    '{"v":2,"op":"issued","id":"secret"}',
    '{"v":1,"op":"issued"}',
    '{"v":1,"op":"renamed-secret","id":"k_1"}',
    '{"v":1,"ts":"2026-01-01T00:00:00Z","op":"changed","id":"k_secret"}',
    '{"v":1,"ts":"2026-01-01T00:00:00Z","op":"revoked","id":"k_secret"}',
    issuedLine('secret', { ts: 'yesterday' }).trim(),
    issuedLine('secret', { hash: 'secret' }).trim(),
    issuedLine('secret', { id: record.id }).trim(),
    issuedLine('secret', { team: 'Secret' }).trim(),
  ]
  appendFileSync(place.file, `\n  \r\n${wrongs.join('\n')}\n`)
  const { key } = issueKey(place.file, BOB)
  const ring = openKeyring(place)
  assert.is(ring.size, 2)
  const told = place.problems.length
  assert.is(told, 11)
  for (const [i, message] of place.problems.slice(0, 10).entries()) {
    // The revocation of an unknown key is reported last, as the key might have come after it.
    const line = i < 6 ? i + 4 : i + 5
    assert.match(message, new RegExp(`, line ${line} was skipped: it`))
  }
  assert.match(place.problems.at(-1) ?? '', /: further lines were skipped \(1\)$/)
  for (const message of place.problems) assert.not.match(message, /secret/i)

  revokeKey(place.file, key)
  await until('the revocation is read', () => ring.find(hashKey(key))?.revokedAt !== null)
  assert.is(place.problems.length, told)
})

test('a file of broken lines gives a few messages, not one for each line', (place) => {
  writeFileSync(place.file, 'rubbish\n'.repeat(100_000))
  assert.is(openKeyring(place).size, 0)
  assert.is(place.problems.length, 11)
  assert.match(place.problems.at(-1) ?? '', 'further lines were skipped (99990)')
})

test('a revocation counts at any place and with any date, and the first date is kept', (place) => {
  const { record } = issueKey(place.file, ALICE, { now: () => NOON })
  const line = readFileSync(place.file, 'utf8')
  const revoked = (ts: string) => `{"v":1,"ts":"${ts}","op":"revoked","id":"${record.id}"}\n`
  writeFileSync(place.file, revoked('2026-05-01T00:00:00Z') + line + revoked('2026-06-01T00:00:00Z') + line)
  assert.is(openKeyring(place).list()[0]?.revokedAt, '2026-05-01T00:00:00.000Z')
  writeFileSync(place.file, line + revoked('soon'))
  assert.is(openKeyring(place).list()[0]?.revokedAt, record.issuedAt)
  assert.equal(place.problems, [])
})

test('a change applies its valid fields to the same object', async (place) => {
  const { key, record } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  const before = ring.find(hashKey(key))
  const change = {
    v: 1,
    ts: '2026-02-01T00:00:00Z',
    op: 'changed',
    id: record.id,
    team: 'team2',
    user: 'No One',
    rpm: 60,
  }
  appendFileSync(place.file, `${JSON.stringify(change)}\n`)
  await until('the change is read', () => before?.team === 'team2')
  assert.is(ring.find(hashKey(key)), before)
  assert.is(before?.user, 'alice')
  assert.is(before?.env, 'prod')
})

test('a deleted file leaves the keys valid and is reported once, and a new file is read', async (place) => {
  const { key } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  unlinkSync(place.file)
  await until('the deletion is reported', () => place.problems.length > 0)
  await aFewPolls()
  ring.reload()
  assert.is(place.problems.length, 1)
  assert.match(
    place.problems[0] ?? '',
    /ENOENT.*put it back.*the keys that were read before stay valid \(1\)$/,
  )
  assert.ok(ring.find(hashKey(key)))

  const other = issueKey(place.file, BOB)
  await until('the new file is read', () => ring.find(hashKey(other.key)) !== undefined)
  assert.is(ring.find(hashKey(key)), undefined)

  unlinkSync(place.file)
  await until('the second deletion is reported too', () => place.problems.length === 2)
})

test('a file that is moved away and back is read again', async (place) => {
  issueKey(place.file, ALICE)
  const counts: number[] = []
  openKeyring(place, { onReload: (count) => counts.push(count) })
  renameSync(place.file, `${place.file}.away`)
  await until('it is missed', () => place.problems.length === 1)
  renameSync(`${place.file}.away`, place.file)
  await until('it is read again', () => counts.length > 0)
  assert.equal(counts, [1])
})

test('an emptied file leaves the keys valid and is reported', async (place) => {
  const { key } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  writeFileSync(place.file, '')
  await until('it is reported', () => place.problems.length === 1)
  assert.match(place.problems[0] ?? '', /EMPTIED.*stay valid/)
  assert.ok(ring.find(hashKey(key)))
  const other = issueKey(place.file, BOB)
  await until('the new line is read', () => ring.find(hashKey(other.key)) !== undefined)
})

test('a replaced file is read, and a key that is in both files stays the same object', async (place) => {
  const { key } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  const before = ring.find(hashKey(key))
  const other = join(place.folder, 'other.jsonl')
  writeFileSync(other, issuedLine('another') + readFileSync(place.file, 'utf8'))
  renameSync(other, place.file)
  await until('both keys are there', () => ring.size === 2)
  assert.is(ring.find(hashKey(key)), before)
})

test('a change that keeps the size is detected', async (place) => {
  writeFileSync(place.file, issuedLine('first'))
  const ring = openKeyring(place)
  writeFileSync(place.file, issuedLine('other'))
  await until('the other key is found', () => ring.find(hashKey('other')) !== undefined)
  assert.is(ring.find(hashKey('first')), undefined)
})

test('a folder in place of the file is refused at the start, and reported while the relay runs', async (place) => {
  mkdirSync(place.file)
  fails('unreadable', /^cannot read key file .*keys\.jsonl \(EISDIR\): name a file, not a folder$/, () =>
    openKeyring(place),
  )
  fails('unreadable', /EISDIR/, () => issueKey(place.file, ALICE))
  fails('unreadable', /EISDIR/, () => revokeKey(place.file, 'k_12'))
  rmSync(place.file, { recursive: true })

  const { key } = issueKey(place.file, ALICE)
  const ring = openKeyring(place)
  unlinkSync(place.file)
  mkdirSync(place.file)
  await until('it is reported', () => place.problems.some((message) => /EISDIR.*stay valid/.test(message)))
  assert.ok(ring.find(hashKey(key)))
})

test('a path through a file, or to something that is not a file, is refused with a remedy', (place) => {
  writeFileSync(join(place.folder, 'plain'), '')
  fails('unreadable', /ENOTDIR.*a part of its path is a file/, () =>
    Keyring.open(join(place.folder, 'plain', 'keys')),
  )
  fails('unreadable', /ENOTFILE.*name a regular file/, () => Keyring.open('/dev/null'))
})

test('a file that the user may not read is refused with a remedy', (place) => {
  if (process.getuid?.() === 0) return // root may read everything
  issueKey(place.file, ALICE)
  writeFileSync(join(place.folder, 'locked'), '', { mode: 0o000 })
  fails('unreadable', /EACCES.*give the user that runs thinwire the right/, () =>
    Keyring.open(join(place.folder, 'locked')),
  )
})

test('nothing is written for a wrong owner', (place) => {
  assert.throws(
    () => issueKey(place.file, { ...ALICE, team: 'Team 1' }),
    (err: unknown) => err instanceof KeyFormatError && err.part === 'team',
  )
  assert.not.ok(existsSync(place.file))
})

test('a key is revoked by its id, by the beginning of its id, or by the key', (place) => {
  for (const way of [(id: string) => id, (id: string) => id.slice(0, 8), (_: string, key: string) => key]) {
    const { key, record } = issueKey(place.file, ALICE)
    const revoked = revokeKey(place.file, way(record.id, key), { now: () => NOON })
    assert.equal(revoked, { ...record, revokedAt: '2026-01-31T12:00:00.000Z' })
    assert.equal(openKeyring(place).find(hashKey(key)), revoked)
  }
})

test('a revocation that fails has a clear message, writes nothing, and repeats no key', (place) => {
  const { key, record } = issueKey(place.file, ALICE)
  // Of 17 ids two start with the same hex digit.
  for (let i = 0; i < 16; i++) issueKey(place.file, BOB)
  revokeKey(place.file, record.id, { now: () => NOON })
  const before = readFileSync(place.file, 'utf8')
  const digits = openKeyring(place)
    .list()
    .map(({ id }) => id.slice(0, 3))
  const shared = digits.find((digit, i) => digits.indexOf(digit) !== i) ?? ''
  const elsewhere = issueKey(join(place.folder, 'other.jsonl'), ALICE).key
  const mistyped = `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`

  fails('already_revoked', /^k_[0-9a-f]{10} is revoked already, since 2026-01-31T12:00:00\.000Z$/, () =>
    revokeKey(place.file, key),
  )
  fails('ambiguous_key', /^\d+ ids begin with k_.: k_.*; give more of it$/, () =>
    revokeKey(place.file, shared),
  )
  fails('unknown_key', /^this key is not in .*keys\.jsonl; see: thinwire keys list$/, () =>
    revokeKey(place.file, elsewhere),
  )
  fails('unknown_key', /^no key in .* has an id that begins with k_0123456789$/, () =>
    revokeKey(place.file, 'k_0123456789'),
  )
  for (const wrong of [mistyped, key.slice(0, -3)]) {
    fails('bad_key', /^this key is incomplete or mistyped .*; give its id instead$/, () =>
      revokeKey(place.file, wrong),
    )
  }
  for (const wrong of ['', 'k_', 'k_xyz', 'alice', `${record.id}0`]) {
    fails('bad_key', /^give an id such as k_0123456789 /, () => revokeKey(place.file, wrong))
  }
  assert.is(readFileSync(place.file, 'utf8'), before)
})

test('a key cannot be revoked in a missing file, and no file is made', (place) => {
  fails('unknown_key', /no key in/, () => revokeKey(place.file, 'k_0123456789'))
  assert.not.ok(existsSync(place.file))
})

test.run()

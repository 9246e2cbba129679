import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey } from '../../src/access/key.js'
import { changeKey, issueKey, revokeKey, rotateKey } from '../../src/access/key-changes.js'
import { ListFollower } from '../../src/commands/keys-export-follow.js'
import { readExportOptions } from '../../src/commands/keys-export-options.js'
import { clear, open, type Place as Processes, Thinwire } from '../support/thinwire.js'
import { until } from '../support/until.js'

interface Place extends Processes {
  file: string
  out: string
  said: string[]
  followers: ListFollower[]
}

const test = suite<Place>('keys export --follow')

test.before.each((place) => {
  open(place)
  rmSync(place.folder, { recursive: true })
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-follow-'))
  place.file = join(place.folder, 'data', 'keys.jsonl')
  place.out = join(place.folder, 'direct.json')
  place.said = []
  place.followers = []
  configure(place, {})
})

test.after.each(async (place) => {
  for (const follower of place.followers) await follower.close()
  await clear(place)
})

function configure(place: Place, settings: object | string): void {
  const text =
    typeof settings === 'string'
      ? settings
      : JSON.stringify({ upstreams: { openai: { preset: 'openai' } }, ...settings })
  // As editors do it.
  const draft = join(place.folder, 'draft')
  writeFileSync(draft, text)
  renameSync(draft, join(place.folder, 'thinwire.json'))
}

function follow(place: Place, ...args: string[]): ListFollower {
  const options = readExportOptions(['--hashes', '--follow', '--out', place.out, ...args])
  if (options === null || Array.isArray(options)) throw new Error(String(options))
  const follower = new ListFollower({
    options,
    source: { env: {}, cwd: place.folder },
    say: (line) => place.said.push(line),
    pollMs: 10,
  })
  place.followers.push(follower)
  return follower
}

function add(place: Place, user = 'alice', team = 'team1'): string {
  return issueKey(place.file, { env: 'prod', team, user }).key
}

interface List {
  readonly made: string
  readonly stale_after: number | null
  readonly keys: Readonly<Record<string, { readonly until: number | null }>>
}

/** The list. Whenever it is looked at, it is whole. */
function read(place: Place): List {
  return JSON.parse(readFileSync(place.out, 'utf8')) as List
}

function has(place: Place, key: string): boolean {
  return hashKey(key) in read(place).keys
}

test('keys that are issued, limited and revoked are in the list and out of it', async (place) => {
  const alice = add(place)
  follow(place)
  assert.ok(has(place, alice))
  const bob = add(place, 'bob')
  await until(() => has(place, bob), 'the new key')
  changeKey(place.file, deriveKeyId(hashKey(bob)), { models: ['gpt-*'] })
  await until(() => !has(place, bob), 'the limited key to be gone')
  revokeKey(place.file, alice)
  await until(() => !has(place, alice), 'the revoked key to be gone')
  assert.match(
    place.said.at(-1) ?? '',
    /^list written \(\+0 -1\): 0 keys may go direct to openai; left out: /,
  )
})

test('a key that expires is gone then, and a rotated one stays for its overlap', async (place) => {
  const old = add(place)
  follow(place)
  const { key, old: rotated } = rotateKey(place.file, deriveKeyId(hashKey(old)), 2_500, undefined)
  await until(() => has(place, key), 'the new key')
  const endsAt = Date.parse(rotated.expiresAt ?? '')
  // On a machine that is very slow, the overlap may be over by now.
  assert.ok(read(place).keys[hashKey(old)]?.until === Math.floor(endsAt / 1_000) || Date.now() >= endsAt)
  await until(() => !has(place, old), 'the old key to be gone')
  assert.ok(has(place, key))
})

test('a changed config is followed; one that cannot be used is named once and keys are followed on', async (place) => {
  const alice = add(place)
  follow(place)
  configure(place, { limits: { rules: [{ name: 'month', usd: { month: 5 } }] } })
  await until(() => !has(place, alice), 'the budget to count')
  configure(place, {
    limits: { rules: [{ name: 'month', usd: { month: 5 } }] },
    direct: { budgetedKeys: true },
  })
  await until(() => has(place, alice), 'the setting to count')
  configure(place, '{')
  await until(() => place.said.some((line) => line.includes('is not JSON')), 'the problem')
  revokeKey(place.file, alice)
  await until(() => !has(place, alice), 'the revoked key to be gone')
  configure(place, { keys: { mode: 'passthrough' } })
  await until(() => place.said.some((line) => line.includes('no list is needed')), 'the other problem')
  assert.is(place.said.filter((line) => line.startsWith('the config is not used')).length, 2)
  configure(place, {})
  const bob = add(place, 'bob')
  await until(() => has(place, bob), 'the config to be used again')
})

test('a config that names what is not there yet is used as soon as it is', async (place) => {
  add(place)
  follow(place)
  const other = join(place.folder, 'other.jsonl')
  mkdirSync(other)
  configure(place, { keys: { file: 'other.jsonl' } })
  await until(() => place.said.some((line) => line.includes('name a file, not a folder')), 'the problem')
  rmSync(other, { recursive: true })
  const { key: bob } = issueKey(other, { env: 'prod', team: 'team1', user: 'bob' })
  await until(() => has(place, bob), 'the other file')
})

test('another key file of the config is followed', async (place) => {
  const alice = add(place)
  follow(place)
  const other = join(place.folder, 'other.jsonl')
  const { key: bob } = issueKey(other, { env: 'prod', team: 'team1', user: 'bob' })
  configure(place, { keys: { file: 'other.jsonl' } })
  await until(() => has(place, bob), 'the other file')
  assert.not.ok(has(place, alice))
  revokeKey(other, bob)
  await until(() => !has(place, bob), 'the revoked key to be gone')
})

test('a key file that cannot be read empties no list, and revoked keys stay out when it is back', async (place) => {
  const alice = add(place)
  const bob = add(place, 'bob')
  follow(place)
  const older = readFileSync(place.file)
  revokeKey(place.file, bob)
  await until(() => !has(place, bob), 'the revoked key to be gone')
  rmSync(place.file)
  mkdirSync(place.file)
  await until(() => place.said.some((line) => line.includes('EISDIR')), 'the problem')
  assert.ok(has(place, alice))
  rmSync(place.file, { recursive: true })
  writeFileSync(place.file, older)
  const carol = add(place, 'carol')
  await until(() => has(place, carol), 'the file to be read again')
  assert.ok(has(place, alice))
  assert.not.ok(has(place, bob), 'an older copy of the file does not bring it back')
  assert.is(place.said.filter((line) => line.includes('EISDIR')).length, 1)
})

test('a list that cannot be written is named once, and written as soon as it can be', async (place) => {
  const alice = add(place)
  const folder = join(place.folder, 'front')
  mkdirSync(folder)
  place.out = join(folder, 'direct.json')
  follow(place)
  rmSync(folder, { recursive: true })
  revokeKey(place.file, alice)
  await until(() => place.said.some((line) => line.includes('make its folder first')), 'the problem')
  mkdirSync(folder)
  await until(() => existsSync(place.out), 'the list')
  assert.not.ok(has(place, alice))
  assert.is(place.said.filter((line) => line.includes('make its folder first')).length, 1)
  await until(() => place.said.some((line) => line.startsWith('list written (+0 -1)')), 'the line about it')
  assert.ok(place.said.includes(`${place.out} is written again`))
})

test('a list that is gone is written again, and so is one that somebody else has changed', async (place) => {
  const alice = add(place)
  configure(place, { direct: { maxAgeSeconds: 5 } })
  follow(place)
  rmSync(place.out)
  await until(() => existsSync(place.out), 'the list')
  writeFileSync(place.out, '{"keys":{}}')
  await until(() => has(place, alice), 'the keys')
  assert.ok(place.said.includes(`${place.out} was changed by another process`))
})

test('the list says until when it is good, and is renewed before; a command is not run for that', async (place) => {
  add(place)
  configure(place, { direct: { maxAgeSeconds: 5 } })
  const log = join(place.folder, 'log')
  follow(place, '--then', `echo x >> ${log}`)
  const first = read(place)
  assert.is(first.stale_after, Math.floor(Date.parse(first.made) / 1000) + 5)
  await until(() => read(place).made !== first.made, 'the renewal')
  await until(() => existsSync(log), 'the first run')
  assert.is(readFileSync(log, 'utf8'), 'x\n')
  configure(place, { direct: { maxAgeSeconds: null } })
  await until(() => read(place).stale_after === null, 'a list that is good for ever')
})

test('a clock that is set forward or back leads to a list of the new time', async (place) => {
  const { now } = Date
  const alice = add(place)
  changeKey(place.file, deriveKeyId(hashKey(alice)), { expiresAt: new Date(now() + 3_600_000).toISOString() })
  follow(place)
  assert.ok(has(place, alice))
  const madeAt = (): number => Date.parse(read(place).made)
  try {
    Date.now = () => now() + 7_200_000
    await until(() => !has(place, alice), 'the key to expire')
    assert.ok((read(place).stale_after ?? 0) * 1_000 > now() + 7_200_000)
    Date.now = () => now() - 7_200_000
    await until(() => madeAt() < now() - 3_600_000, 'a list of the earlier time')
    assert.ok((read(place).stale_after ?? 0) * 1_000 < now())
  } finally {
    Date.now = now
  }
})

test('keys of --keys are followed, too', async (place) => {
  const [alice, bob] = [add(place), add(place, 'bob')]
  const keys = join(place.folder, 'keys.txt')
  writeFileSync(keys, `${alice}\n`)
  const options = readExportOptions(['--format', 'nginx', '--keys', keys, '--out', place.out, '--follow'])
  if (options === null || Array.isArray(options)) throw new Error(String(options))
  const say = (line: string): number => place.said.push(line)
  place.followers.push(new ListFollower({ options, source: { env: {}, cwd: place.folder }, say, pollMs: 10 }))
  const includes = (key: string): boolean => readFileSync(place.out, 'utf8').includes(key)
  assert.ok(includes(alice) && !includes(bob))
  appendFileSync(keys, `${bob}\n`)
  await until(() => includes(bob), 'the key that was added')
  rmSync(keys)
  revokeKey(place.file, alice)
  await until(() => !includes(alice), 'the revoked key to be gone')
  assert.ok(includes(bob))
})

test('the process says what is in the list, runs the command after changes, and ends cleanly with SIGTERM', async (place) => {
  const alice = add(place)
  const copy = join(place.folder, 'copy.json')
  const args = ['keys', 'export', '--hashes', '--follow', '--out', 'direct.json', '--then']
  const thinwire = new Thinwire(place, [...args, `cp direct.json '${copy}'`])
  await until(() => thinwire.err.includes('1 key may go direct to openai\n'), 'the first line')
  assert.is(statSync(place.out).mode & 0o777, 0o600)
  revokeKey(place.file, alice)
  await until(
    () =>
      existsSync(copy) &&
      Object.keys(JSON.parse(readFileSync(copy, 'utf8') || '{"keys":{"a":1}}').keys).length === 0,
    'the command',
  )
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  assert.is(thinwire.out, '')
  assert.ok(existsSync(place.out))
})

test.run()

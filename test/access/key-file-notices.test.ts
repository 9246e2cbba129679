import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey, revokeKey } from '../../src/access/key-changes.js'
import { Keyring } from '../../src/access/keyring.js'
import { until } from '../support/until.js'

const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const BOB = { env: 'prod', team: 'team1', user: 'bob' }

/** Runs a test's act with a key file, and what the keyring says of it. */
async function withFile(act: (file: string, open: () => Keyring, problems: string[]) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'key-file-'))
  const problems: string[] = []
  let ring: Keyring | null = null
  try {
    const file = join(folder, 'keys.jsonl')
    const open = (): Keyring => {
      ring = Keyring.open(file, { pollMs: 5, onProblem: (message) => problems.push(message) })
      return ring
    }
    await act(file, open, problems)
  } finally {
    ;(ring as Keyring | null)?.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const isOpen of [true, false])
  test(`a last line that was torn ${isOpen ? 'while the relay runs' : 'before the start'} is told, once`, () =>
    withFile(async (file, open, problems) => {
      const { record } = issueKey(file, ALICE)
      const ring = isOpen ? open() : null
      appendFileSync(file, '{"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"revoked","id":"k_')
      const opened = ring ?? open()
      await until(() => problems.length > 0, 'the notice')
      assert.match(problems[0] ?? '', /line 2 was skipped: it is not complete/)
      assert.not.match(problems.join(), /revoked/)
      assert.is(opened.list()[0]?.id, record.id)
      // The next line ends it, and is read; the torn one is then no JSON.
      revokeKey(file, record.id)
      await until(() => opened.list()[0]?.revokedAt !== null, 'the next line')
      assert.is(problems.filter((each) => each.includes('not complete')).length, 1)
    }))

test('a line that is written in two pieces is not told of', () =>
  withFile(async (file, open, problems) => {
    issueKey(file, ALICE)
    const text = readFileSync(file, 'utf8')
    issueKey(file, BOB)
    const line = readFileSync(file, 'utf8').slice(text.length)
    writeFileSync(file, text + line)
    const ring = open()
    await until(() => ring.size === 2, 'both keys')
    assert.equal(problems, [])
  }))

test('an older key file that is put back is told of: its lost keys, and revocations that are gone', () =>
  withFile(async (file, open, problems) => {
    const alice = issueKey(file, ALICE)
    const older = readFileSync(file, 'utf8')
    const bob = issueKey(file, BOB)
    revokeKey(file, alice.record.id)
    const ring = open()
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
  }))

test('a key file that grows is not told of', () =>
  withFile(async (file, open, problems) => {
    const { record } = issueKey(file, ALICE)
    const ring = open()
    issueKey(file, BOB)
    revokeKey(file, record.id)
    await until(() => ring.size === 2 && ring.list()[0]?.revokedAt !== null, 'both changes')
    assert.equal(problems, [])
  }))

test.run()

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { auditFileOf, loadAudit } from '../../src/access/audit.js'
import { changeKey, issueKey, revokeKey, rotateKey } from '../../src/access/key-changes.js'
import { parseKeyFile } from '../../src/access/key-lines.js'
import { KeyringError } from '../../src/access/keyring.js'
import { fc } from '../support/property.js'
import { type KeyPlace, keySuite } from './key-place.js'

const test = keySuite('key changes')
const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const NOON = Date.parse('2026-01-31T12:00:00.000Z')
const HOUR = 3_600_000
const DAY = 24 * HOUR
const at = (ms: number) => ({ now: () => ms })
const iso = (ms: number) => new Date(ms).toISOString()

function parse({ file }: KeyPlace) {
  return parseKeyFile(readFileSync(file, 'utf8'))
}

function linesOf(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function fails(code: string, act: () => unknown): void {
  assert.throws(act, (error: unknown) => error instanceof KeyringError && error.code === code)
}

test('a key without limits is written as before, and one with limits is unknown to relays that know none', (place) => {
  issueKey(place.file, ALICE, at(NOON))
  const limits = { expiresAt: iso(NOON + DAY), models: ['gpt-*'], addresses: ['10.0.0.0/8'] }
  const { record } = issueKey(place.file, ALICE, { ...at(NOON), limits })
  const [plain, limited] = linesOf(place.file)
  assert.equal(Object.keys(plain ?? {}), ['v', 'ts', 'op', 'id', 'hash', 'env', 'team', 'user'])
  assert.equal([plain?.v, limited?.v], [1, 2])
  assert.equal(
    [limited?.expires, limited?.models, limited?.addresses],
    [iso(NOON + DAY), ['gpt-*'], ['10.0.0.0/8']],
  )
  assert.equal(parse(place).byId.get(record.id), record)
})

const RULES = [{ name: 'month', usd: { month: 50 } }]

test('rules are stored as they are written, resolved for their key, and go to the key that replaces it', (place) => {
  const first = issueKey(place.file, ALICE, { ...at(NOON), limits: { ruleEntries: RULES } })
  const { id } = first.record
  assert.equal(first.record.limits?.[0]?.match.key, [id])
  changeKey(place.file, id, { models: ['gpt-*'] }, at(NOON))
  const { record } = rotateKey(place.file, id, DAY, undefined, at(NOON))
  const { byId } = parse(place)
  assert.equal(byId.get(record.id), record)
  assert.equal(record.ruleEntries, RULES)
  assert.equal(record.limits?.[0]?.match.key, [record.id])
  changeKey(place.file, record.id, { ruleEntries: null }, at(NOON))
  assert.is(parse(place).byId.get(record.id)?.limits, null)
  assert.equal(
    linesOf(place.file).map(({ v, limits = '-' }) => [v, limits]),
    [
      [3, RULES],
      [2, '-'],
      [3, RULES],
      [2, '-'],
      [2, null],
    ],
  )
  const { entries, flaws } = loadAudit(place.file)
  assert.equal(flaws, [])
  assert.equal([entries.at(-1)?.old, entries.at(-1)?.new], [{ limits: RULES }, { limits: null }])
})

test('a change of limits leaves the others as they are', (place) => {
  const { record } = issueKey(place.file, ALICE, {
    ...at(NOON),
    limits: { expiresAt: null, models: ['a'], addresses: null },
  })
  changeKey(place.file, record.id, { expiresAt: iso(NOON + DAY) }, at(NOON))
  changeKey(place.file, record.id, { addresses: ['10.0.0.1'] }, at(NOON))
  changeKey(place.file, record.id, { models: null }, at(NOON))
  const key = parse(place).byId.get(record.id)
  assert.equal([key?.expiresAt, key?.models, key?.addresses], [iso(NOON + DAY), null, ['10.0.0.1']])
})

test('a rotation issues a key with the same owner and limits, and ends the old one after the overlap', (place) => {
  const limits = { expiresAt: null, models: ['gpt-*'], addresses: ['10.0.0.0/8'] }
  const first = issueKey(place.file, ALICE, { ...at(NOON), limits })
  const { key, record, old } = rotateKey(place.file, first.key, DAY, undefined, at(NOON + HOUR))
  assert.match(key, /^lc_prod_team1_alice_/)
  assert.is.not(key, first.key)
  const { byId } = parse(place)
  assert.equal(byId.get(record.id), record)
  assert.equal(byId.get(old.id), old)
  assert.equal([record.models, record.addresses, record.expiresAt], [['gpt-*'], ['10.0.0.0/8'], null])
  assert.equal([old.expiresAt, old.rotatedTo, record.replaces], [iso(NOON + HOUR + DAY), record.id, old.id])
  assert.equal([old.models, old.addresses], [['gpt-*'], ['10.0.0.0/8']])
})

test('a rotation never makes the old key live longer, and gives the new one the same lifetime', (place) => {
  const limits = { expiresAt: iso(NOON + 30 * DAY), models: null, addresses: null }
  const first = issueKey(place.file, ALICE, { ...at(NOON), limits })
  const late = NOON + 29.5 * DAY
  const { old, record } = rotateKey(place.file, first.record.id, DAY, undefined, at(late))
  assert.is(old.expiresAt, iso(NOON + 30 * DAY))
  assert.is(record.expiresAt, iso(late + 30 * DAY))
  const other = rotateKey(place.file, record.id, 0, null, at(late))
  assert.equal([other.record.expiresAt, other.old.expiresAt], [null, iso(late)])
})

test('what cannot be changed says why, and writes nothing', (place) => {
  const first = issueKey(place.file, ALICE, at(NOON)).record
  const { record } = rotateKey(place.file, first.id, HOUR, undefined, at(NOON))
  const before = readFileSync(place.file, 'utf8')
  fails('already_rotated', () => rotateKey(place.file, first.id, HOUR, undefined, at(NOON)))
  fails('expired_key', () => rotateKey(place.file, first.id, HOUR, undefined, at(NOON + HOUR)))
  fails('unknown_key', () => changeKey(place.file, 'k_ffffffffff', {}, at(NOON)))
  fails('bad_key', () => rotateKey(place.file, 'alice', HOUR, undefined, at(NOON)))
  assert.is(readFileSync(place.file, 'utf8'), before)
  assert.is(loadAudit(place.file).entries.length, 3)
  revokeKey(place.file, record.id, at(NOON))
  fails('already_revoked', () => rotateKey(place.file, record.id, HOUR, undefined, at(NOON)))
  fails('already_revoked', () => changeKey(place.file, record.id, { models: null }, at(NOON)))
  // The key that it was rotated to is gone: it may be rotated once more.
  rotateKey(place.file, first.id, HOUR, undefined, at(NOON))
})

test('every change is in the audit with who, when, what and both values, and never with a key', (place) => {
  const { key, record } = issueKey(place.file, ALICE, at(NOON))
  changeKey(place.file, record.id, { models: ['gpt-*'] }, at(NOON + 1))
  changeKey(place.file, record.id, { models: ['m'], expiresAt: iso(NOON + DAY) }, at(NOON + 2))
  const next = rotateKey(place.file, record.id, HOUR, undefined, at(NOON + 3))
  revokeKey(place.file, next.record.id, at(NOON + 4))
  const { entries, flaws } = loadAudit(place.file)
  assert.equal(flaws, [])
  const owner = { env: 'prod', team: 'team1', user: 'alice' }
  assert.equal(
    entries.map(({ ts, op, id, old, new: current }) => [ts, op, id, old, current]),
    [
      [
        iso(NOON),
        'issued',
        record.id,
        null,
        { ...owner, expires: null, models: null, addresses: null, limits: null },
      ],
      [iso(NOON + 1), 'changed', record.id, { models: null }, { models: ['gpt-*'] }],
      [
        iso(NOON + 2),
        'changed',
        record.id,
        { expires: null, models: ['gpt-*'] },
        { expires: iso(NOON + DAY), models: ['m'] },
      ],
      [
        iso(NOON + 3),
        'issued',
        next.record.id,
        null,
        {
          ...owner,
          expires: iso(NOON + 3 + DAY),
          models: ['m'],
          addresses: null,
          limits: null,
          replaces: record.id,
        },
      ],
      [
        iso(NOON + 3),
        'rotated',
        record.id,
        { expires: iso(NOON + DAY) },
        { expires: iso(NOON + 3 + HOUR), rotated_to: next.record.id },
      ],
      [iso(NOON + 4), 'revoked', next.record.id, { revoked: null }, { revoked: iso(NOON + 4) }],
    ],
  )
  for (const { by } of entries) assert.ok(by.length > 0)
  const text = readFileSync(auditFileOf(place.file), 'utf8')
  for (const secret of [key, next.key, key.slice(-20)]) assert.not.match(text, secret)
  assert.is(statSync(auditFileOf(place.file)).mode & 0o777, 0o600)
})

test('an audit line that is changed, removed, moved or added by hand is found', (place) => {
  for (let i = 0; i < 6; i++) issueKey(place.file, ALICE, at(NOON + i))
  const file = auditFileOf(place.file)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const tampered: [string, string[]][] = [
    ['changed', lines.map((line, i) => (i === 2 ? line.replace('alice', 'mallory') : line))],
    ['removed', lines.filter((_, i) => i !== 2)],
    ['the first removed', lines.slice(1)],
    ['moved', [...lines.slice(0, 2), lines[3] ?? '', lines[2] ?? '', ...lines.slice(4)]],
    ['twice', [...lines.slice(0, 2), lines[1] ?? '', ...lines.slice(2)]],
    ['no JSON', [...lines.slice(0, 2), 'hello', ...lines.slice(2)]],
  ]
  for (const [what, text] of tampered) {
    writeFileSync(file, `${text.join('\n')}\n`)
    assert.ok(loadAudit(place.file).flaws.length > 0, what)
  }
  writeFileSync(file, `${lines.join('\n')}\n`)
  assert.equal(loadAudit(place.file).flaws, [])
  // What was broken stays found, and what follows fits again.
  appendFileSync(file, 'torn')
  issueKey(place.file, ALICE, at(NOON + 9))
  const after = loadAudit(place.file)
  assert.equal([after.entries.length, after.flaws], [7, ['line 7 is not an entry of the audit']])
})

test('a change is made although the audit cannot be written, and that is said', (place) => {
  const { record } = issueKey(place.file, ALICE)
  rmSync(auditFileOf(place.file))
  mkdirSync(auditFileOf(place.file))
  const problems: string[] = []
  revokeKey(place.file, record.id, { onProblem: (message) => problems.push(message) })
  assert.ok(parse(place).byId.get(record.id)?.revokedAt !== null)
  assert.is(problems.length, 1)
  assert.match(
    problems[0] ?? '',
    /^the change is made, but it is not in the audit: cannot read .*keys\.audit\.jsonl/,
  )
})

test('the lock is left by every command, and an old one does not hold the next command up', (place) => {
  const { record } = issueKey(place.file, ALICE)
  assert.throws(() => revokeKey(place.file, 'k_ffffffffff'))
  assert.not.ok(existsSync(`${place.file}.lock`))
  writeFileSync(`${place.file}.lock`, '')
  utimesSync(`${place.file}.lock`, 1, 1)
  revokeKey(place.file, record.id)
  assert.not.ok(existsSync(`${place.file}.lock`))
})

/** What a relay of an earlier version takes from a key file: ids of valid keys. */
function readAsOlder(text: string, version: 1 | 2): Set<string> {
  const valid = new Set<string>()
  const revoked = new Set<string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const { v, op, id, only_v1 } = JSON.parse(line) as Record<string, unknown> & { v: number; id: string }
    if (v > version) continue
    if (op === 'issued') valid.add(id)
    if (op === 'revoked' && !(version === 2 && v === 1 && only_v1 === true)) revoked.add(id)
  }
  return new Set([...valid].filter((id) => !revoked.has(id)))
}

const limitsOf = fc.record(
  {
    expiresAt: fc.oneof(
      fc.constant(null),
      fc.integer({ min: 1, max: 60 }).map((hours) => iso(NOON + hours * HOUR)),
    ),
    models: fc.constantFrom(null, ['gpt-*'], ['a', 'b']),
    addresses: fc.constantFrom(null, ['10.0.0.0/8']),
    ruleEntries: fc.constantFrom(null, [{ name: 'month', usd: { month: 50 } }]),
  },
  { requiredKeys: [] },
)

const operations = fc.array(
  fc.oneof(
    fc.record({ op: fc.constant('add' as const), limits: limitsOf }),
    fc.record({ op: fc.constant('set' as const), n: fc.nat(20), limits: limitsOf }),
    fc.record({
      op: fc.constant('rotate' as const),
      n: fc.nat(20),
      overlap: fc.integer({ min: 0, max: 30 }),
    }),
    fc.record({ op: fc.constant('revoke' as const), n: fc.nat(20) }),
  ),
  { minLength: 1, maxLength: 25 },
)

test('after any changes, and at any prefix of the file, no key is more than its history allows', (place) => {
  let round = 0
  fc.assert(
    fc.property(operations, (steps) => {
      round++
      const file = join(place.folder, `keys-${round}.jsonl`)
      const ids: string[] = []
      const revoked = new Set<string>()
      const everLimited = new Set<string>()
      const everRuled = new Set<string>()
      let now = NOON
      for (const step of steps) {
        now += HOUR
        const options = at(now)
        try {
          if (step.op === 'add') {
            ids.push(issueKey(file, ALICE, { ...options, limits: step.limits }).record.id)
          } else {
            const id = ids[step.n % Math.max(ids.length, 1)]
            if (id === undefined) continue
            if (step.op === 'set') changeKey(file, id, step.limits, options)
            if (step.op === 'rotate')
              ids.push(rotateKey(file, id, step.overlap * HOUR, undefined, options).record.id)
            if (step.op === 'revoke') {
              revokeKey(file, id, options)
              revoked.add(id)
            }
          }
        } catch (error) {
          if (!(error instanceof KeyringError)) throw error
          assert.ok(['already_revoked', 'expired_key', 'already_rotated'].includes(error.code), error.message)
        }
        const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
        const { byId, flaws } = parseKeyFile(text)
        assert.equal(flaws, [])
        for (const id of revoked) assert.ok(byId.get(id)?.revokedAt, 'a revoked key is valid')
        const v1 = readAsOlder(text, 1)
        const v2 = readAsOlder(text, 2)
        for (const [id, { expiresAt, models, addresses, limits }] of byId) {
          if (limits !== null) everRuled.add(id)
          if (expiresAt !== null || models !== null || addresses !== null) everLimited.add(id)
          if (everLimited.has(id) || everRuled.has(id))
            assert.not.ok(v1.has(id), 'a relay without limits takes a limited key')
          if (everRuled.has(id)) assert.not.ok(v2.has(id), 'a relay without rules takes a key with rules')
          else assert.is(v2.has(id), !revoked.has(id), 'a relay without rules refuses a key without rules')
        }
      }
      if (!existsSync(file)) return
      const text = readFileSync(file, 'utf8')
      const full = parseKeyFile(text)
      const seen = new Set<string>()
      // Cut anywhere, as a reading in the middle of a write may be.
      for (let end = 0; end <= text.length; end += 1 + Math.floor(text.length / 300)) {
        const { byId } = parseKeyFile(text.slice(0, end))
        for (const [id, key] of byId) {
          assert.ok(full.byId.has(id))
          if (key.revokedAt !== null) seen.add(id)
          // Once a revocation is in the file, no longer prefix makes the key valid again.
          if (seen.has(id)) assert.ok(key.revokedAt !== null)
        }
      }
      assert.equal(loadAudit(file).flaws, [])
    }),
    { numRuns: 40 },
  )
})

test.run()

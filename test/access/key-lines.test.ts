import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey, mintKey } from '../../src/access/key.js'
import { parseKeyFile } from '../../src/access/key-lines.js'

const KEY = mintKey({ env: 'prod', team: 'team1', user: 'alice' })
const HASH = hashKey(KEY)
const ID = deriveKeyId(HASH)
const TS = '2026-01-31T12:00:00.000Z'

function issued(more: object = {}): object {
  return {
    v: 1,
    ts: TS,
    op: 'issued',
    id: ID,
    hash: HASH,
    env: 'prod',
    team: 'team1',
    user: 'alice',
    ...more,
  }
}

function changed(more: object): object {
  return { v: 2, ts: TS, op: 'changed', id: ID, ...more }
}

function read(...lines: object[]) {
  const parsed = parseKeyFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return { ...parsed, key: parsed.byHash.get(HASH) }
}

test('limits are read from issued lines, and changed or taken away by changed lines', () => {
  const limits = { expires: '2026-12-31T00:00:00Z', models: ['gpt-*'], addresses: ['10.0.0.0/8'] }
  const { key, flaws } = read(issued({ v: 2, ...limits }))
  assert.equal(flaws, [])
  assert.equal(
    [key?.expiresAt, key?.models, key?.addresses],
    ['2026-12-31T00:00:00.000Z', ['gpt-*'], ['10.0.0.0/8']],
  )
  const table: [object, unknown[]][] = [
    [{ expires: '2027-01-01T00:00:00Z' }, ['2027-01-01T00:00:00.000Z', ['gpt-*'], ['10.0.0.0/8']]],
    [{ expires: null }, [null, ['gpt-*'], ['10.0.0.0/8']]],
    [{ models: null }, ['2026-12-31T00:00:00.000Z', null, ['10.0.0.0/8']]],
    [{ models: ['a', 'b'], addresses: null }, ['2026-12-31T00:00:00.000Z', ['a', 'b'], null]],
    [{}, ['2026-12-31T00:00:00.000Z', ['gpt-*'], ['10.0.0.0/8']]],
  ]
  for (const [change, expected] of table) {
    const next = read(issued({ v: 2, ...limits }), changed(change)).key
    assert.equal([next?.expiresAt, next?.models, next?.addresses], expected)
  }
})

test('a limit that cannot be read lets nothing through, is named, and can be corrected', () => {
  for (const value of ['soon', 5, true, ['2026'], {}]) {
    const { key, flaws } = read(issued(), changed({ expires: value }))
    assert.is(key?.expiresAt, '1970-01-01T00:00:00.000Z')
    assert.match(flaws[0] ?? '', /line 2: its "expires" is not a date/)
  }
  for (const value of ['gpt-*', [], [5], {}, ['a,b'], true]) {
    const { key, flaws } = read(issued({ v: 2, models: value, addresses: value }))
    assert.equal([key?.models, key?.addresses], [[], []])
    assert.is(flaws.length, 2)
  }
  const corrected = read(
    issued(),
    changed({ expires: 'soon', models: 1 }),
    changed({ expires: null, models: ['m'] }),
  )
  assert.equal([corrected.key?.expiresAt, corrected.key?.models], [null, ['m']])
})

test('rules that cannot be read let no model through, are named, and can be corrected', () => {
  const good = [{ name: 'month', usd: { month: 50 } }]
  const bad: unknown[] = [
    'none',
    5,
    true,
    {},
    { rules: good },
    [],
    [5],
    [{ name: 'a' }],
    [{ name: 'a', usd: { fortnight: 5 } }],
    [{ name: 'a', requestsPerMinute: 1, newer: true }],
    [{ name: 'a', requestsPerMinute: 1, timezone: 'Mars/Olympus' }],
    [{ name: 'a', requestsPerMinute: 1, per: 'pool' }],
    [...good, ...good],
    Array.from({ length: 51 }, (_, i) => ({ name: `r${i}`, requestsPerMinute: 1 })),
    [{ name: 'a', requestsPerMinute: 1, match: { model: Array(4_000).fill('gpt-*-mini') } }],
  ]
  for (const limits of bad) {
    const { key, flaws } = read(issued({ v: 3, limits }))
    assert.equal(
      key?.limits?.map(({ allow, match }) => [allow, match.key, match.model]),
      [[[], [ID], null]],
    )
    assert.match(flaws[0] ?? '', /^line 1: its "limits" are not rules that this version knows/)
    assert.is(read(issued({ limits }), { ...changed({ limits: null }), v: 3 }).key?.limits, null)
    assert.is(read(issued({ limits }), changed({ limits: good })).key?.limits?.[0]?.name, 'month')
  }
})

test('rules that did not change are the same list at each reading, and others after a change', () => {
  const lines = [issued({ v: 3, limits: [{ name: 'a', requestsPerMinute: 1 }] })]
  const first = read(...lines).key?.limits
  assert.is(read(...lines).key?.limits, first)
  const next = read(...lines, changed({ limits: [{ name: 'a', requestsPerMinute: 2 }] })).key?.limits
  assert.is.not(next, first)
  assert.is(next?.[0]?.id, first?.[0]?.id, 'an amount was changed: what is used stays')
})

test('limits count in a line of version 1 too, as somebody may write them by hand', () => {
  const { key } = read(issued({ models: ['m'] }), { ...changed({ addresses: ['10.0.0.1'] }), v: 1 })
  assert.equal([key?.models, key?.addresses], [['m'], ['10.0.0.1']])
})

test('a change that stands before its key counts, as in a file that was joined from two', () => {
  const early = [changed({ models: ['a'] }), changed({ models: ['b'], addresses: ['10.0.0.1'] })]
  const { key, flaws } = read(...early, issued(), changed({ expires: '2027-01-01T00:00:00Z' }))
  assert.equal(flaws, [])
  assert.equal(
    [key?.models, key?.addresses, key?.expiresAt],
    [['b'], ['10.0.0.1'], '2027-01-01T00:00:00.000Z'],
  )
  const never = read(changed({ models: ['a'] }), { v: 1 }, { v: 1, op: 'x', id: ID })
  assert.equal(
    never.flaws.map((flaw) => flaw.slice(0, 6)),
    ['line 1', 'line 2', 'line 3'],
  )
})

test('a line of a newer version is skipped, and a key is linked to the one that it replaces', () => {
  const { key, flaws } = read(issued(), { ...changed({ models: ['m'] }), v: 4 })
  assert.is(key?.models, null)
  assert.match(flaws[0] ?? '', /"v" is not 1, 2 or 3; it may come from a newer version/)
  const linked = read(issued({ replaces: 'k_0123456789' }), changed({ rotated_to: 'k_abcdefabcd' })).key
  assert.equal([linked?.replaces, linked?.rotatedTo], ['k_0123456789', 'k_abcdefabcd'])
  assert.is(read(issued({ replaces: '\u001b[31m' })).key?.replaces, null)
})

test('a revocation for relays without limits does not revoke the key here, and any other one does', () => {
  const revoked = { v: 1, ts: TS, op: 'revoked', id: ID }
  assert.is(read(issued(), { ...revoked, only_v1: true }, changed({ models: ['m'] })).key?.revokedAt, null)
  const others = [{}, { v: 2 }, { only_v1: 'yes' }, { only_v1: false }, { v: 2, only_v1: true }]
  assert.is(read(issued(), { ...revoked, v: 2, only_v2: true }).key?.revokedAt, null)
  for (const more of [...others, { only_v2: true }, { v: 3, only_v2: true }, { v: 2, only_v2: 1 }])
    assert.is(read(issued(), { ...revoked, ...more }).key?.revokedAt, TS, JSON.stringify(more))
  assert.is(read(issued(), { ...revoked, only_v1: true }, revoked).key?.revokedAt, TS)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  areAddresses,
  areModels,
  findKeyFault,
  mayBeUsedFrom,
  parseDuration,
  parseExpiry,
} from '../../src/access/key-limits.js'
import type { KeyRecord } from '../../src/access/keyring.js'
import { KEY } from '../support/key-record.js'

const NOW = Date.parse('2026-01-31T12:00:00.000Z')
const HOUR = 3_600_000

test('a length of time is a number with h, d or w', () => {
  const table: [string, number | null][] = [
    ['1h', HOUR],
    ['0h', 0],
    ['30d', 30 * 24 * HOUR],
    ['4w', 4 * 7 * 24 * HOUR],
    ['100000d', 100_000 * 24 * HOUR],
    ['100001d', null],
    ['30', null],
    ['30m', null],
    ['d', null],
    ['-1d', null],
    ['1.5d', null],
    [' 1d', null],
    ['1D', null],
    ['9999999h', null],
    ['', null],
  ]
  for (const [text, ms] of table) assert.is(parseDuration(text), ms, text)
})

test('an expiry is a length of time from now, a day in UTC, or an instant with its zone', () => {
  const table: [string, string | null][] = [
    ['30d', '2026-03-02T12:00:00.000Z'],
    ['12h', '2026-02-01T00:00:00.000Z'],
    ['2026-12-31', '2026-12-31T00:00:00.000Z'],
    ['2026-12-31T10:00Z', '2026-12-31T10:00:00.000Z'],
    ['2026-12-31T10:00:30+02:00', '2026-12-31T08:00:30.000Z'],
    ['2025-01-01', '2025-01-01T00:00:00.000Z'],
    ['2026-12-31T10:00', null],
    ['2026-02-30', null],
    ['2026-13-01', null],
    ['31.12.2026', null],
    ['12/31/2026', null],
    ['9999-01-01', null],
    ['tomorrow', null],
    ['never', null],
    ['', null],
  ]
  for (const [text, instant] of table) {
    const at = parseExpiry(text, NOW)
    assert.is(at === null ? null : new Date(at).toISOString(), instant, text)
  }
})

test('a key is valid until it is revoked, and before the instant at which it expires', () => {
  const at = '2026-01-31T12:00:00.000Z'
  const table: [Partial<KeyRecord>, number, string | null][] = [
    [{}, NOW, null],
    [{ expiresAt: at }, NOW - 1, null],
    [{ expiresAt: at }, NOW, 'expired_api_key'],
    [{ expiresAt: at }, NOW + 1, 'expired_api_key'],
    [{ revokedAt: at }, NOW - 1, 'revoked_api_key'],
    [{ revokedAt: at, expiresAt: at }, NOW, 'revoked_api_key'],
  ]
  for (const [limits, now, fault] of table) assert.is(findKeyFault({ ...KEY, ...limits }, now), fault)
})

test('a key with addresses may be used from these alone, however an address is written', () => {
  const table: [string[] | null, string | null, boolean][] = [
    [null, '192.0.2.1', true],
    [null, null, true],
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', true],
    [['10.0.0.0/8'], '::ffff:a00:1', true],
    [['10.0.0.0/8'], '::ffff:b00:1', false],
    [['::ffff:10.0.0.0/104'], '10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '11.1.2.3', false],
    [['10.0.0.5/32', '192.0.2.7'], '192.0.2.7', true],
    [['10.0.0.5/32', '192.0.2.7'], '192.0.2.8', false],
    [['2001:db8::/32'], '2001:db8:1::5', true],
    [['2001:DB8::/32'], '2001:0db8:0000::0005', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['0.0.0.0/0'], '192.0.2.1', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['10.0.0.0/8'], null, false],
    [['10.0.0.0/8'], 'unknown', false],
    [['10.0.0.0/8'], '', false],
    [[], '10.0.0.1', false],
  ]
  for (const [addresses, address, allowed] of table)
    assert.is(mayBeUsedFrom({ addresses }, address), allowed, `${addresses} from ${address}`)
})

test('an address is judged in the same way the first time, the next time, and among very many', () => {
  const key = { addresses: ['10.0.0.0/8'] }
  const changed = { addresses: ['11.0.0.0/8'] }
  for (let i = 0; i < 3_000; i++) {
    const rest = `${i % 250}.${Math.floor(i / 250)}.1`
    for (let n = 0; n < 2; n++) {
      assert.ok(mayBeUsedFrom(key, `10.${rest}`))
      assert.not.ok(mayBeUsedFrom(key, `11.${rest}`))
      assert.ok(mayBeUsedFrom(changed, `11.${rest}`))
    }
  }
})

test('models are names without commas, spaces and control characters, and addresses are networks', () => {
  for (const good of [['gpt-*'], ['*'], ['a/b:c@1', 'x'], Array(100).fill('m')]) assert.ok(areModels(good))
  const bad = [
    [],
    [''],
    ['a b'],
    ['a,b'],
    ['\u0007'],
    ['é'],
    ['x'.repeat(201)],
    Array(101).fill('m'),
    [1],
    'm',
    {},
    1,
    null,
  ]
  for (const each of bad) assert.not.ok(areModels(each), JSON.stringify(each))
  for (const good of [['10.0.0.0/8', '::1'], ['10.0.0.1']]) assert.ok(areAddresses(good))
  for (const each of [[], ['10.0.0.0/33'], ['host'], [''], '10.0.0.1', [10], null])
    assert.not.ok(areAddresses(each), JSON.stringify(each))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { authenticate } from '../../src/access/credentials.js'
import { hashKey, mintKey } from '../../src/access/key.js'
import type { KeyRecord } from '../../src/access/keyring.js'
import { RecentKeys } from '../../src/access/recent-keys.js'

const OWNER = { env: 'prod', team: 'team1', user: 'alice' }
const key = mintKey(OWNER)

function recordOf(fields: Partial<KeyRecord> = {}): KeyRecord {
  const limits = { expiresAt: null, models: null, addresses: null, limits: null }
  return { id: 'k_1', ...OWNER, issuedAt: '2026-01-01T00:00:00.000Z', revokedAt: null, ...limits, ...fields }
}

function ringOf(record: KeyRecord | undefined) {
  return { record, find: (hash: string) => (hash === hashKey(key) ? ring.record : undefined) }
}

let ring = ringOf(undefined)

test('a key that was valid is remembered, and the keyring is asked about it all the same', () => {
  const recent = new RecentKeys()
  ring = ringOf(recordOf())
  assert.equal(authenticate([key], ring, recent), { record: ring.record })
  assert.is(recent.find(key), hashKey(key))
  ring.record = recordOf({ revokedAt: '2026-02-01T00:00:00.000Z' })
  assert.equal(authenticate([key], ring, recent), { refusal: 'revoked_api_key' })
  ring.record = recordOf({ expiresAt: '2026-02-01T00:00:00.000Z' })
  assert.equal(authenticate([key], ring, recent), { refusal: 'expired_api_key' })
  ring.record = undefined
  assert.equal(authenticate([key], ring, recent), { refusal: 'unknown_api_key' })
  ring.record = recordOf()
  assert.equal(authenticate([key], ring, recent), { record: ring.record })
})

test('no key is remembered that is not valid', () => {
  const recent = new RecentKeys()
  ring = ringOf(undefined)
  authenticate([key, 'lc_guess', 'sk-other'], ring, recent)
  ring = ringOf(recordOf({ revokedAt: '2026-02-01T00:00:00.000Z' }))
  authenticate([key], ring, recent)
  for (const text of [key, 'lc_guess', 'sk-other']) assert.is(recent.find(text), undefined)
})

test('a key that no request has had for two minutes is forgotten', () => {
  const recent = new RecentKeys()
  recent.add('one', '1')
  recent.add('two', '2')
  recent.tick(60_000)
  assert.is(recent.find('one'), '1')
  recent.tick(119_999)
  assert.is(recent.find('two'), '2')
  recent.tick(120_000)
  recent.tick(180_000)
  assert.is(recent.find('one'), undefined)
  assert.is(recent.find('two'), undefined)
})

test('the number of keys that are remembered is bounded', () => {
  const recent = new RecentKeys()
  for (let i = 0; i < 10_000; i++) recent.add(`key ${i}`, String(i))
  let count = 0
  for (let i = 0; i < 10_000; i++) if (recent.find(`key ${i}`) !== undefined) count++
  assert.ok(count >= 1_000 && count <= 2_000, String(count))
})

test.run()

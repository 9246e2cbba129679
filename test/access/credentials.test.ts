import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { authenticate, credentialsIn } from '../../src/access/credentials.js'
import { deriveKeyId, hashKey, mintKey } from '../../src/access/key.js'
import type { KeyRecord } from '../../src/access/keyring.js'

const OWNER = { env: 'prod', team: 'team1', user: 'alice' }

function ringOf(...issued: { key: string; revoked?: boolean }[]) {
  const records = new Map<string, KeyRecord>()
  for (const { key, revoked } of issued) {
    const hash = hashKey(key)
    const revokedAt = revoked === true ? '2026-02-01T00:00:00.000Z' : null
    records.set(hash, {
      id: deriveKeyId(hash),
      ...OWNER,
      issuedAt: '2026-01-01T00:00:00.000Z',
      revokedAt,
      expiresAt: null,
      models: null,
      addresses: null,
      limits: null,
    })
  }
  return {
    lookups: 0,
    find(hash: string): KeyRecord | undefined {
      this.lookups++
      return records.get(hash)
    },
  }
}

const good = mintKey(OWNER)
const spare = mintKey(OWNER)
const revoked = mintKey(OWNER)
const unknown = mintKey(OWNER)
const mistyped = good.replace('alice', 'alicf')
const malformed = 'sk-proj-0123456789'

test('a credential is found in each of the four headers, in any spelling of name and scheme', () => {
  for (const name of ['Authorization', 'authorization', 'AUTHORIZATION']) {
    for (const scheme of ['Bearer ', 'bearer ', 'BEARER  ', 'Bearer\t', '  Bearer ']) {
      assert.equal(credentialsIn([name, `${scheme}abc `]), ['abc'])
    }
  }
  for (const name of ['x-api-key', 'X-Api-Key', 'api-key', 'Api-Key', 'x-goog-api-key', 'X-Goog-Api-Key']) {
    assert.equal(credentialsIn([name, ' abc ']), ['abc'])
  }
})

test('several credentials have a fixed order, which the order of the headers does not change', () => {
  const headers = [
    'api-key',
    'c',
    'Host',
    'x',
    'X-Api-Key',
    'b',
    'Authorization',
    'Bearer a',
    'authorization',
    'Bearer a2',
  ]
  assert.equal(credentialsIn(headers), ['a', 'a2', 'b', 'c'])
})

test('the same credential in several headers counts once', () => {
  assert.equal(
    credentialsIn(['Authorization', 'Bearer a', 'x-api-key', 'a', 'api-key', 'b', 'api-key', 'a']),
    ['a', 'b'],
  )
})

test('empty values, other schemes and other headers are no credentials', () => {
  const headers = [
    ['Authorization', ''],
    ['Authorization', 'Bearer'],
    ['Authorization', 'Bearer   '],
    ['Authorization', 'Basic dXNlcjpwYXNz'],
    ['Authorization', 'Bearerabc'],
    ['Authorization', 'abc'],
    ['x-api-key', ''],
    ['api-key', '  '],
    ['proxy-authorization', 'Bearer abc'],
    ['x-api-keys', 'abc'],
    ['apikey', 'abc'],
  ]
  assert.equal(credentialsIn(headers.flat()), [])
  assert.equal(credentialsIn([]), [])
})

test('credentials beyond the eighth are ignored', () => {
  const headers = Array.from({ length: 2000 }, (_, i) => ['x-api-key', `key-${i}`]).flat()
  assert.is(credentialsIn(headers).length, 8)
  assert.is(credentialsIn(['Authorization', 'Bearer first', ...headers])[0], 'first')
})

test('a valid key is accepted, with its record', () => {
  const ring = ringOf({ key: good })
  assert.equal(authenticate([good], ring), { record: ring.find(hashKey(good)) })
})

test('the first valid key wins, also after invalid ones', () => {
  const ring = ringOf({ key: good }, { key: spare }, { key: revoked, revoked: true })
  const verdict = authenticate([malformed, mistyped, unknown, revoked, spare, good], ring)
  assert.equal(verdict, { record: ring.find(hashKey(spare)) })
})

test('each kind of invalid key has its own refusal', () => {
  const ring = ringOf({ key: good }, { key: revoked, revoked: true })
  assert.equal(authenticate([], ring), { refusal: 'missing_api_key' })
  assert.equal(authenticate([malformed], ring), { refusal: 'malformed_api_key' })
  assert.equal(authenticate([mistyped], ring), { refusal: 'mistyped_api_key' })
  assert.equal(authenticate([unknown], ring), { refusal: 'unknown_api_key' })
  assert.equal(authenticate([revoked], ring), { refusal: 'revoked_api_key' })
})

test('of several invalid keys the most specific refusal is returned, in either order', () => {
  const ring = ringOf({ key: good }, { key: revoked, revoked: true })
  const telling: [string, string][] = [
    [malformed, 'malformed_api_key'],
    [mistyped, 'mistyped_api_key'],
    [unknown, 'unknown_api_key'],
    [revoked, 'revoked_api_key'],
  ]
  for (const [i, [more, refusal]] of telling.entries()) {
    for (const [less] of telling.slice(0, i)) {
      assert.equal(authenticate([less, more], ring), { refusal })
      assert.equal(authenticate([more, less], ring), { refusal })
    }
  }
})

test('a text that begins in another way or is too long is never looked up', () => {
  const ring = ringOf({ key: good })
  authenticate(['x'.repeat(60_000), '', '__proto__'], ring)
  assert.is(ring.lookups, 0)
})

test('a key that is revoked while it is in use is refused from then on', () => {
  const ring = ringOf({ key: good })
  const record = ring.find(hashKey(good))
  if (record !== undefined) record.revokedAt = '2026-02-01T00:00:00.000Z'
  assert.equal(authenticate([good], ring), { refusal: 'revoked_api_key' })
})

test.run()

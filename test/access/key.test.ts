import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  deriveKeyId,
  findPartFlaw,
  hashKey,
  inspectKey,
  isLikelyKey,
  KEY_PATTERN,
  KeyFormatError,
  type KeyOwner,
  mintKey,
} from '../../src/access/key.js'
import { fc } from '../support/property.js'

const part = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
const owner: fc.Arbitrary<KeyOwner> = fc.record(
  { env: part, team: part, user: part },
  { noNullPrototype: true },
)
const ALICE: KeyOwner = { env: 'prod', team: 'team1', user: 'alice' }

test('a key that another program made by the same rules is accepted', () => {
  assert.equal(inspectKey('lc_prod_team1_user1_7QfT2aXw9Lk4ZrB3vNcE1u04i5bl'), {
    env: 'prod',
    team: 'team1',
    user: 'user1',
  })
})

test('every new key contains its owner, at every length of the parts', () => {
  fc.assert(
    fc.property(owner, (given) => {
      const key = mintKey(given)
      assert.equal(inspectKey(key), given)
      assert.is(key.split('_').at(-1)?.length, 28)
    }),
  )
})

test('every change of one character in a key is detected', () => {
  const character = fc.oneof(
    fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_- '),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  )
  fc.assert(
    fc.property(owner, fc.nat(), character, (given, at, other) => {
      const key = mintKey(given)
      const i = at % key.length
      fc.pre(key[i] !== other)
      assert.type(inspectKey(key.slice(0, i) + other + key.slice(i + 1)), 'string')
    }),
    { numRuns: 500 },
  )
})

test('swapped, lost and doubled characters are detected', () => {
  fc.assert(
    fc.property(owner, fc.nat(), (given, at) => {
      const key = mintKey(given)
      const i = at % (key.length - 1)
      const [a = '', b = ''] = key.slice(i, i + 2)
      assert.type(inspectKey(key.slice(0, i) + key.slice(i + 1)), 'string')
      assert.type(inspectKey(key.slice(0, i) + a + key.slice(i)), 'string')
      if (a !== b) assert.type(inspectKey(key.slice(0, i) + b + a + key.slice(i + 2)), 'string')
    }),
    { numRuns: 500 },
  )
})

test('no text makes the inspection throw', () => {
  const nearly = fc
    .array(fc.constantFrom('lc', '_', 'prod', 'a', 'A', '-', '7'.repeat(28), '\n'))
    .map((all) => all.join(''))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), nearly), (text) => {
      const found = inspectKey(text)
      assert.ok(found === 'malformed' || found === 'mistyped' || typeof found === 'object')
    }),
    { numRuns: 500 },
  )
})

test('a text that begins as a key and is cut, too long or wrong is mistyped', () => {
  const key = mintKey(ALICE)
  const last = key.at(-1) === 'x' ? 'y' : 'x'
  for (const text of [
    'lc_',
    key.slice(0, -1) + last,
    key.replace('alice', 'alicf'),
    key.slice(0, -1),
    key.slice(0, 12),
    `${key}0`,
    `${key}${key}`,
    `${key}\n`,
    key.replace('alice', ''),
    key.replace('alice', 'a_lice'),
    key.replace('alice', 'Alice'),
    key.replace('alice', 'a'.repeat(33)),
    `${key.slice(0, -1)}-`,
  ]) {
    assert.is(inspectKey(text), 'mistyped', JSON.stringify(text))
  }
})

test('a text that does not begin as a key is malformed', () => {
  const key = mintKey(ALICE)
  for (const text of [
    '',
    'lc',
    'sk-proj-abcdefghijklmnop',
    ` ${key}`,
    key.toUpperCase(),
    key.replace('lc_', 'lk_'),
  ]) {
    assert.is(inspectKey(text), 'malformed', JSON.stringify(text))
  }
})

test('a huge text is refused without being read', () => {
  const huge = `lc_${'a'.repeat(64 * 1024 * 1024)}`
  // As many readings of 64 MiB would take longer than a test file may.
  for (let i = 0; i < 10_000; i++) inspectKey(huge)
  assert.is(inspectKey(huge), 'mistyped')
})

test('a wrong owner is refused with the name of the part and what would be right', () => {
  const wrong: [Partial<KeyOwner>, keyof KeyOwner, RegExp][] = [
    [{ env: '' }, 'env', /^env must be 1 to 32 characters of a-z, 0-9 and "-"$/],
    [{ team: 'Team One' }, 'team', /^team must be .*, for example "team-one"$/],
    [{ user: 'bob_smith@example.com' }, 'user', /^user must be .*, for example "bob-smith-example-com"$/],
    [{ user: 'a'.repeat(33) }, 'user', /^user must be .* 32 .*, for example "a{32}"$/],
    [{ team: 'a\n' }, 'team', /^team must be/],
  ]
  for (const [change, part, message] of wrong) {
    assert.throws(
      () => mintKey({ ...ALICE, ...change }),
      (err: unknown) => {
        assert.instance(err, KeyFormatError)
        assert.is((err as KeyFormatError).part, part)
        assert.match((err as KeyFormatError).message, message)
        return true
      },
    )
  }
})

test('a name that is suggested for a wrong one is valid', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const proposed = /for example "(.*)"$/.exec(findPartFlaw(text) ?? '')?.[1]
      if (proposed !== undefined) assert.is(findPartFlaw(proposed), null)
    }),
    { numRuns: 500 },
  )
})

test('the random part uses all 62 characters evenly', () => {
  const seen = new Map<string, number>()
  for (let i = 0; i < 2000; i++) {
    const random = mintKey(ALICE).split('_').at(-1)?.slice(0, 22) ?? ''
    for (const character of random) seen.set(character, (seen.get(character) ?? 0) + 1)
  }
  assert.is(seen.size, 62)
  // 44,000 draws: 710 are expected of each, with a standard deviation of 26.
  for (const [character, count] of seen)
    assert.ok(count > 500 && count < 920, `${character} came ${count} times`)
})

test('no two keys of one owner are the same', () => {
  const minted = new Set(Array.from({ length: 1000 }, () => mintKey(ALICE)))
  assert.is(minted.size, 1000)
})

test('the hash is the SHA-256 in hex and the id is its start', () => {
  assert.is(hashKey('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  assert.is(deriveKeyId(hashKey('abc')), 'k_ba7816bf8f')
})

test('the pattern finds whole keys in any text', () => {
  const first = mintKey(ALICE)
  const second = mintKey({ env: 'a', team: 'b', user: '-' })
  const text = `authorization: Bearer ${first}\n{"key":"${second}"} lc_not_a_key x${first}`
  assert.equal(text.match(new RegExp(KEY_PATTERN, 'g')), [first, second, first])
})

test('a key of the longest parts is a key, and what is one character longer is not', () => {
  const longest = 'a'.repeat(32)
  const given = { env: longest, team: longest, user: longest }
  const key = mintKey(given)
  assert.equal(inspectKey(key), given)
  assert.ok(isLikelyKey(key))
  assert.is(inspectKey(`${key}0`), 'mistyped')
  assert.not(isLikelyKey(`${key}0`))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mintKey } from '../../src/access/key.js'
import { holdsKey } from '../../src/access/key-traces.js'
import { dropQueryKeys } from '../../src/access/query-key.js'
import { fc } from '../support/property.js'

const part = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
const keys = fc.record({ env: part, team: part, user: part }).map(mintKey)
const around = fc.stringMatching(/^[ -~]{0,40}$/)

const encodeAll = (text: string): string =>
  [...text].map((letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')

/** The ways in which a key may stand in a header or a query. */
const FORMS: readonly ((key: string, before: string, behind: string) => string)[] = [
  (key) => key,
  (key, before, behind) => `${before}${key}${behind}`,
  (key, before) => `${before}${encodeAll(key)}`,
  (key) => encodeURIComponent(encodeAll(key)),
  (key) => key.replace('lc_', 'lc%5F'),
  (key, before, behind) => Buffer.from(`${before}${key}${behind}`).toString('base64'),
  (key, before, behind) => Buffer.from(`${before}:${key}${behind}`).toString('base64url'),
  (key) => `Basic ${Buffer.from(`user:${key}`).toString('base64')}`,
  (key) => `Bearer lc_lc_${key}`,
  (key) => encodeAll(Buffer.from(key).toString('base64')),
]

test('a key is found wherever it stands in a text, plain, percent-encoded or in base64', () => {
  fc.assert(
    fc.property(keys, around, around, fc.constantFrom(...FORMS), (key, before, behind, write) => {
      assert.ok(holdsKey(write(key, before, behind)), write(key, before, behind))
    }),
    { numRuns: 2000 },
  )
})

test('a query has no parameter with a key, however that is written', () => {
  fc.assert(
    fc.property(keys, around, around, fc.constantFrom(...FORMS), (key, before, behind, write) => {
      const value = encodeURIComponent(write(key, before, behind))
      assert.is(dropQueryKeys(`?a=1&x=${value}&b=2`), '?a=1&b=2')
    }),
    { numRuns: 1000 },
  )
})

test('no other text is taken for a key, not even one that differs in a letter', () => {
  fc.assert(
    fc.property(keys, around, (key, text) => {
      const other = key.endsWith('a') ? 'b' : 'a'
      assert.not(holdsKey(`${text} ${key.slice(0, -1)}${other}`))
      assert.not(holdsKey(key.slice(0, -1)))
      assert.not(holdsKey(Buffer.from(text).toString('base64')))
    }),
    { numRuns: 1000 },
  )
})

test('a query loses its credentials and stays byte for byte otherwise', () => {
  const key = mintKey({ env: 'test', team: 'a', user: 'b' })
  const rows: readonly (readonly [string, string])[] = [
    ['', ''],
    ['?a=1&b=%20', '?a=1&b=%20'],
    [`?key=${key}`, ''],
    [`?a=1&x=${key}&b=%20`, '?a=1&b=%20'],
    [`?a=1&${key}`, '?a=1'],
    [`?a=${encodeAll(key)}&c`, '?c'],
    ['?api_key=sk-mine&b=2', '?b=2'],
    ['?%61pi_key=sk-mine&b=2', '?b=2'],
    ['?API-KEY=sk-mine', ''],
    ['?key=mine&b=2', '?key=mine&b=2'],
    ['?token_count=5', '?token_count=5'],
  ]
  for (const [query, kept] of rows) assert.is(dropQueryKeys(query), kept, query)
})

test.run()

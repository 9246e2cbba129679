import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { coverAll, covers } from '../../src/config/pattern-cover.js'
import { compileGlob } from '../../src/routing/glob.js'
import { fc } from '../support/property.js'

const CASES: ReadonlyArray<[string, string, boolean]> = [
  ['*', '', true],
  ['*', 'a*b', true],
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', '*', false],
  ['a*', 'a', true],
  ['a*', 'ab*', true],
  ['ab*', 'a*', false],
  ['*b', 'a*b', true],
  ['*a*', 'xay', true],
  ['*a*', '*', false],
  ['a*b', 'a*', false],
  ['a**', 'a*', true],
  ['a*', 'a**', true],
  ['*-mini', 'gpt-*-mini', true],
  ['gpt-*-mini', 'gpt-mini', false],
  ['', '', true],
  ['', '*', false],
]

for (const [wide, narrow, expected] of CASES)
  test(`"${wide}" ${expected ? 'covers' : 'does not cover'} "${narrow}"`, () => {
    assert.is(covers(wide, narrow), expected)
  })

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 })
const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 })

test('whatever a covered pattern matches, the covering one matches', () => {
  fc.assert(
    fc.property(
      pattern,
      pattern,
      fc.array(text, { minLength: 6, maxLength: 6 }),
      (wide, narrow, fillings) => {
        let n = 0
        const matched = narrow.replaceAll('*', () => fillings[n++] ?? '')
        assert.ok(compileGlob(narrow).test(matched))
        if (covers(wide, narrow)) assert.ok(compileGlob(wide).test(matched), matched)
      },
    ),
    { numRuns: 2_000 },
  )
})

test('a pattern that does not cover another one leaves out a text that has a new character for each star', () => {
  fc.assert(
    fc.property(pattern, pattern, (wide, narrow) => {
      const matched = narrow.replaceAll('*', 'c')
      assert.is(covers(wide, narrow), compileGlob(wide).test(matched))
    }),
    { numRuns: 2_000 },
  )
})

test('no patterns cover everything, and are covered by nothing else', () => {
  assert.ok(coverAll(null, null))
  assert.ok(coverAll(null, ['a']))
  assert.not.ok(coverAll(['*'], null))
  assert.ok(coverAll(['a*', 'b'], ['a1', 'b']))
  assert.not.ok(coverAll(['a*'], ['a1', 'b']))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compileGlob } from '../../src/routing/glob.js'
import { fc } from '../support/property.js'

/** The same, by its definition: slow, and easy to see through. */
function matches(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  const rest = pattern.slice(1)
  if (pattern[0] === '*') return matches(rest, text) || (text !== '' && matches(pattern, text.slice(1)))
  return text !== '' && text[0] === pattern[0] && matches(rest, text.slice(1))
}

test('a pattern matches what its definition says, whatever its characters mean elsewhere', () => {
  const text = (characters: string[], maxLength: number) =>
    fc.array(fc.constantFrom(...characters), { maxLength }).map((each) => each.join(''))
  fc.assert(
    fc.property(
      text(['*', '*', 'a', 'b', '1', '\\', '.', '(', '$', '\n'], 8),
      text(['a', 'b', '1', '\\', '.', '(', '$', '\n'], 8),
      (pattern, name) => {
        assert.is(compileGlob(pattern).test(name), matches(pattern, name), JSON.stringify([pattern, name]))
      },
    ),
  )
})

test('a long name that nearly matches is compared once, however many * the pattern has', () => {
  // Tried at each place of each letter, these would take longer than the universe is old.
  assert.not(compileGlob(`${'*a'.repeat(40)}*b`).test('a'.repeat(2_000)))
  assert.not(compileGlob(`${'*mini'.repeat(6)}*b`).test('mini'.repeat(20_000)))
  assert.not(compileGlob(`${'*'.repeat(200)}b`).test('a'.repeat(5_000)))
  assert.ok(compileGlob(`${'*a'.repeat(40)}*`).test('a'.repeat(2_000)))
})

test.run()

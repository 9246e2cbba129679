import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listVariants } from '../../src/api/model-variants.js'

const MODELS = new Set(['team-coder', 'coder-fast', 'low', 'a-high'])

function find(name: string): [string, string | null] | null {
  if (MODELS.has(name)) return null
  const variant = listVariants(name).find(({ base }) => MODELS.has(base))
  return variant === undefined ? null : [variant.base, variant.effort]
}

test('the suffixes of a variant name the model and its effort', () => {
  const table: [string, [string, string | null] | null][] = [
    ['team-coder-thinking', ['team-coder', 'medium']],
    ['team-coder-fast', ['team-coder', null]],
    ['team-coder-high', ['team-coder', 'high']],
    ['team-coder-xhigh', ['team-coder', 'xhigh']],
    ['team-coder-none', ['team-coder', 'none']],
    ['team-coder-thinking-low', ['team-coder', 'low']],
    ['team-coder-low-thinking', ['team-coder', 'low']],
    ['team-coder-thinking-high-fast', ['team-coder', 'high']],
    ['coder-fast-low', ['coder-fast', 'low']],
    ['a-high-low', ['a-high', 'low']],
    // A name in full wins, and so does the longest one.
    ['coder-fast', null],
    ['a-high', null],
    ['low', null],
    // No model is behind these.
    ['team-coder-slow', null],
    ['other-high', null],
    ['team-coder-thinking-high-fast-low', null],
    ['-high', null],
    ['high', null],
    ['team-coderhigh', null],
    ['', null],
  ]
  for (const [name, expected] of table) assert.equal(find(name), expected, name)
})

test('a long name of suffixes is judged at once', () => {
  assert.is(find(`x${'-high'.repeat(100_000)}`), null)
})

test.run()

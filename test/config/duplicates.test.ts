import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findDuplicates } from '../../src/config/duplicates.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

const CASES: Array<[string, readonly string[]]> = [
  ['{"a":1,"a":2}', ['a']],
  ['{"a":1,"b":{"a":2}}', []],
  ['{"a":{"b":1,"c":2,"b":3}}', ['a.b']],
  ['{"a":[{"b":1},{"b":1,"b":2}]}', ['a[1].b']],
  ['{"a":["x","x"],"x":1}', []],
  ['{"a":"a","b":"a","c":"b"}', []],
  ['{"a":1,"\\u0061":2}', ['a']],
  ['{"a b":1,"a b":2}', ['["a b"]']],
  ['{"a":"{\\"b\\":1,\\"b\\":2}"}', []],
  ['{"__proto__":1,"__proto__":2}', ['__proto__']],
  ['{"a":1,"a":{"b":1,"b":2},"a":3}', ['a', 'a.b', 'a']],
  ['[]', []],
  ['"a"', []],
  ['1', []],
]

for (const [text, expected] of CASES) {
  test(`names that are there twice in ${text}`, () => {
    assert.equal(
      findDuplicates(text).map(({ path }) => path),
      expected,
    )
  })
}

test('no JSON that was printed from a value has a name twice', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(findDuplicates(text), [])
    }),
  )
})

test('a name that is added again is found, wherever it is', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (inner, pick) => {
      const names = Object.keys(inner)
      const name = names[pick % names.length] as string
      const text = JSON.stringify(inner)
      const twice = `{"outer":[${text.slice(0, -1)},${JSON.stringify(name)}:null}]}`
      assert.is(findDuplicates(twice).length, 1)
    }),
  )
})

test('the work grows with the size of the file', () => {
  const shapes: Array<[string, (size: number) => string]> = [
    ['deep lists', (size) => `${'['.repeat(size)}${']'.repeat(size)}`],
    ['many names', (size) => `{${Array.from({ length: size }, (_, i) => `"n${i}":1`).join(',')}}`],
    ['a long text of quotes', (size) => `{"a":"${'\\"'.repeat(size)}"}`],
  ]
  for (const [what, make] of shapes)
    assertGrowsLinearly(what, 20_000, make, (text) => void findDuplicates(text))
})

test.run()

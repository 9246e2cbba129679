import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../support/property.js'
import { groupFiles } from './groups.js'

test('files that are alone come first, then those that share, by folder and in their order', () => {
  const files = ['a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c']
  assert.equal(
    groupFiles(files, (file) => file !== 'a/2'),
    [['a/2'], ['a/1', 'a/3'], ['b/1', 'b/2'], ['c']],
  )
})

test('seventeen files are nine and eight, and not sixteen and one', () => {
  const sizes = groupFiles(
    Array.from({ length: 17 }, (_, i) => `a/${i}`),
    () => true,
  ).map((group) => group.length)
  assert.equal(sizes, [8, 9])
})

test('each file is in one group, whatever files there are; a group has at most sixteen, of one folder', () => {
  const file = fc.record({
    folder: fc.constantFrom('a', 'b', 'c'),
    name: fc.nat(),
    shares: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.uniqueArray(file, { selector: ({ folder, name }) => `${folder}/${name}` }), (made) => {
      const files = made.map(({ folder, name }) => `${folder}/${name}`)
      const alone = new Set(made.flatMap(({ shares }, i) => (shares ? [] : [files[i]])))
      const groups = groupFiles(files, (file) => !alone.has(file))
      assert.equal(groups.flat().sort(), [...files].sort())
      for (const group of groups) {
        assert.ok(group.length >= 1 && group.length <= 16)
        assert.is(new Set(group.map((file) => file.split('/')[0])).size, 1)
        if (group.some((file) => alone.has(file))) assert.is(group.length, 1)
      }
    }),
  )
})

test.run()

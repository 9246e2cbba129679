import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../support/property.js'
import { groupFiles, type Lane, openLanes, takeNext } from './groups.js'

test('files that are alone have a group each, and those that share have one for each folder, in their order', () => {
  const files = ['a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c']
  assert.equal(
    groupFiles(files, (file) => file !== 'a/2'),
    { alone: [['a/2']], together: [['a/1', 'a/3'], ['b/1', 'b/2'], ['c']] },
  )
})

test('seventeen files are nine and eight, and not sixteen and one', () => {
  const files = Array.from({ length: 17 }, (_, i) => `a/${i}`)
  const { together } = groupFiles(files, () => true)
  assert.equal(
    together.map((group) => group.length),
    [8, 9],
  )
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
      const all = [...groups.alone, ...groups.together]
      assert.equal(all.flat().sort(), [...files].sort())
      for (const group of all) {
        assert.ok(group.length >= 1 && group.length <= 16)
        assert.is(new Set(group.map((file) => file.split('/')[0])).size, 1)
        if (group.some((file) => alone.has(file))) assert.is(group.length, 1)
      }
    }),
  )
})

test('each group runs once, whichever lane is ahead, and each lane has work as long as there is any', () => {
  const file = fc.record({ name: fc.nat(), shares: fc.boolean() })
  const made = fc.uniqueArray(file, { selector: ({ name }) => name, maxLength: 80 })
  fc.assert(
    fc.property(made, fc.array(fc.nat({ max: 2 })), (made, ahead) => {
      const files = made.map(({ name, shares }) => `${shares ? 'a' : 'b'}/${name}`)
      const groups = groupFiles(files, (file) => file.startsWith('a/'))
      const lanes = openLanes(groups)
      const taken: string[] = []
      for (const lane of ahead) taken.push(...(takeNext(lanes[lane] as Lane) ?? []))
      if (groups.alone.length === 0)
        assert.is(lanes.filter(hasWork).length, groups.together.length > 0 ? 3 : 0)
      for (const lane of lanes)
        for (let next = takeNext(lane); next !== undefined; next = takeNext(lane)) taken.push(...next)
      assert.equal(taken.sort(), [...files].sort())
    }),
  )
})

test('two lanes take files that are alone first, and one takes groups', () => {
  const lanes = openLanes({ alone: [['a'], ['b'], ['c']], together: [['d', 'e'], ['f']] })
  const first = lanes.map(takeNext)
  assert.equal(first, [['a'], ['b'], ['d', 'e']])
  assert.equal(lanes.map(takeNext), [['c'], ['f'], undefined])
})

function hasWork([first, second]: Lane): boolean {
  return first.length + second.length > 0
}

test.run()

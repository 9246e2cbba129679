import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ObjectMap } from '../../src/stored/object-map.js'
import { fc } from '../support/property.js'

const objectOf = (id: string, madeAt = 0) => ({
  id,
  owner: 'team',
  key: null,
  upstream: 'up',
  madeAt,
  isBilled: false,
})

test('the oldest object leaves when there are too many, and is counted', () => {
  let full = 0
  const objects = new ObjectMap(
    { objects: 2, ageMs: 10 },
    () => full++,
    () => 0,
  )
  for (const id of ['a', 'b', 'c']) objects.set(objectOf(id))
  assert.equal(
    [...objects.values()].map(({ id }) => id),
    ['b', 'c'],
  )
  assert.is(objects.find('a'), null)
  assert.is(full, 1)
})

test('an object leaves by its age, and is not counted', () => {
  let full = 0
  let now = 0
  const objects = new ObjectMap(
    { objects: 2, ageMs: 10 },
    () => full++,
    () => now,
  )
  objects.set(objectOf('a', 0))
  now = 10
  assert.is(objects.find('a')?.id, 'a')
  now = 11
  assert.is(objects.find('a'), null)
  objects.set(objectOf('b', 5))
  objects.set(objectOf('c', 11))
  assert.is(objects.size, 2)
  assert.is(full, 0)
})

test('an object that is too old when it is read is not kept', () => {
  const objects = new ObjectMap(
    { objects: 2, ageMs: 10 },
    () => {},
    () => 100,
  )
  objects.set(objectOf('a', 89))
  assert.is(objects.size, 0)
})

test('an object that is billed later keeps its place', () => {
  const objects = new ObjectMap(
    { objects: 2, ageMs: 10 },
    () => {},
    () => 0,
  )
  objects.set(objectOf('a'))
  objects.set(objectOf('b'))
  objects.set({ ...objectOf('a'), isBilled: true })
  objects.set(objectOf('c'))
  assert.equal(
    [...objects.values()].map(({ id }) => id),
    ['b', 'c'],
  )
})

test('of very many objects the newest stay, in their order', () => {
  const objects = new ObjectMap(
    { objects: 1_500, ageMs: 10 },
    () => {},
    () => 0,
  )
  for (let n = 0; n < 20_000; n++) objects.set(objectOf(String(n)))
  assert.equal(
    [...objects.values()].map(({ id }) => Number(id)),
    Array.from({ length: 1_500 }, (_, i) => 18_500 + i),
  )
})

test('whatever comes, there are never more objects than the bound, and the newest is there', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.nat(20))),
      fc.integer({ min: 1, max: 8 }),
      (made, bound) => {
        let now = 0
        const objects = new ObjectMap(
          { objects: bound, ageMs: 50 },
          () => {},
          () => now,
        )
        for (const [n, later] of made) {
          now += later
          objects.set(objectOf(String(n), now))
          assert.ok(objects.size <= bound)
          assert.is(objects.find(String(n))?.madeAt, now)
        }
      },
    ),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyEdits } from '../../src/json/edits.js'
import { ObjectEdits, removeElements, sortEdits } from '../../src/json/object-edits.js'
import { findEvery, findMember, parseOutline, readElements, WHOLE } from '../../src/json/outline.js'

/** The object after changes to it. */
function change(text: string, make: (edits: ObjectEdits) => void): string {
  const body = Buffer.from(text)
  const object = parseOutline(body, findEvery())
  assert.ok(object !== null)
  const edits = new ObjectEdits(object)
  make(edits)
  return Buffer.concat(applyEdits([body], edits.edits())).toString()
}

test('a member is cut with its comma, wherever it stands, and doubled ones all', () => {
  const cut = (text: string): string => change(text, (edits) => edits.cut('x'))
  assert.is(cut('{"x":1}'), '{}')
  assert.is(cut('{"x":1, "a":2}'), '{"a":2}')
  assert.is(cut('{ "a":2 , "x":1 }'), '{ "a":2 }')
  assert.is(cut('{"a":2,"x":1,"b":3}'), '{"a":2,"b":3}')
  assert.is(cut('{"x":1,"a":2,"x":3,"x":4,"b":5}'), '{"a":2,"b":5}')
  assert.is(cut('{"a":{"x":1}}'), '{"a":{"x":1}}')
})

test('all members but those of one key are cut', () => {
  assert.is(
    change('{"a":1,"x":2,"b":3}', (edits) => edits.cutOthersThan('x')),
    '{"x":2}',
  )
})

test('a renamed member takes the place of any member with the new key', () => {
  const rename = (text: string): string => change(text, (edits) => edits.rename('a', 'b'))
  assert.is(rename('{"a":1,"b":2}'), '{"b":1}')
  assert.is(rename('{"a":1,"c":2,"a":3}'), '{"c":2,"b":3}')
  assert.is(rename('{"c":2}'), '{"c":2}')
  assert.is(
    change('{"a":1}', (edits) => edits.rename('a', 'b', '[2]')),
    '{"b":[2]}',
  )
})

test('members are added after all others, also when all others are cut', () => {
  assert.is(
    change('{}', (edits) => edits.add('k', '1')),
    '{"k":1}',
  )
  assert.is(
    change('{"a":1 }', (edits) => edits.add('k', '"v"')),
    '{"a":1,"k":"v" }',
  )
  const added = change('{"a":1}', (edits) => {
    edits.cut('a')
    edits.add('k', '1')
    edits.add('l', '2')
  })
  assert.is(added, '{"k":1,"l":2}')
})

test('a change within a member that is cut is dropped', () => {
  const body = '{"a":[1],"b":2}'
  const object = parseOutline(Buffer.from(body), findEvery())
  const value = findMember(object, 'a')
  assert.ok(value !== null)
  const changed = change(body, (edits) => {
    edits.replace(value, '[]')
    edits.within([{ start: 6, end: 7, text: '9' }])
    edits.cut('a')
  })
  assert.is(changed, '{"b":2}')
})

test('elements are removed from an array with their commas', () => {
  const remove = (text: string, wanted: readonly number[]): string => {
    const body = Buffer.from(text)
    const elements = parseOutline(body, readElements(WHOLE))?.elements ?? []
    const edits = removeElements(elements, (n) => wanted.includes(n))
    return Buffer.concat(applyEdits([body], edits)).toString()
  }
  assert.is(remove('[1,2,3,4]', [0]), '[2,3,4]')
  assert.is(remove('[1,2,3,4]', [1, 2]), '[1,4]')
  assert.is(remove('[1, 2 , 3]', [2]), '[1, 2]')
  assert.is(remove('[1,2]', [0, 1]), '[]')
  assert.is(remove('[1,2]', []), '[1,2]')
})

test('of edits at the same byte, the one that only inserts comes first', () => {
  const edits = [
    { start: 5, end: 6, text: 'b' },
    { start: 5, end: 5, text: 'a' },
    { start: 1, end: 2, text: 'c' },
  ]
  assert.equal(
    sortEdits(edits).map(({ text }) => text),
    ['c', 'a', 'b'],
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filterObjects, isObject, numberOr, parseJson, readCount, stringOr } from '../../src/json/values.js'

test('arrays and null are no objects', () => {
  assert.ok(isObject({}))
  for (const value of [null, [], 'x', 1, undefined]) assert.not.ok(isObject(value))
})

test('text that is no JSON is parsed as undefined', () => {
  assert.equal(parseJson('{"a":[1]}'), { a: [1] })
  assert.is(parseJson('null'), null)
  for (const text of ['', '{', '{"a":1}x']) assert.is(parseJson(text), undefined)
})

test('of an array only the objects are kept, and any other value has none', () => {
  assert.equal(filterObjects([{ a: 1 }, null, 'x', [], { b: 2 }]), [{ a: 1 }, { b: 2 }])
  assert.equal(filterObjects({ a: 1 }), [])
})

test('a count is a whole number that is not negative', () => {
  assert.is(readCount(0), 0)
  assert.is(readCount(12), 12)
  for (const value of [-1, 1.5, 2 ** 53, Number.NaN, '1', null, undefined]) assert.is(readCount(value), null)
})

test('a value of another type is replaced', () => {
  assert.is(stringOr('', null), '')
  assert.is(stringOr(1, null), null)
  assert.is(numberOr(0, null), 0)
  assert.is(numberOr('0', null), null)
})

test.run()

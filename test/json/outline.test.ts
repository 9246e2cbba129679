import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  equalsText,
  findEvery,
  findMember,
  findOnly,
  parseOutline,
  readElements,
  type Value,
  WHOLE,
} from '../../src/json/outline.js'
import { fc } from '../support/property.js'

const ALL = findEvery({ list: readElements(findEvery()), object: findEvery({ inner: readElements(WHOLE) }) })

/** The JSON value that an outline describes. */
function read(body: Buffer, value: Value): unknown {
  if (value.members !== null) {
    return Object.fromEntries(value.members.map((member) => [member.key, read(body, member.value)]))
  }
  if (value.elements !== null) return value.elements.map((element) => read(body, element))
  return JSON.parse(body.toString('utf8', value.start, value.end))
}

test('each member of any JSON object is found at its place, and of doubled keys the last counts', () => {
  const spaces = fc.constantFrom('', ' ', '\n\t', '\r\n')
  const entry = fc.tuple(fc.oneof(fc.constantFrom('list', 'object', 'a'), fc.string()), fc.jsonValue())
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), spaces, (entries, space) => {
      const members = entries.map(
        ([key, value]) =>
          `${space}${JSON.stringify(key)}${space}:${space}${JSON.stringify(value, null, space)}${space}`,
      )
      const body = Buffer.from(`${space}{${members.join(',') || space}}${space}`)
      const found = parseOutline(body, ALL)
      assert.ok(found !== null)
      const text = body.toString()
      assert.equal(read(body, found), JSON.parse(text), text)
      for (const { key, keyStart, keyEnd } of found.members ?? []) {
        assert.is(JSON.parse(body.toString('utf8', keyStart, keyEnd)), key)
      }
    }),
    { numRuns: 500 },
  )
})

test('a JSON object that is cut anywhere has no outline', () => {
  const body = Buffer.from('{"a":[1,{"b":"c\\"d"}],"list":[{"x":1},"y"],"object":{"inner":[true]}}')
  for (let length = 0; length < body.length; length++) {
    assert.is(parseOutline(body.subarray(0, length), ALL), null, body.toString('utf8', 0, length))
  }
})

test('keys and strings are recognised with any of their letters escaped', () => {
  const body = Buffer.from('{"\\u006b":"t\\u006fol","\\u006bk":"to\\\\ol"}')
  const found = parseOutline(body, findOnly({ k: WHOLE }))
  assert.is(found?.members?.length, 1)
  assert.ok(equalsText(body, findMember(found, 'k'), 'tool'))
  assert.not.ok(equalsText(body, findMember(found, 'k'), 'toool'))
})

test.run()

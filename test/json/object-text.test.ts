import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isObjectInString, isObjectText } from '../../src/json/object-text.js'
import { isObject, parseJson } from '../../src/json/values.js'
import { fc } from '../support/property.js'

const expected = (text: string): boolean => isObject(parseJson(text))

/** A JSON string with this content, with some characters as escapes. */
function quote(text: string, isEscaped: (at: number) => boolean): string {
  const units = [...Array(text.length).keys()].map((at) => text[at] as string)
  const written = units.map((unit, at) =>
    isEscaped(at)
      ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
      : JSON.stringify(unit).slice(1, -1),
  )
  return `"${written.join('')}"`
}

function requireSame(text: string): void {
  assert.is(isObjectText(text), expected(text), text)
  for (const every of [1, 2, 1e9]) {
    const json = quote(text, (at) => at % every === every - 1)
    assert.is(isObjectInString(json), expected(text), json)
  }
}

const NUMBERS = [
  '0',
  '-0',
  '01',
  '1.',
  '.5',
  '1.5',
  '-',
  '+1',
  '1e5',
  '1E+5',
  '1e',
  '1e-',
  '-1.25e-07',
  '0x1',
  '1_0',
]
const VALUES = [
  'true',
  'tru',
  'truee',
  'null',
  'nul',
  'false',
  'NaN',
  '',
  '"a"',
  '"\\u00e9"',
  '"\\u00g9"',
  '"\\x"',
]
const MORE = [
  '"\t"',
  '"\\',
  '"a',
  "'a'",
  '[]',
  '[1,2]',
  '[1,]',
  '[,1]',
  '[',
  '{}',
  '{"a"}',
  '{"a":1,}',
  '[{}]',
  '1 2',
]
const TEXTS = [
  '',
  ' ',
  '{',
  '}',
  '{}',
  ' \n{ }\r\t',
  '{}x',
  '{}{}',
  '[]',
  '"{}"',
  '1',
  'null',
  '{,}',
  '{a:1}',
  '\u00a0{}',
]

test('a text is an object if a parser says so', () => {
  for (const text of TEXTS) requireSame(text)
  for (const value of [...NUMBERS, ...VALUES, ...MORE])
    for (const text of [`{"a":${value}}`, `{"a":[${value}]}`, `{ "a" : ${value} , "b":1}`]) requireSame(text)
})

const ANY_TEXT = fc
  .array(
    fc.constantFrom(...'{}[],:"\\ \n01-.eEu+aftrnlsb/é', 'true', '"a":', '\\u00e9', '\ud83d', '\ud83e\udd8a'),
    {
      maxLength: 24,
    },
  )
  .map((parts) => `{"a":${parts.join('')}`)

test('any text is an object if a parser says so, and so is any part of a valid one', () => {
  fc.assert(
    fc.property(ANY_TEXT, fc.constantFrom('', '}'), (text, end) => requireSame(text + end)),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.json(), fc.nat(60), fc.constantFrom('', ' ', '}', '"'), (json, at, more) => {
      const text = `{"v":${json}}`
      requireSame(text)
      requireSame(text.slice(0, at) + more + text.slice(at + 1))
    }),
    { numRuns: 500 },
  )
})

test('a string that is none has no object', () => {
  for (const json of [
    '',
    '"',
    '{}',
    '"{}',
    '{}"',
    '"{}""',
    '"{"}"',
    '"{}\\"',
    '"{}\n"',
    '"\\q{}"',
    '"{}\\u12"',
  ])
    assert.is(isObjectInString(json), expected(String(parseJson(json) ?? '')) && json !== '{}', json)
})

test('a text that is nested very deep is checked without recursion', () => {
  const depth = 200_000
  assert.ok(isObjectText(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`))
  assert.not(isObjectText(`{"a":${'['.repeat(depth)}${']'.repeat(depth - 1)}}`))
})

test.run()

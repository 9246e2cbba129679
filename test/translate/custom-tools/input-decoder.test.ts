import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputDecoder, unwrapInput, wrapInput } from '../../../src/translate/custom-tools/input-decoder.js'
import { fc } from '../../support/property.js'

/** The text that each of these parts gives, and the rest at the end. */
function through(pieces: readonly string[]): string[] {
  const input = new InputDecoder()
  const out = pieces.map((piece) => input.push(piece))
  return [...out, input.flush()]
}

function* cutsOf(text: string): Generator<string[]> {
  for (let at = 0; at <= text.length; at++) yield [text.slice(0, at), text.slice(at)]
  yield [...Array(text.length).keys()].map((i) => text.charAt(i))
}

const PATCH = '*** Begin Patch\n*** Update File: a.ts\n@@\n-\tx = "\\d"\n+\ty = \'ï🦊\'\n*** End Patch\n'

const CASES: readonly [name: string, args: string, text: string][] = [
  ['a patch', JSON.stringify({ input: PATCH }), PATCH],
  ['nothing', '{"input":""}', ''],
  ['no arguments', '', ''],
  ['white space all over', ' \n{\t"input"\r\n : "a" } \n', 'a'],
  ['each escape sequence', '{"input":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u00E9"}', '"\\/\b\f\n\r\téé'],
  ['surrogate pairs', '{"input":"\\ud83e\\udd8a🦊\\uD83E🦊"}', '🦊🦊\ud83e🦊'],
  ['half of a pair at the end', '{"input":"a\\ud83e"}', 'a\ud83e'],
  ['half of a pair that is cut', '{"input":"a\\ud83e', 'a\ud83e'],
  ['line ends within the string', '{"input":"a\n\tb"}', 'a\n\tb'],
  ['escape sequences that are none', '{"input":"\\d\\u12\\uxyz\\n\\u12"}', '\\d\\u12\\uxyz\n\\u12'],
  ['arguments that are cut', '{"input":"ab', 'ab'],
  ['arguments that are cut in an escape sequence', '{"input":"ab\\u00e', 'ab\\u00e'],
  ['arguments that are cut behind the text', '{"input":"ab"', 'ab'],
  ['arguments that are cut ahead of the text', ' {"inp', ' {"inp'],
  ['another key that is known', '{"patch":"a\\nb"}', 'a\nb'],
  ['any other key of the only string', '{"input_":"a\\nb", "n":1,"o":{"a":["x"]}}', 'a\nb'],
  ['two strings under unknown keys', '{"a":"x","b":"y"}', '{"a":"x","b":"y"}'],
  ['no string', '{"a":1,"b":null}', '{"a":1,"b":null}'],
  ['another type', '{"input":["ab"]}', '{"input":["ab"]}'],
  ['another member ahead', '{"why":"x","input":"ab"}', 'ab'],
  ['an object ahead', '{"o":{"input":"x\\"}"},"input":"ab"}', 'ab'],
  ['another member behind', '{"input":"a\\nb" , "why":"x"}', 'a\nb'],
  ['the same key again', '{"input":"ab","input":"cd"}', 'ab'],
  ['no member behind a comma', '{"input":"ab","cd"}', 'ab","cd"}'],
  ['a quote that is not escaped', '{"input":"say "hi", you"}', 'say "hi", you"}'],
  ['more behind the object', '{"input":"ab"} {}', 'ab"} {}'],
  ['two brackets', '{"input":"ab"}}', 'ab"}}'],
  ['a text', '*** Begin Patch', '*** Begin Patch'],
  ['an empty object', '{}', '{}'],
]

for (const [name, args, text] of CASES) {
  test(`arguments are decoded the same wherever they are cut: ${name}`, () => {
    for (const pieces of cutsOf(args)) assert.is(through(pieces).join(''), text, JSON.stringify(pieces))
  })
}

test('each part of the text is returned at once, but for incomplete characters', () => {
  const pieces = ['{"inp', 'ut":"a', 'b\\', 'nc', '\\u00', 'e9\\ud83e', '\\udd8ad', '"', '} ']
  assert.equal(through(pieces), ['', 'a', 'b', '\nc', '', 'é', '🦊d', '', '', ''])
})

test('the halves of a surrogate pair are returned together', () => {
  for (const pieces of cutsOf('{"input":"x\\ud83e\\udd8ay🦊"}')) {
    for (const part of through(pieces)) assert.not.match(part, /\p{Cs}/u)
  }
})

test('endless white space is not held', () => {
  const input = new InputDecoder()
  const blank = ' '.repeat(100_000)
  for (const piece of ['{"input":"ab"', blank, blank, '}', blank]) input.push(piece)
  assert.ok(input.isComplete)
  assert.ok(JSON.stringify(input).length < 2_000)
})

const part = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"', '\\', '{"input":"', '"}', '\\u', '\\ud83e', '🦊', '\n', ' '),
)
const text = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(), { maxLength: 12 })

function cutAt(args: string, at: readonly number[]): string[] {
  const ends = [...at.map((each) => each % (args.length + 1)), args.length].sort((a, b) => a - b)
  return ends.map((end, i) => args.slice(ends[i - 1] ?? 0, end))
}

/** JSON of a string, some of its letters as escape sequences. */
function escaped(text: string, which: readonly boolean[]): string {
  const letters = text.split('').map((letter, i) => {
    if (which[i % which.length] === true) return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
    return JSON.stringify(letter).slice(1, -1)
  })
  return `"${letters.join('')}"`
}

test('any wrapped text is the same text when it is decoded, however it is written and cut', () => {
  const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 })
  const spaces = fc.tuple(space, space, space, space, space, space)
  const which = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(text, which, spaces, cuts, (given, letters, [a, b, c, d, e, f], at) => {
      const args = `${a}{${b}"input"${c}:${d}${escaped(given, letters)}${e}}${f}`
      assert.is(through(cutAt(args, at)).join(''), given)
      assert.is(unwrapInput(args), given)
      assert.is(wrapInput(args), args)
    }),
    { numRuns: 3_000 },
  )
})

test('any arguments are decoded the same however they are cut', () => {
  fc.assert(
    fc.property(text, fc.boolean(), cuts, (given, begun, at) => {
      const args = begun ? `{"input":"${given}` : given
      assert.is(through(cutAt(args, at)).join(''), through([args]).join(''))
    }),
    { numRuns: 3_000 },
  )
})

test('complete arguments of another form stay as they are, and so do incomplete ones', () => {
  for (const args of ['', '{}', '{"input":"ab', '{"a":"x","b":"y"}', 'x', '{"input":1}'])
    assert.is(unwrapInput(args), args)
})

test('a wrapped text is not wrapped again', () => {
  assert.is(wrapInput('a "b"'), '{"input":"a \\"b\\""}')
  assert.is(wrapInput(wrapInput('a "b"')), wrapInput('a "b"'))
  assert.is(unwrapInput(wrapInput('{"patch":1}')), '{"patch":1}')
})

test.run()

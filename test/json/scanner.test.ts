import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeString,
  ESCAPED_BYTES,
  findLiteralEnd,
  findStringEnd,
  skipDigits,
  skipSpace,
  ValueScanner,
} from '../../src/json/scanner.js'
import { fc } from '../support/property.js'

/** Strings full of characters that a scanner can stumble over, some too long to be compared byte by byte. */
const awkward = fc
  .array(fc.oneof(fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', '\n', 'é', '🦊'), fc.string()), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''))

const nested = fc.letrec((tie) => ({
  any: fc.oneof({ maxDepth: 4 }, awkward, fc.double(), fc.constant(null), tie('list'), tie('object')),
  list: fc.array(tie('any'), { maxLength: 4 }),
  object: fc.dictionary(awkward, tie('any'), { maxKeys: 4 }),
}))

const offsets = fc.array(fc.nat(300), { maxLength: 6 })

/**
 * Steps over a value in chunks, as they would arrive.
 * @returns the index after the value; -1 if no chunk has its end
 */
function scanInChunks(bytes: Buffer, cuts: readonly number[], scan: 'skipString' | 'skipNested'): number {
  const scanner = new ValueScanner()
  const ends = [...cuts.filter((at) => at > 0 && at < bytes.length), bytes.length].sort((a, b) => a - b)
  let from = 0
  for (const end of ends) {
    const chunk = bytes.subarray(from, end)
    const start = from === 0 ? 1 : 0
    const found = chunk.length > start || from > 0 ? scanner[scan](chunk, start) : -1
    if (found !== -1) return from + found
    from = end
  }
  return -1
}

test('the end of a string is found, whatever is in it and wherever it is cut', () => {
  fc.assert(
    fc.property(awkward, offsets, fc.constantFrom('', '"', ',"x":1}'), (text, cuts, rest) => {
      const string = JSON.stringify(text)
      const bytes = Buffer.from(string + rest)
      const length = Buffer.byteLength(string)
      assert.is(findStringEnd(bytes, 1), length)
      assert.is(scanInChunks(bytes, cuts, 'skipString'), length)
      assert.is(scanInChunks(bytes, [...bytes.keys()], 'skipString'), length)
      assert.is(decodeString(bytes, 0, length), text)
      assert.is(findStringEnd(bytes.subarray(0, length - 1), 1), -1)
    }),
    { numRuns: 1_000 },
  )
})

test('the end of an object or array is found, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.oneof(nested.list, nested.object), offsets, awkward, (value, cuts, rest) => {
      const text = JSON.stringify(value)
      const bytes = Buffer.from(text + rest)
      const length = Buffer.byteLength(text)
      assert.is(scanInChunks(bytes, cuts, 'skipNested'), length)
      assert.is(scanInChunks(bytes, [...bytes.keys()], 'skipNested'), length)
      assert.is(scanInChunks(bytes.subarray(0, length - 1), cuts, 'skipNested'), -1)
    }),
    { numRuns: 1_000 },
  )
})

test('an empty chunk between a backslash and what it escapes changes nothing', () => {
  const scanner = new ValueScanner()
  assert.is(scanner.skipString(Buffer.from('"a\\'), 1), -1)
  assert.is(scanner.skipString(Buffer.from(''), 0), -1)
  assert.is(scanner.skipString(Buffer.from('"b"'), 0), 3)
})

test('one scanner steps over several values, one after the other', () => {
  const scanner = new ValueScanner()
  const bytes = Buffer.from('[["a"],[]]{"b":"\\""}"c"')
  assert.is(scanner.skipNested(bytes, 1), 10)
  assert.is(scanner.skipNested(bytes, 11), 20)
  assert.is(scanner.skipString(bytes, 21), 23)
})

test('a literal ends at a comma, a closing bracket or white space', () => {
  for (const after of [',', '}', ']', ' ', '\n', '\r', '\t']) {
    for (const literal of ['true', 'null', '-1.5e+10', '0']) {
      assert.is(findLiteralEnd(Buffer.from(literal + after), 0), literal.length)
    }
  }
  assert.is(findLiteralEnd(Buffer.from('tru'), 0), -1)
  assert.is(findLiteralEnd(Buffer.from(''), 0), -1)
})

test('white space and digits are skipped up to the end of the bytes', () => {
  assert.is(skipSpace(Buffer.from(' \t\r\nx '), 0), 4)
  assert.is(skipSpace(Buffer.from('x  '), 1), 3)
  assert.is(skipDigits(Buffer.from('0129a'), 0), 4)
  assert.is(skipDigits(Buffer.from('/:'), 0), 0)
  assert.is(skipDigits(Buffer.from('12'), 1), 2)
})

test('bytes that are no valid string have no text', () => {
  for (const text of ['"a', 'a', '"\\x"', '"\n"', '1', 'null', '', '"a""b"']) {
    const bytes = Buffer.from(text)
    assert.is(decodeString(bytes, 0, bytes.length), null, text)
  }
})

test('each escape of one letter stands for the byte that a parser gives', () => {
  for (let byte = 0; byte < 256; byte++) {
    let text = ''
    try {
      text = JSON.parse(`"\\${String.fromCharCode(byte)}"`)
    } catch {
      // No escape.
    }
    assert.is(ESCAPED_BYTES[byte], text === '' ? 0 : text.charCodeAt(0), `\\${String.fromCharCode(byte)}`)
  }
})

test.run()

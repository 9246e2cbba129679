import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BlockScanner } from '../../src/json/block-scanner.js'
import { Peeker, peekFields } from '../../src/json/peek.js'
import { findStringEnd, ValueScanner } from '../../src/json/scanner.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

/** Steps over nested values one byte at a time: what each byte means is written out, and nothing is skipped. */
class PlainScanner {
  private depth = 1
  private isInString = false
  private isAfterBackslash = false

  skipNested(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const character = String.fromCharCode(bytes[i] as number)
      if (this.isAfterBackslash) this.isAfterBackslash = false
      else if (this.isInString) {
        if (character === '"') this.isInString = false
        this.isAfterBackslash = character === '\\'
      } else if (character === '"') this.isInString = true
      else if ('{['.includes(character)) this.depth++
      else if ('}]'.includes(character)) {
        this.depth--
        if (this.depth === 0) return i + 1
      }
    }
    return -1
  }
}

/** @param cuts where the bytes are cut into chunks @returns the index after the value; -1 if it does not end */
function findEnd(scanner: Pick<ValueScanner, 'skipNested'>, bytes: Buffer, cuts: readonly number[]): number {
  const ends = [...new Set([...cuts.filter((at) => at < bytes.length), bytes.length])].sort((a, b) => a - b)
  let start = 0
  for (const end of ends) {
    const found = scanner.skipNested(bytes.subarray(start, end), 0)
    if (found !== -1) return start + found
    start = end
  }
  return -1
}

function assertSame(bytes: Buffer, cuts: readonly number[]): void {
  const expected = findEnd(new PlainScanner(), bytes, cuts)
  assert.is(findEnd(new ValueScanner(), bytes, cuts), expected)
  assert.is(findEnd(new ValueScanner(null), bytes, cuts), expected)
}

/** Runs of few bytes: nearly every one of them has a meaning, and most of the texts are no JSON. */
const wild = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        '"',
        '\\',
        '\\"',
        '{',
        '}',
        '[',
        ']',
        'a',
        ' ',
        '\\\\',
        '"x":',
        'é',
        '\u0000',
        '{"',
        '"]',
      ),
      fc.oneof(fc.constant(1), fc.nat(3), fc.nat(70)),
    ),
    { maxLength: 300 },
  )
  .map((runs) => Buffer.from(runs.map(([text, times]) => text.repeat(times)).join('')))

const text = fc
  .array(fc.tuple(fc.constantFrom('\\', '"', '\n', '{[', ']}', 'word', 'é', '🦊'), fc.nat(90)), {
    maxLength: 8,
  })
  .map((runs) => runs.map(([part, times]) => part.repeat(times)).join(''))

const json = fc.letrec((tie) => ({
  any: fc.oneof({ maxDepth: 6 }, text, fc.double(), fc.boolean(), tie('list'), tie('object')),
  list: fc.array(tie('any'), { maxLength: 5 }),
  object: fc.dictionary(text, tie('any'), { maxKeys: 5 }),
}))

const cutsOf = (length: number): fc.Arbitrary<number[]> => fc.array(fc.nat(length), { maxLength: 6 })

test('this machine has blocks, or nothing here is tested', () => {
  assert.is.not(BlockScanner.create(), null)
})

test('a nested value ends where a walk byte by byte says, in bytes of any kind', () => {
  fc.assert(
    fc.property(wild, cutsOf(4_000), fc.nat(200), (bytes, cuts, before) => {
      // At the beginning, so that the value is long before it becomes wild.
      const head = Buffer.from(`[${'"ab",'.repeat(60)}${' '.repeat(before)}`)
      assertSame(Buffer.concat([head, bytes]), cuts)
      assertSame(bytes, cuts)
    }),
    { numRuns: 3_000 },
  )
})

test('a nested value ends where its JSON does, and not before', () => {
  fc.assert(
    fc.property(
      fc.array(json.any, { maxLength: 6 }),
      cutsOf(8_000),
      fc.constantFrom('', '"', '}]}'),
      (list, cuts, rest) => {
        const bytes = Buffer.from(JSON.stringify(list)).subarray(1)
        const both = Buffer.concat([bytes, Buffer.from(rest)])
        assert.is(findEnd(new ValueScanner(), both, cuts), bytes.length)
        assert.is(findEnd(new ValueScanner(), bytes.subarray(0, -1), cuts), -1)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('runs of backslashes of each length are counted right at each place in a block, also where it is cut', () => {
  const head = `"${'a'.repeat(300)}`
  for (let at = 0; at < 66; at++) {
    for (let run = 1; run < 70; run++) {
      const bytes = Buffer.from(`${head}${'b'.repeat(at)}${'\\'.repeat(run)}"]${'c'.repeat(140)}"]]]`)
      assertSame(bytes, [])
      assertSame(bytes, [head.length + at + (run >> 1)])
    }
  }
})

test('a value of many windows ends at each place of its last ones', () => {
  const long = '{"a":"b \\"c\\" \\\\","d":[1,{}]},'.repeat(1_400)
  for (let more = 0; more < 200; more++) {
    const bytes = Buffer.from(`${long}${'1'.repeat(more)}]}`)
    assert.is(findEnd(new ValueScanner(), bytes, []), bytes.length - 1)
    assert.is(findEnd(new ValueScanner(), bytes, [more * 150]), bytes.length - 1)
  }
})

test('a string ends at its first quote that is not escaped, in bytes of any kind', () => {
  fc.assert(
    fc.property(wild, cutsOf(4_000), fc.nat(100), (bytes, cuts, before) => {
      const string = Buffer.concat([Buffer.from(`${'a'.repeat(before)}${'\\"'.repeat(5)}`), bytes])
      const match = /^(?:[^"\\]|\\.)*"/s.exec(string.toString('latin1'))
      const expected = match === null ? -1 : match[0].length
      assert.is(findStringEnd(string, 0), expected)
      const scanner = new ValueScanner()
      assert.is(findEnd({ skipNested: (...chunk) => scanner.skipString(...chunk) }, string, cuts), expected)
    }),
    { numRuns: 3_000 },
  )
})

test('what is nested very deep is counted', () => {
  for (const depth of [1, 63, 64, 65, 1_000, 100_000]) {
    const bytes = Buffer.from('[{'.repeat(depth) + '}]'.repeat(depth))
    assert.is(findEnd(new ValueScanner(), bytes.subarray(1), [depth]), bytes.length - 1)
    assert.is(findEnd(new ValueScanner(), bytes.subarray(1, -1), []), -1)
  }
})

test('scanners that take turns do not mix up their values', () => {
  const texts = ['{"a":"\\\\\\"[[","b":[{}]}', '["]","\\"",[[[]]]]', '[[1,2],{"x":"}"}]']
  const values = texts.map((each) =>
    Buffer.from(`${each.slice(1, -1).concat(',').repeat(400).slice(0, -1)}]`),
  )
  const scanners = values.map(() => new ValueScanner())
  const ends = values.map(() => -1)
  for (let at = 0; at < 10_000; at += 331) {
    values.forEach((bytes, n) => {
      const found = ends[n] === -1 ? scanners[n]?.skipNested(bytes.subarray(at, at + 331), 0) : -1
      if (found !== undefined && found !== -1) ends[n] = at + found
    })
  }
  assert.equal(
    ends,
    values.map((bytes) => findEnd(new PlainScanner(), bytes, [])),
  )
})

test('the fields of a long body are found as by JSON.parse, wherever it is cut', () => {
  const member = fc.oneof(
    fc.tuple(fc.constantFrom('messages', 'input', 'tools', 'x'), json.any),
    fc.tuple(fc.constantFrom('model', 'mod\\u0065l'), fc.constantFrom('a', 'b', 'c')),
    fc.tuple(fc.constant('stream'), fc.boolean()),
  )
  fc.assert(
    fc.property(fc.array(member, { maxLength: 8 }), cutsOf(6_000), (members, cuts) => {
      const body = `{${members.map(([key, value]) => `"${key}":${JSON.stringify(value)}`).join(',')}}`
      const bytes = Buffer.from(body)
      const { model = null, stream = null } = JSON.parse(body) as { model?: string; stream?: boolean }
      const peeker = new Peeker()
      const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b)
      ends.reduce((start, end) => {
        peeker.push(Buffer.from(bytes.subarray(start, end)))
        return end
      }, 0)
      assert.equal(peeker.found, peekFields(bytes))
      assert.is(peeker.found.isWhole, true)
      assert.is(peeker.found.model?.value ?? null, model)
      assert.is(peeker.found.stream?.value ?? null, stream)
    }),
    { numRuns: 500 },
  )
})

test('without WebAssembly, or without its vector instructions, values are stepped over byte by byte', () => {
  const refusing = {
    ...{ Memory: class {}, Instance: class {} },
    Module: class {
      constructor() {
        throw new Error('no SIMD')
      }
    },
  }
  assert.is(BlockScanner.create(null), null)
  assert.is(BlockScanner.create(refusing), null)
})

test('the time for many long values, and for bytes that are no JSON, grows with their length', () => {
  const value = `"a":[${'"ab",'.repeat(60)}1],`
  assertGrowsLinearly(
    'long values, and backslashes outside of strings',
    500,
    (size) => Buffer.from(`{${value.repeat(size)}"b":[${'\\'.repeat(200 * size)}`),
    (body) => assert.is(peekFields(body).isWhole, false),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LineFinder } from '../../src/sse/line-finder.js'
import { fc } from '../support/property.js'
import { cutsOf } from '../translate/chunks.js'

/** The complete lines of a stream that comes in these chunks. */
function readLines(chunks: readonly Buffer[]): string[] {
  const finder = new LineFinder()
  const lines: string[] = []
  let partial = ''
  for (const chunk of chunks) {
    let start = finder.startChunk(chunk)
    for (let end = finder.findLineEnd(chunk, start); end !== -1; end = finder.findLineEnd(chunk, start)) {
      lines.push(partial + chunk.toString('latin1', start, end))
      partial = ''
      start = finder.nextLine
    }
    partial += chunk.toString('latin1', start)
  }
  return lines
}

/** As the specification defines lines, on the whole text. */
function splitLines(text: string): string[] {
  return text.split(/\r\n|\r|\n/).slice(0, -1)
}

const LINES = fc
  .array(fc.constantFrom('a', 'data: b', '\n', '\r', '\r\n', '\r\r\n', '\n\n'), { maxLength: 24 })
  .map((parts) => parts.join(''))

test('CR, LF and CRLF are each one line end, wherever the stream is cut', () => {
  for (const text of [
    'a\nb\n\nc\n',
    'a\r\nb\r\n\r\nc\r\n',
    'a\rb\r\rc\r',
    'a\r\n\rb\n\r\r\n\nc\r',
    '\n',
    '\r',
    '',
  ])
    for (const chunks of cutsOf(Buffer.from(text))) assert.equal(readLines(chunks), splitLines(text))
})

test('an LF after a CR is skipped though chunks without bytes come between them', () => {
  const chunks = ['a\r', '', '', '\nb\r', '', 'c\n'].map((text) => Buffer.from(text))
  assert.equal(readLines(chunks), ['a', 'b', 'c'])
})

test('a CR that ends a chunk ends its line at once, and does not swallow another CR', () => {
  assert.equal(readLines([Buffer.from('a\r')]), ['a'])
  assert.equal(readLines([Buffer.from('a\r'), Buffer.from('\r')]), ['a', ''])
})

test('any mix of line ends in any chunks gives the lines of the whole text', () => {
  fc.assert(
    fc.property(LINES, fc.array(fc.nat(60), { maxLength: 8 }), (text, places) => {
      const bytes = Buffer.from(text)
      const cuts = [...new Set([0, ...places.map((place) => Math.min(place, bytes.length)), bytes.length])]
      cuts.sort((a, b) => a - b)
      const chunks = cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut))
      assert.equal(readLines(chunks), splitLines(text))
    }),
    { numRuns: 2_000 },
  )
})

test('whether a chunk has a CR is known from any place on, and does not change which lines are found', () => {
  fc.assert(
    fc.property(LINES, fc.nat(60), (text, place) => {
      const bytes = Buffer.from(text)
      const from = Math.min(place, bytes.length)
      const finder = new LineFinder()
      finder.startChunk(bytes)
      assert.is(finder.hasCarriageReturn(bytes, from), text.includes('\r', from))
      const rest = text.slice(from)
      const lines: string[] = []
      let start = from
      for (let end = finder.findLineEnd(bytes, start); end !== -1; end = finder.findLineEnd(bytes, start)) {
        lines.push(bytes.toString('latin1', start, end))
        start = finder.nextLine
      }
      assert.equal(lines, splitLines(rest))
    }),
    { numRuns: 2_000 },
  )
})

test.run()

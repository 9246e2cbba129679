import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EventSplitter } from '../../src/sse/event-splitter.js'
import { fc } from '../support/property.js'
import { cutsOf } from '../translate/chunks.js'

/** The whole events of a stream, and what is left behind the last of them. */
function split(chunks: readonly Buffer[]): string[] {
  const splitter = new EventSplitter()
  const events: string[] = []
  let partial = ''
  for (const chunk of chunks) {
    const from = splitter.startChunk(chunk)
    let start = 0
    if (from === 1 && partial === '' && events.length > 0) {
      // The CR of this LF ended the last event.
      events.push(`${events.pop()}\n`)
      start = 1
    }
    for (let end = splitter.findEventEnd(chunk, Math.max(from, start)); end !== -1; ) {
      events.push(partial + chunk.toString('latin1', start, end))
      partial = ''
      start = end
      end = splitter.findEventEnd(chunk, start)
    }
    partial += chunk.toString('latin1', start)
  }
  return [...events, partial]
}

const STREAMS: readonly (readonly [name: string, parts: readonly string[]])[] = [
  ['one line each', ['data: 1\n\n', 'data: 2\n\n', '']],
  ['several lines', ['event: a\ndata: 1\n: c\n\n', 'data: 2\n\n', '']],
  ['blank lines without an event', ['\n', '\n', 'data: 1\n\n', '\n', 'data: 2\n\n', '']],
  ['an event that is not complete', ['data: 1\n\n', 'data: 2\n']],
  ['a line that is not complete', ['data: 1\n\n', 'data: 2']],
  ['nothing', ['']],
]

for (const [name, parts] of STREAMS) {
  test(`events end behind their blank line, wherever the stream is cut: ${name}`, () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const wanted = parts.map((part) => part.replaceAll('\n', end))
      for (const chunks of cutsOf(Buffer.from(wanted.join('')))) assert.equal(split(chunks), wanted)
    }
  })
}

test('an event is complete with the CR of its blank line, though an LF may follow', () => {
  assert.equal(split([Buffer.from('data: 1\r\n\r')]), ['data: 1\r\n\r', ''])
})

test('any bytes are split the same way in whatever chunks they come', () => {
  const part = fc.constantFrom('data: 1', ':', 'x', '\n', '\r', '\r\n', '\n\n')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const bytes = Buffer.from(parts.join(''))
      const whole = split([bytes])
      assert.is(whole.join(''), bytes.toString())
      for (const chunks of cutsOf(bytes)) assert.equal(split(chunks), whole)
    }),
  )
})

test.run()

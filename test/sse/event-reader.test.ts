import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EventReader } from '../../src/sse/event-reader.js'
import { fc } from '../support/property.js'
import { cutsOf } from '../translate/chunks.js'

/** What the reader gives out for these chunks, in order: `[name, data]` of events, and comments as text. */
function read(chunks: readonly Buffer[]): unknown[] {
  const seen: unknown[] = []
  const reader = new EventReader({
    takeEvent: (name, data) => seen.push([name, data]),
    takeComment: (text) => seen.push(text),
  })
  // Bytes that were read must not be needed once the chunk is gone.
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    reader.push(copy)
    copy.fill(0)
  }
  reader.end()
  return seen
}

const STREAMS: readonly [name: string, text: string, read: unknown[]][] = [
  [
    'names and data',
    'event: a\ndata: 1\n\ndata: 2\n\n',
    [
      ['a', '1'],
      ['', '2'],
    ],
  ],
  [
    'no space or two spaces before a value',
    'data:1\n\ndata:  2\n\n',
    [
      ['', '1'],
      ['', ' 2'],
    ],
  ],
  ['several lines of data', 'data: {\ndata: }\ndata\n\n', [['', '{\n}\n']]],
  [
    'a name without data',
    'event: ping\n\ndata: 1\n\n',
    [
      ['ping', ''],
      ['', '1'],
    ],
  ],
  ['fields that are ignored', 'id: 1\nretry: 5\n\ndataset: 1\neventual: 2\n\nx\n\ndata: 1\n\n', [['', '1']]],
  [
    'comments, also within an event',
    ': a\n\ndata: 1\n:\n: b\ndata: 2\n\n',
    [': a', ':', ': b', ['', '1\n2']],
  ],
  [
    'many blank lines',
    '\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n',
    [
      ['', '1'],
      ['', '2'],
    ],
  ],
  ['a byte order mark', '\ufeffdata: 1\n\n\ufeffdata: 2\n\n', [['', '1']]],
  ['characters of many bytes', 'data: naïve 🦊 함수\n\n', [['', 'naïve 🦊 함수']]],
  [
    'no blank line at the end',
    'data: 1\n\nevent: b\ndata: 2\n',
    [
      ['', '1'],
      ['b', '2'],
    ],
  ],
  [
    'no line end at the end',
    'data: 1\n\nevent: b\ndata: 2',
    [
      ['', '1'],
      ['b', '2'],
    ],
  ],
  ['nothing', '', []],
]

for (const [name, text, wanted] of STREAMS) {
  test(`events are read wherever the stream is cut and whatever ends its lines: ${name}`, () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const bytes = Buffer.from(text.replaceAll('\n', end))
      for (const chunks of cutsOf(bytes)) assert.equal(read(chunks), wanted)
    }
  })
}

test('CR, LF and CRLF in one stream are each one line end', () => {
  const bytes = Buffer.from('event: a\r\ndata: 1\r\n\r\ndata: 2\n\r\n\rdata: 3\rdata: 4\n\ndata: 5\r\r')
  for (const chunks of cutsOf(bytes))
    assert.equal(read(chunks), [
      ['a', '1'],
      ['', '2'],
      ['', '3\n4'],
      ['', '5'],
    ])
})

test('an event is given out with the last byte of its blank line, though an LF may come yet', () => {
  const seen: string[] = []
  const reader = new EventReader({
    takeEvent: (_, data) => seen.push(data),
    takeComment: () => {},
  })
  reader.push(Buffer.from('data: 1\r\n\r'))
  assert.equal(seen, ['1'])
  reader.push(Buffer.from('\ndata: 2\r\n\r\n'))
  assert.equal(seen, ['1', '2'])
})

test('the bytes held of an event are counted until the event is complete', () => {
  const reader = new EventReader({ takeEvent: () => {}, takeComment: () => {} })
  const counts = ['data: 12', '34', '\n', 'event: a\n:', ' a comment\n', 'x\n', '\n', '', 'data'].map(
    (chunk) => {
      reader.push(Buffer.from(chunk))
      return reader.bytesHeld
    },
  )
  assert.equal(counts, [8, 10, 10, 19, 18, 19, 0, 0, 4])
})

test('a line of a megabyte that comes byte by byte costs no more for each byte than a short one', () => {
  const seen: string[] = []
  const reader = new EventReader({
    takeEvent: (_, data) => seen.push(data),
    takeComment: () => {},
  })
  const byte = Buffer.from('x')
  reader.push(Buffer.from('data:'))
  // If the bytes that came before were read again for each one, the runner's limit would end this.
  for (let i = 0; i < 1_000_000; i++) reader.push(byte)
  reader.end()
  assert.is(seen[0]?.length, 1_000_000)
})

test('any bytes are read the same in whatever chunks they come', () => {
  const part = fc.constantFrom(
    'data: 1',
    'data:',
    'event: a',
    ': c',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\ufeff',
    'ï',
    'x',
  )
  fc.assert(
    fc.property(fc.array(part), fc.array(fc.nat({ max: 60 })), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const at = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
        (a, b) => a - b,
      )
      const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
      assert.equal(read(chunks), read([bytes]))
    }),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findOnlyData, readData } from '../../src/sse/event-data.js'
import { EventReader } from '../../src/sse/event-reader.js'
import { fc } from '../support/property.js'

function onlyData(event: string): string | null {
  const bytes = Buffer.from(event)
  const span = findOnlyData(bytes)
  return span === null ? null : bytes.toString('utf8', span.start, span.end)
}

const EVENTS: readonly (readonly [name: string, event: string, only: string | null, all: string | null])[] = [
  ['one line', 'data: 1\n\n', '1', '1'],
  ['no space', 'data:1\n\n', '1', '1'],
  ['two spaces', 'data:  1\n\n', ' 1', ' 1'],
  ['an empty value', 'data:\n\n', '', ''],
  ['a space for a value', 'data: \n\n', '', ''],
  ['no colon', 'data\n\n', '', ''],
  ['other lines around it', ': c\nevent: a\ndata: 1\nid: 2\n\n', '1', '1'],
  ['several lines', 'data: {\ndata: }\n\n', null, '{\n}'],
  ['several lines, one of them without a colon', 'data: 1\ndata\n\n', null, '1\n'],
  ['no data', 'event: a\n\n', null, null],
  ['names that only begin with data', 'dataset: 1\ndatas\n\n', null, null],
  ['data within another line', ': data: 1\nevent: data:\n\n', null, null],
  ['a byte order mark before the first line', '\ufeffdata: 1\n\n', '1', '1'],
  ['a byte order mark before another line', ': c\n\ufeffdata: 1\n\n', null, null],
  ['an event without its blank line', 'data: 1\n', '1', '1'],
  ['an event without the end of its line', 'data: naïve', 'naïve', 'naïve'],
  ['nothing', '', null, null],
]

for (const [name, event, only, all] of EVENTS) {
  test(`the data of a whole event is found: ${name}`, () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = event.replaceAll('\n', end)
      assert.is(onlyData(text), only)
      assert.is(readData(Buffer.from(text)), all)
    }
  })
}

test('a whole event has the data that the reader of streams gives out for it', () => {
  const line = fc.constantFrom(
    'data: 1',
    'data:',
    'data',
    'data: {"a": 1}',
    'event: data',
    ': data: 1',
    'datas: 1',
  )
  const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), lineEnd, (lines, end) => {
      const bytes = Buffer.from([...lines, '', ''].join(end))
      const read: string[] = []
      const reader = new EventReader({ takeEvent: (_, data) => read.push(data), takeComment: () => {} })
      reader.push(bytes)
      // The reader gives out '' for an event that has a name and no data.
      assert.is(readData(bytes) ?? '', read[0] ?? '')
    }),
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FirstDataFinder } from '../../src/sse/first-data-finder.js'

/** How many bytes of a stream must come, one by one, until its first data line is found; -1 if it is not. */
function bytesUntilFound(stream: string): number {
  const finder = new FirstDataFinder()
  const bytes = Buffer.from(stream)
  for (let i = 0; i < bytes.length; i++) if (finder.push(bytes.subarray(i, i + 1))) return i + 1
  return -1
}

function isFoundAtOnce(stream: string): boolean {
  return new FirstDataFinder().push(Buffer.from(stream))
}

const FOUND = [
  'data:',
  ': alive\n\n\n: alive\ndata:',
  'event: a\nid: 1\ndata:',
  '\ufeffdata:',
  'dat\ndata:',
  '\ndata:',
]
const NOT_FOUND = [
  '',
  ': alive\n\n',
  ': data: 1\n\n',
  'event: data:\n\n',
  'event: a\n',
  'dat\na:\n',
  'metadata: 1\n',
  'dataset: 1\n',
]

test('a data line is found with its colon, before the line or the event is complete', () => {
  for (const end of ['\n', '\r\n', '\r'])
    for (const text of FOUND) {
      const stream = text.replaceAll('\n', end)
      assert.is(
        bytesUntilFound(`${stream} {}${end}${end}`),
        Buffer.byteLength(stream),
        JSON.stringify(stream),
      )
      assert.is(isFoundAtOnce(stream), true, JSON.stringify(stream))
    }
})

test('comments, blank lines and other fields are no data, also with the word in them', () => {
  for (const end of ['\n', '\r\n', '\r'])
    for (const text of NOT_FOUND) {
      const stream = text.replaceAll('\n', end)
      assert.is(bytesUntilFound(stream), -1, JSON.stringify(stream))
      assert.is(isFoundAtOnce(stream), false, JSON.stringify(stream))
    }
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AwsStreamMeter } from '../../src/metering/aws-stream-meter.js'
import { AwsUnwrapper } from '../../src/translate/response/unwrap-aws.js'
import { writeAwsMessage, writeChunkEvent } from '../support/aws-events.js'
import { assertGrowsLinearly } from '../support/growth.js'

const DELTA = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x' } }

function repeat(message: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => message))
}

/** Bytes of a stream by its size, shaped as an upstream that means harm may shape it. */
const SHAPES: readonly [string, (size: number) => Buffer][] = [
  ['many small events', (size) => repeat(writeChunkEvent(DELTA), size)],
  ['many empty messages', (size) => repeat(writeAwsMessage({}), size)],
  [
    'one long message',
    (size) => writeAwsMessage({ ':message-type': 'event', ':event-type': 'chunk' }, 'x'.repeat(size * 40)),
  ],
  [
    'one message with many headers',
    (size) => writeAwsMessage(Object.fromEntries(Array.from({ length: size / 2 }, (_, i) => [`h${i}`, 'v']))),
  ],
]

for (const [shape, make] of SHAPES) {
  for (const pieces of [1, 64 * 1024]) {
    test(`${shape}, in pieces of ${pieces}, take time that grows with their size alone`, () => {
      const readers = [() => new AwsStreamMeter(), () => new AwsUnwrapper()]
      for (const create of readers) {
        assertGrowsLinearly(shape, 2_000, make, (stream) => {
          const reader = create()
          for (let at = 0; at < stream.length; at += pieces) reader.push(stream.subarray(at, at + pieces))
          reader.end()
        })
      }
    })
  }
}

test('a meter holds one message at most, and of a long one nothing', () => {
  const meter = new AwsStreamMeter()
  const long = writeAwsMessage({}, 'x'.repeat(3 * 1024 * 1024))
  const before = process.memoryUsage().arrayBuffers
  for (let round = 0; round < 20; round++) meter.push(long)
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024)
  assert.is(meter.readStats().unparsed, 20)
})

test.run()

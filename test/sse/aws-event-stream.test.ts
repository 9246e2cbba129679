import { crc32 } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AwsEventReader } from '../../src/sse/aws-event-stream.js'
import { writeAwsMessage } from '../support/aws-events.js'

/** What a reader says of chunks: the messages in their order, `unreadable` where it could not read one. */
function read(chunks: readonly Buffer[], longest = 1024): { told: string[]; isMidMessage: boolean } {
  const told: string[] = []
  const reader = new AwsEventReader(
    {
      onMessage: ({ headers, payload }) => told.push(`${[...headers].flat().join(',')} ${payload}`),
      onUnreadable: () => told.push('unreadable'),
    },
    longest,
  )
  for (const chunk of chunks) reader.push(chunk)
  return { told, isMidMessage: reader.isMidMessage }
}

/** Encoded by another implementation, and read by botocore: a message with a header of each type. */
const ALL_TYPES = Buffer.from(
  'AAAAnQAAAHQb3IntAWEAAWIC/wFjAwACAWQEAAAAAwFlBQAAAAAAAAAEAWYGAAN4eXoBZwgAAAAAAAAABQFoCQAAAAAAAAAAAAAAAAAAAAANOm1lc3NhZ2UtdHlwZQcABWV2ZW50CzpldmVudC10eXBlBwALbWVzc2FnZVN0b3B7InN0b3BSZWFzb24iOiJlbmRfdHVybiJ9fZhlbQ==',
  'base64',
)

test('headers of every type are stepped over, and those that are text are kept', () => {
  assert.equal(read([ALL_TYPES]).told, [
    ':message-type,event,:event-type,messageStop {"stopReason":"end_turn"}',
  ])
})

const STREAM = Buffer.concat([
  writeAwsMessage({ a: '1' }, 'one'),
  writeAwsMessage({}),
  ALL_TYPES,
  writeAwsMessage({ name: 'Grüße' }, '漢字'),
])
const TOLD = [
  'a,1 one',
  ' ',
  ':message-type,event,:event-type,messageStop {"stopReason":"end_turn"}',
  'name,Grüße 漢字',
]

test('a stream says the same wherever it is cut in two, and byte by byte', () => {
  assert.equal(read([STREAM]), { told: TOLD, isMidMessage: false })
  for (let at = 1; at < STREAM.length; at++)
    assert.equal(read([STREAM.subarray(0, at), STREAM.subarray(at)]), { told: TOLD, isMidMessage: false })
  const bytes = Array.from(STREAM, (_, i) => STREAM.subarray(i, i + 1))
  assert.equal(read(bytes), { told: TOLD, isMidMessage: false })
})

test('of a stream that was cut, what came whole was read, and it is known whether a message had begun', () => {
  const ends = [0]
  for (const message of [writeAwsMessage({ a: '1' }, 'one'), writeAwsMessage({}), ALL_TYPES])
    ends.push((ends.at(-1) as number) + message.length)
  for (let at = 0; at < STREAM.length; at++) {
    const { told, isMidMessage } = read([STREAM.subarray(0, at)])
    const whole = ends.filter((end) => end <= at).length - 1
    assert.equal(told, TOLD.slice(0, whole))
    assert.is(isMidMessage, !ends.includes(at), `cut at ${at}`)
  }
})

/** A copy with one byte changed. */
function damage(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 0x01
  return copy
}

test('a message with any byte changed is not read, and the next one only if the framing is intact', () => {
  const first = writeAwsMessage({ a: '1' }, 'one')
  const next = writeAwsMessage({ b: '2' }, 'two')
  for (let at = 0; at < first.length; at++) {
    const bytes = Buffer.concat([damage(first, at), next])
    const expected = at < 12 ? ['unreadable'] : ['unreadable', 'b,2 two']
    assert.equal(read([bytes]).told, expected, `byte ${at}`)
    const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
    assert.equal(read(pieces).told, expected, `byte ${at}, byte by byte`)
  }
})

test('a message that is too long is stepped over without being kept', () => {
  const stream = Buffer.concat([
    writeAwsMessage({ a: '1' }, 'x'.repeat(1010)),
    writeAwsMessage({ b: '2' }, 'two'),
  ])
  assert.equal(read([stream]).told, ['unreadable', 'b,2 two'])
  for (let at = 1; at < stream.length; at += 7)
    assert.equal(read([stream.subarray(0, at), stream.subarray(at)]).told, ['unreadable', 'b,2 two'])
})

test('headers that claim more than there is make the message unreadable', () => {
  // A name, a length of a text, and a type that does not exist. The checksums are right.
  for (const headers of ['01', '0161', '016107', '01610700', '0161070005', '016100ff', '01610a']) {
    const payload = Buffer.from(headers, 'hex')
    assert.equal(read([frame(payload, payload.length)]).told, ['unreadable'], headers)
  }
})

test('lengths that cannot be right end the reading', () => {
  for (const [total, head] of [
    [15, 0],
    [0, 0],
    [16, 1],
    [0xffffffff, 0],
    [20, 0xffffffff],
  ] as const)
    assert.equal(read([Buffer.concat([prelude(total, head), ALL_TYPES])]).told, ['unreadable'])
})

test.run()

function prelude(total: number, head: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(total, 0)
  bytes.writeUInt32BE(head, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  return bytes
}

/** A message with right checksums and these bytes behind its prelude. */
function frame(bytes: Buffer, head: number): Buffer {
  const body = Buffer.concat([prelude(16 + bytes.length, head), bytes])
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([body, checksum])
}

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ChunkWalker } from '../../src/relay/chunk-walker.js'
import { fc } from '../support/property.js'
import { chunk, LAST_CHUNK } from '../support/upstream.js'

interface Walked {
  /** The bytes that the walker accepted. */
  passed: Buffer
  data: Buffer
  /** The bytes from where the walker stopped. */
  rest: Buffer
  end: ChunkWalker['end']
}

/** Walks pieces as the relay does: a partial size line at the end of a piece is put before the next one. */
function walkAll(pieces: readonly Buffer[]): Walked {
  const walker = new ChunkWalker()
  const passed: Buffer[] = []
  const data: Buffer[] = []
  let carried = Buffer.alloc(0)
  for (const [i, piece] of pieces.entries()) {
    const bytes = Buffer.concat([carried, piece])
    const length = walker.walk(bytes)
    passed.push(bytes.subarray(0, length))
    let dataBytes = 0
    for (let at = 0; at < walker.data.length; at += 2) {
      data.push(bytes.subarray(walker.data[at], walker.data[at + 1]))
      dataBytes += (walker.data[at + 1] as number) - (walker.data[at] as number)
    }
    assert.is(walker.dataBytes, dataBytes)
    assert.is(walker.end === 'whole', length === bytes.length)
    carried = bytes.subarray(length)
    if (walker.end === 'other' || walker.end === 'broken') {
      return {
        passed: Buffer.concat(passed),
        data: Buffer.concat(data),
        rest: Buffer.concat([carried, ...pieces.slice(i + 1)]),
        end: walker.end,
      }
    }
  }
  return { passed: Buffer.concat(passed), data: Buffer.concat(data), rest: carried, end: walker.end }
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

const cuts = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 12 })

test('the walker accepts all chunks and finds their data, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 6 }),
      cuts,
      (parts, cut) => {
        const body = Buffer.concat(parts.map((part) => chunk(Buffer.from(part))))
        const end = Buffer.from(LAST_CHUNK)
        const walked = walkAll(cutAt(Buffer.concat([body, end]), cut))
        assert.ok(walked.passed.equals(body))
        assert.ok(walked.data.equals(Buffer.concat(parts)))
        assert.ok(walked.rest.equals(end))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('the walker finds the same data at every cut of a body and byte by byte', () => {
  const body = Buffer.from('5\r\nhello\r\n00A\r\n0123456789\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n')
  const bytes = cutAt(
    body,
    Array.from(body, (_, i) => i),
  )
  for (const pieces of [bytes, ...Array.from(body, (_, i) => cutAt(body, [i]))]) {
    const walked = walkAll(pieces)
    assert.is(walked.data.toString(), 'hello0123456789abcdefghijklmnopqrstuvwxyz')
    assert.is(walked.rest.toString(), '0\r\n\r\n')
    assert.is(walked.end, 'other')
  }
})

test('the walker stops in front of an odd size line', () => {
  const lines = [
    '5;name=value\r\n',
    '5 \r\n',
    '\r\n',
    'x\r\n',
    '-1\r\n',
    '5\n',
    '0000000\r\n',
    '12345678\r\n',
    '5\rx',
  ]
  for (const line of lines) {
    const body = Buffer.from(`3\r\nabc\r\n${line}hello`)
    const walked = walkAll([body])
    assert.is(walked.end, 'other', line)
    assert.is(walked.passed.toString(), '3\r\nabc\r\n', line)
    // The result must not depend on the cut.
    for (let i = 0; i < body.length; i++) assert.is(walkAll(cutAt(body, [i])).end, 'other', `${line} at ${i}`)
  }
})

test('chunk data without a line end behind it is broken, however it is cut', () => {
  for (const end of ['xx', '\n\n', '\rx', '3\r\n']) {
    const body = Buffer.from(`3\r\nabc${end}`)
    for (let i = 0; i < body.length; i++) {
      const walked = walkAll(cutAt(body, [i]))
      assert.is(walked.end, 'broken', `${JSON.stringify(end)} at ${i}`)
      assert.is(walked.data.toString(), 'abc')
    }
  }
})

test('a size line may be partial up to the length of a plain one', () => {
  for (const begun of ['1', '1a', '1\r', '1234567', '1234567\r', '0', '0\r']) {
    assert.is(walkAll([Buffer.from(`1\r\nx\r\n${begun}`)]).end, 'partial', begun)
  }
  assert.is(walkAll([Buffer.from('12345678')]).end, 'other')
})

test.run()

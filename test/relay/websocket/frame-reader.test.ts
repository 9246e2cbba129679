import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FrameReader } from '../../../src/relay/websocket/frame-reader.js'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import { fc } from '../../support/property.js'

interface Read {
  readonly opcode: number
  readonly isFinal: boolean
  readonly payload: string
}

/** Reads pieces as they come. @returns the frames, and whether the reader has given up */
function readAll(pieces: readonly Buffer[], expectsMask: boolean): { frames: Read[]; isBroken: boolean } {
  const frames: Read[] = []
  let parts: Buffer[] = []
  const reader = new FrameReader(expectsMask, {
    onFrame: () => {
      parts = []
    },
    onPayload: (part, at) => parts.push(Buffer.from(reader.decode(part, at))),
  })
  for (const piece of pieces) {
    for (let at = 0; at < piece.length && !reader.isBroken; ) {
      at = reader.read(piece, at)
      if (!reader.isBetweenFrames) continue
      const payload = Buffer.concat(parts).toString('latin1')
      frames.push({ opcode: reader.opcode, isFinal: reader.isFinal, payload })
    }
  }
  return { frames, isBroken: reader.isBroken }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
}

/** A message in fragments, with control frames between them. */
const message = fc.record({
  opcode: fc.constantFrom(1, 2),
  fragments: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
  controls: fc.array(fc.tuple(fc.constantFrom(9, 10), fc.uint8Array({ maxLength: 125 })), { maxLength: 3 }),
})

test('any frames are read alike, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 })),
      fc.array(fc.nat(100_000), { maxLength: 30 }),
      (messages, mask, places) => {
        const expected: Read[] = []
        const wire: Buffer[] = []
        const add = (opcode: number, bytes: Uint8Array, isFinal: boolean): void => {
          const frame = encodeFrame(opcode, Buffer.from(bytes), mask === null ? null : Buffer.from(mask))
          if (!isFinal) frame[0] = opcode
          wire.push(frame)
          expected.push({ opcode, isFinal, payload: Buffer.from(bytes).toString('latin1') })
        }
        for (const { opcode, fragments, controls } of messages) {
          fragments.forEach((fragment, i) => {
            add(i === 0 ? opcode : 0, fragment, i === fragments.length - 1)
            const control = controls[i]
            if (control !== undefined) add(control[0], control[1], true)
          })
        }
        const read = readAll(cut(Buffer.concat(wire), places), mask !== null)
        assert.equal(read, { frames: expected, isBroken: false })
      },
    ),
  )
})

for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
  test(`a payload of ${length} bytes is read whole, byte by byte too`, () => {
    const payload = Buffer.alloc(length, 'ab')
    for (const mask of [null, Buffer.from([1, 2, 3, 4])]) {
      const frame = encodeFrame(1, payload, mask)
      const expected = [{ opcode: 1, isFinal: true, payload: payload.toString() }]
      assert.equal(readAll([frame], mask !== null).frames, expected)
      const single = Array.from(frame, (byte) => Buffer.from([byte]))
      assert.equal(readAll(single, mask !== null).frames, expected)
    }
  })

const INVALID: readonly (readonly [what: string, bytes: number[], expectsMask: boolean])[] = [
  ['a reserved bit', [0xc1, 0x00], false],
  ['a reserved opcode', [0x83, 0x00], false],
  ['a reserved control opcode', [0x8b, 0x00], false],
  ['a control frame in fragments', [0x09, 0x00], false],
  ['a long control frame', [0x89, 126, 0, 126], false],
  ['a continuation of nothing', [0x80, 0x00], false],
  ['a message within a message', [0x01, 0x00, 0x81, 0x00], false],
  ['a masked frame of a server', [0x81, 0x80, 1, 2, 3, 4], false],
  ['an unmasked frame of a client', [0x81, 0x00], true],
  ['a length beyond what can be counted', [0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], false],
]

for (const [what, bytes, expectsMask] of INVALID)
  test(`${what} is not read, and nothing behind it`, () => {
    const wire = Buffer.from([...bytes, 0x81, 0x00])
    assert.is(readAll([wire], expectsMask).isBroken, true)
    assert.is(
      readAll(
        Array.from(wire, (byte) => Buffer.from([byte])),
        expectsMask,
      ).isBroken,
      true,
    )
  })

test.run()

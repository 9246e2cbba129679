import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import { type LongMessage, MessageReader } from '../../../src/relay/websocket/message-reader.js'
import { fc } from '../../support/property.js'

/** Reads pieces as they come. @returns what was reported, in its order */
function read(pieces: readonly Buffer[]): string[] {
  const told: string[] = []
  const handler = {
    onMessage: (payload: Buffer, bytes: number) => told.push(`${payload} ${bytes}`),
    onLongMessage: ({ beginning, facts }: LongMessage, bytes: number) =>
      told.push(`long ${beginning.toString().slice(0, 8)} ${JSON.stringify(facts)} ${bytes}`),
    onUnreadable: () => told.push('unreadable'),
  }
  const reader = new MessageReader(handler, () => told.push('close'))
  for (const piece of pieces) {
    // The bytes of a socket's buffer may change once it has been read.
    const own = Buffer.from(piece)
    reader.push(own)
    own.fill(0)
  }
  return told
}

function fragment(opcode: number, text: string): Buffer {
  const frame = encodeFrame(opcode, Buffer.from(text), null)
  frame[0] = (frame[0] as number) & 0x7f
  return frame
}

const WIRE = Buffer.concat([
  encodeFrame(1, Buffer.from('one'), null),
  fragment(1, 'tw'),
  encodeFrame(9, Buffer.from('ping'), null),
  fragment(0, ''),
  encodeFrame(0, Buffer.from('o\u00fc'), null),
  encodeFrame(2, Buffer.from('binary'), null),
  encodeFrame(1, Buffer.alloc(0), null),
  encodeFrame(1, Buffer.alloc(300, 'x'), null),
  encodeFrame(8, Buffer.from([3, 232]), null),
])

const TOLD = ['one 5', 'two\u00fc 11', ' 2', `${'x'.repeat(300)} 304`, 'close']

test('the messages of an upstream are the same, wherever the bytes are cut', () => {
  assert.equal(read([WIRE]), TOLD)
  assert.equal(read(Array.from(WIRE, (byte) => Buffer.from([byte]))), TOLD)
  fc.assert(
    fc.property(fc.array(fc.nat(WIRE.length), { maxLength: 20 }), (places) => {
      const at = [0, ...places.sort((a, b) => a - b), WIRE.length]
      assert.equal(read(at.slice(1).map((end, i) => WIRE.subarray(at[i], end))), TOLD)
    }),
  )
})

test('of a message that is too long, its beginning and its facts are kept, and the next one is read', () => {
  const long = encodeFrame(
    1,
    Buffer.from(`{"type":"a","text":"${' '.repeat(9_000_000)}","usage":{"input_tokens":1}}`),
    null,
  )
  const wire = Buffer.concat([long, encodeFrame(1, Buffer.from('next'), null)])
  const told = [`long {"type": {"type":"a","usage":{"input_tokens":1}} ${long.length}`, 'next 6']
  assert.equal(read([wire]), told)
  const pieces: Buffer[] = []
  for (let at = 0; at < wire.length; at += 65_536) pieces.push(wire.subarray(at, at + 65_536))
  assert.equal(read(pieces), told)
})

test('bytes that are no frames are reported once, behind the messages before them', () => {
  assert.equal(read([Buffer.concat([WIRE.subarray(0, 5), Buffer.from([0xc1, 0x00])]), Buffer.from('more')]), [
    'one 5',
    'unreadable',
  ])
})

test.run()

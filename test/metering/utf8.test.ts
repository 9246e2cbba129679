import { isUtf8 } from 'node:buffer'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NOT_UTF8, nextUtf8State, UTF8_START } from '../../src/metering/utf8.js'

/** As its callers do, it asks for ASCII only within a character. */
function accepts(bytes: Uint8Array): boolean {
  let state = UTF8_START
  for (const byte of bytes) {
    if ((byte | state) < 0x80) continue
    state = nextUtf8State(state, byte)
    if (state === NOT_UTF8) return false
  }
  return state === UTF8_START
}

/** The bytes at which the rules change, and one on each side of them. */
const EDGES = [
  ...[0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec],
  ...[0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff],
]

test('one and two bytes are what Node says of them', () => {
  for (let first = 0; first < 256; first++) {
    assert.is(accepts(Uint8Array.of(first)), isUtf8(Uint8Array.of(first)), `${first}`)
    for (let second = 0; second < 256; second++) {
      const bytes = Uint8Array.of(first, second)
      if (accepts(bytes) !== isUtf8(bytes)) assert.unreachable(`${first} ${second}`)
    }
  }
})

test('three to five bytes at the edges of the rules are what Node says of them', () => {
  const grow = (sequences: readonly number[][]): number[][] =>
    sequences.flatMap((sequence) => EDGES.map((edge) => [...sequence, edge]))
  const firsts = EDGES.filter((edge) => edge >= 0x80).map((edge) => [edge])
  const three = grow(grow(firsts))
  for (const sequence of [...three, ...grow(three)]) {
    for (const bytes of [Uint8Array.from(sequence), Uint8Array.from([...sequence, 0x61])])
      if (accepts(bytes) !== isUtf8(bytes)) assert.unreachable(sequence.join(' '))
  }
})

test('each character is accepted', () => {
  for (let code = 0x80; code <= 0x10ffff; code += code < 0x12000 ? 1 : 97)
    if ((code & 0x1ff800) !== 0xd800 && !accepts(Buffer.from(String.fromCodePoint(code))))
      assert.unreachable(code.toString(16))
})

test.run()

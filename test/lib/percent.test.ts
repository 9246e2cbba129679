import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeAscii, decodePercent } from '../../src/lib/percent.js'

const test = suite('percent')

test('every ASCII character is decoded, in letters of either case, and once', () => {
  for (let code = 0; code < 0x80; code++) {
    const hex = code.toString(16).padStart(2, '0')
    const character = String.fromCharCode(code)
    assert.is(decodeAscii(`a%${hex}b`), `a${character}b`)
    assert.is(decodeAscii(`a%${hex.toUpperCase()}b`), `a${character}b`)
    assert.is(decodeAscii(`%25${hex}`), `%${hex}`)
  }
})

test('other bytes, and what is no encoding, stay', () => {
  for (const text of ['%80', '%c3%a9', '%FF', '%', '%4', '%zz', '%%', 'plain'])
    assert.is(decodeAscii(text), text)
})

test('a broken encoding has no text', () => {
  for (const text of ['%', '%4', '%zz', '%ff', '%c3', 'a%c0%af']) assert.is(decodePercent(text), null, text)
  assert.is(decodePercent('caf%C3%A9%2F%20b'), 'café/ b')
  assert.is(decodePercent('%2561'), '%61')
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createView, isComparable, isSame } from '../../src/lib/same-bytes.js'
import { fc } from '../support/property.js'

test('ranges are the same exactly if all of their bytes are', () => {
  const bytes = fc.array(fc.constantFrom(0x01, 0x41, 0x7e, 0x80, 0xf0, 0xfe), { maxLength: 120 })
  fc.assert(
    fc.property(
      bytes,
      fc.nat({ max: 9 }),
      fc.nat({ max: 119 }),
      fc.nat({ max: 255 }),
      (found, at, place, byte) => {
        const other = Buffer.from(found)
        const one = Buffer.concat([Buffer.alloc(at), other, Buffer.alloc(3)])
        assert.ok(isSame(createView(one), at, createView(other), 0, other.length))
        if (place >= other.length) return
        one[at + place] = byte
        assert.is(
          isSame(createView(one), at, createView(other), 0, other.length),
          one.subarray(at, at + other.length).equals(other),
        )
      },
    ),
    { numRuns: 1_000 },
  )
})

test('bytes of which a number may be neither equal nor unequal are not compared', () => {
  for (let byte = 0; byte < 256; byte++)
    assert.is(isComparable(Buffer.from([0x41, byte])), ![0x00, 0x7f, 0xff].includes(byte), `${byte}`)
})

test.run()

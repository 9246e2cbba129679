import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JoinedPieces } from '../../src/lib/joined-pieces.js'
import { fc } from '../support/property.js'

/** Adds pieces. @returns what `costOf` said that they cost */
function addAll(pieces: JoinedPieces, all: readonly Buffer[]): number {
  let cost = 0
  for (const piece of all) {
    cost += pieces.costOf(piece)
    pieces.add(piece)
  }
  return cost
}

test('pieces of any sizes are the same bytes when they are joined, and those that were taken out stay', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 5000 })), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(sizes, fc.nat({ max: 20 }), (lengths, every) => {
      const all = lengths.map((length, n) => Buffer.alloc(length, n % 251))
      const pieces = new JoinedPieces()
      const taken: Buffer[] = []
      for (const [n, piece] of all.entries()) {
        pieces.add(piece)
        if (every > 0 && n % every === 0) taken.push(pieces.list.shift() as Buffer)
      }
      const joined = Buffer.concat([...taken, ...pieces.list])
      assert.is(Buffer.compare(joined, Buffer.concat(all)), 0)
    }),
  )
})

test('what pieces cost is not much more than their bytes, and never less, however small they are', () => {
  for (const size of [1, 2, 16, 100, 1023, 1024, 4096, 65_536]) {
    const pieces = new JoinedPieces()
    const count = Math.ceil(1_000_000 / size)
    const cost = addAll(
      pieces,
      Array.from({ length: count }, () => Buffer.alloc(size)),
    )
    const bytes = count * size
    assert.ok(cost >= bytes, `${cost} for ${bytes} bytes in pieces of ${size}`)
    assert.ok(cost <= bytes * 1.5, `${cost} for ${bytes} bytes in pieces of ${size}`)
    assert.ok(pieces.list.length <= Math.max(100, bytes / 1000))
  }
})

test('small pieces between large ones cost what their memory takes', () => {
  const pieces = new JoinedPieces()
  const cost = addAll(
    pieces,
    Array.from({ length: 1000 }, (_, n) => Buffer.alloc(n % 2 === 0 ? 1 : 1024)),
  )
  // A block for each small one would be a block and its overhead; they are counted, whatever they are.
  assert.ok(
    cost >= pieces.list.reduce((sum, { buffer }) => sum + Math.min(buffer.byteLength, 65_536), 0) * 0.9,
  )
})

test('a single piece costs its bytes', () => {
  const pieces = new JoinedPieces()
  assert.is(addAll(pieces, [Buffer.alloc(700)]), 700)
})

test.run()

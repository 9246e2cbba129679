import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readBackwards, readLines } from '../../../src/ledger/read/lines.js'
import { fc } from '../../support/property.js'

const folder = mkdtempSync(join(tmpdir(), 'thinwire-reading-'))
test.after(() => rmSync(folder, { recursive: true }))

const FILE = join(folder, 'lines')

/** Lines of a file backwards, until there are so many, and how many bytes were read for them. */
async function back(
  end: number,
  most = Number.POSITIVE_INFINITY,
): Promise<{ lines: string[]; bytes: number }> {
  const file = await open(FILE)
  const read = file.read.bind(file) as (...args: unknown[]) => Promise<{ buffer: Buffer; bytesRead: number }>
  let bytes = 0
  file.read = (async (...args: unknown[]) => {
    const result = await read(...args)
    bytes += result.bytesRead
    return result
  }) as typeof file.read
  const lines: string[] = []
  try {
    for await (const piece of readBackwards(file, end)) {
      lines.push(...piece.filter((line) => line !== ''))
      if (lines.length >= most) break
    }
  } finally {
    await file.close()
  }
  return { lines, bytes }
}

test('reading backwards gives the same lines, however long they are', async () => {
  const length = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 60_000, max: 140_000 }))
  await fc.assert(
    fc.asyncProperty(fc.array(length, { maxLength: 8 }), async (lengths) => {
      const lines = lengths.map((length, i) => `${i}${'ü'.repeat(length / 2)}`)
      const text = lines.map((line) => `${line}\n`).join('')
      writeFileSync(FILE, `${text}not yet whole`)
      assert.equal((await back(Buffer.byteLength(text))).lines, lines.reverse())
    }),
    { numRuns: 50 },
  )
})

test('reading the last lines of a large file reads only its end', async () => {
  const text = `${'x'.repeat(99)}\n`.repeat(100_000)
  writeFileSync(FILE, text)
  const { lines, bytes } = await back(text.length, 10)
  assert.ok(lines.length >= 10)
  assert.ok(bytes <= 64 * 1024, String(bytes))
})

test('a file that is truncated while it is read gives no further lines', async () => {
  writeFileSync(FILE, 'a\nb\n')
  assert.equal((await back(1_000)).lines, [])
})

test('reading a file reports its progress in bytes', async () => {
  const text = `${'x'.repeat(99)}\n`.repeat(10_000)
  writeFileSync(FILE, text)
  let lines = 0
  const pieces: number[] = []
  await readLines(
    FILE,
    () => lines++,
    (bytes) => pieces.push(bytes),
  )
  assert.is(lines, 10_000)
  assert.ok(pieces.length > 1)
  assert.is(
    pieces.reduce((all, bytes) => all + bytes, 0),
    text.length,
  )
})

test.run()

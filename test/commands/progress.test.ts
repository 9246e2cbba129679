import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Progress } from '../../src/commands/progress.js'

const ERASE = '\r\x1b[K'

/** Reads in steps of a megabyte, of `pieceMs` each. */
function read({ pieces = 1_000, pieceMs = 10, isTTY = true, columns = 80 as number | undefined } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY, ...(columns === undefined ? {} : { columns }) })
  const written: string[] = []
  stream.on('data', (bytes: Buffer) => written.push(bytes.toString()))
  let now = 1_000_000
  const progress = new Progress(stream, pieces * 1_000_000, () => now)
  for (let i = 0; i < pieces; i++) {
    now += pieceMs
    progress.add(1_000_000)
  }
  progress.end()
  return written
}

test('progress is shown at most ten times a second, and erased at the end', () => {
  const written = read()
  assert.ok(written.length > 50 && written.length <= 97, String(written.length))
  assert.is(written[0], `${ERASE}reading   5 % [#.............................] 50.0 of 1000 MB`)
  assert.is(written[45], `${ERASE}reading  50 % [###############...............] 500 of 1000 MB`)
  assert.is(written.at(-1), ERASE)
})

test('work of half a second or less shows no progress', () => {
  assert.equal(read({ pieces: 49 }), [])
})

test('progress is shown on terminals alone', () => {
  assert.equal(read({ isTTY: false }), [])
})

test('the line is shorter than the width of the terminal, which is 80 if it is unknown', () => {
  for (const [columns, least] of [
    [80, 50],
    [undefined, 50],
    [40, 39],
    [10, 9],
  ] as const) {
    const written = read({ columns })
    for (const text of written) assert.ok(text.startsWith(ERASE))
    const longest = Math.max(...written.map((text) => text.length - ERASE.length))
    assert.ok(longest >= least && longest < (columns ?? 80), String(longest))
  }
})

test('progress stays at 100 % for a file that has grown since', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true })
  let now = 0
  const progress = new Progress(stream, 1_000_000, () => now)
  now = 1_000
  progress.add(3_000_000)
  assert.is(String(stream.read()), `${ERASE}reading 100 % [${'#'.repeat(30)}] 1.0 of 1.0 MB`)
})

test.run()

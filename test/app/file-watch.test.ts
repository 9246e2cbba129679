import { chmodSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FileWatch } from '../../src/app/file-watch.js'
import { until, wait } from '../support/until.js'

interface Place {
  folder: string
  file: string
  changes: number
  watch: FileWatch | null
}

const test = suite<Place>('file-watch')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-file-watch-'))
  place.file = join(place.folder, 'thinwire.json')
  place.changes = 0
  place.watch = null
})
test.after.each((place) => {
  place.watch?.close()
  rmSync(place.folder, { recursive: true })
})

const POLL_MS = 5

function watch(place: Place, readAt = Date.now()): void {
  place.watch = new FileWatch(place.file, readAt, () => place.changes++, POLL_MS)
}

/** Ways in which a file gets another content. */
const CHANGES: Readonly<Record<string, (place: Place) => void>> = {
  'is written': ({ file }) => writeFileSync(file, 'other text'),
  'is replaced by one of the same length and time': ({ folder, file }) => {
    writeFileSync(join(folder, 'next'), 'Text')
    utimesSync(join(folder, 'next'), 1_000, 1_000)
    utimesSync(file, 1_000, 1_000)
    renameSync(join(folder, 'next'), file)
  },
  'is removed and written again': ({ file }) => {
    rmSync(file)
    writeFileSync(file, 'other text')
  },
}

for (const [what, change] of Object.entries(CHANGES)) {
  test(`a file that ${what} in the very moment in which the watch begins is noticed`, async (place) => {
    writeFileSync(place.file, 'text')
    watch(place)
    change(place)
    await until(() => place.changes > 0, 'the change')
  })

  test(`a file that ${what} between its reading and the watch is noticed, once`, async (place) => {
    writeFileSync(place.file, 'text')
    const readAt = Date.now()
    await wait(20)
    change(place)
    watch(place, readAt)
    await until(() => place.changes > 0, 'the change')
    await wait(10 * POLL_MS)
    assert.is(place.changes, 1)
  })
}

test('a file that was there before it was read is no change, and neither is its absence', async (place) => {
  writeFileSync(place.file, 'text')
  await wait(20)
  watch(place)
  await wait(10 * POLL_MS)
  rmSync(place.file)
  await wait(10 * POLL_MS)
  assert.is(place.changes, 0)
})

test('a file that comes later is noticed, and nothing is after the end', async (place) => {
  watch(place)
  writeFileSync(place.file, 'text')
  await until(() => place.changes === 1, 'the file')
  place.watch?.close()
  writeFileSync(place.file, 'other text')
  chmodSync(place.file, 0o600)
  await wait(10 * POLL_MS)
  assert.is(place.changes, 1)
})

test.run()

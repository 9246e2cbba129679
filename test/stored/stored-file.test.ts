import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ObjectMap, type StoredObject } from '../../src/stored/object-map.js'
import { type StoredDisk, StoredFile } from '../../src/stored/stored-file.js'
import { until } from '../support/until.js'

let folder: string
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinwire-stored-'))
})
test.after.each(() => rmSync(folder, { recursive: true, force: true }))

const objectOf = (n: number, isBilled = true): StoredObject => ({
  id: `resp_${n}`,
  owner: 'team1',
  key: n % 2 === 0 ? null : 'k_1',
  upstream: 'openai',
  madeAt: n,
  isBilled,
})

interface Opened {
  readonly file: StoredFile
  readonly objects: ObjectMap
  readonly warnings: string[]
  /** Keeps an object as `StoredObjects` does. */
  keep(object: StoredObject): void
}

async function openFile(path = join(folder, 'data', 'stored.jsonl'), disk?: StoredDisk, objects = 100_000) {
  const map = new ObjectMap({ objects, ageMs: 1e15 }, () => {})
  const warnings: string[] = []
  const note = (_fields: object, message: string): void => void warnings.push(message)
  const file = new StoredFile(path, map, { warn: note, info: note }, disk, [5, 10])
  await file.load()
  const keep = (object: StoredObject): void => {
    map.set(object)
    file.add(object)
  }
  return { file, objects: map, warnings, keep } satisfies Opened
}

test('what is kept is there after a restart, as it was last', async () => {
  const { file, keep } = await openFile()
  keep(objectOf(1, false))
  keep(objectOf(2))
  keep(objectOf(1, true))
  await file.close()
  const { objects, warnings } = await openFile()
  assert.equal([...objects.values()], [objectOf(1), objectOf(2)])
  assert.equal(warnings, [])
})

test('without objects there is no file', async () => {
  const { file } = await openFile()
  await file.close()
  assert.throws(() => readFileSync(join(folder, 'data', 'stored.jsonl')), /ENOENT/)
})

test('torn and foreign lines are skipped, wherever the last one is cut', async () => {
  const path = join(folder, 'stored.jsonl')
  const first = await openFile(path)
  first.keep(objectOf(1))
  first.keep(objectOf(2))
  await first.file.close()
  const whole = readFileSync(path, 'utf8')
  const start = whole.indexOf('\n') + 1
  for (let cut = start; cut <= whole.length; cut++) {
    writeFileSync(path, `not json\n{"id":5}\n\n[]\n${whole.slice(0, cut)}`)
    const { file, objects, keep } = await openFile(path)
    // Only its line end may be missing.
    assert.is(objects.size, cut >= whole.length - 1 ? 2 : 1, `cut at ${cut}`)
    keep(objectOf(3))
    await file.close()
    const again = await openFile(path)
    assert.is(again.objects.find('resp_3')?.id, 'resp_3')
    assert.is(again.objects.size, objects.size)
    assert.equal(again.warnings, [], 'the broken lines are gone')
  }
})

test('the file is written again when it has twice as many lines as there are objects', async () => {
  const path = join(folder, 'stored.jsonl')
  const { file, keep } = await openFile(path, undefined, 600)
  for (let n = 0; n < 3_000; n++) {
    keep(objectOf(n))
    if (n % 100 === 0) await file.close()
  }
  await file.close()
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  assert.ok(lines.length <= 1_300, `${lines.length} lines`)
  const { objects } = await openFile(path, undefined, 600)
  assert.equal(
    [...objects.values()].map(({ id }) => id),
    Array.from({ length: 600 }, (_, i) => `resp_${2_400 + i}`),
  )
})

test('a disk that fails loses nothing once it works again, and is told of once', async () => {
  const path = join(folder, 'stored.jsonl')
  let fails = 3
  const written: string[] = []
  const act = async (text: string): Promise<void> => {
    if (fails-- > 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    written.push(text)
  }
  const disk: StoredDisk = {
    append: (_path, text) => act(text),
    replace: (_path, slices) => act([...slices].join('')),
  }
  const { file, warnings, keep } = await openFile(path, disk)
  keep(objectOf(1))
  file.pump()
  keep(objectOf(2))
  await until(() => written.length > 0, 'the disk to work again')
  await file.close()
  assert.equal(
    written
      .join('')
      .match(/resp_\d/g)
      ?.slice(0, 2),
    ['resp_1', 'resp_2'],
  )
  assert.equal(warnings, [
    'the stored objects cannot be written (ENOSPC): they are kept in memory and tried again',
    'the stored objects can be written again',
  ])
})

test('a disk that does not respond holds nothing up, and takes no memory without end', async () => {
  let release = (): void => {}
  const hung = new Promise<void>((resolve) => {
    release = resolve
  })
  const replaced: string[] = []
  const disk: StoredDisk = {
    append: () => hung,
    replace: async (_path, slices) => void replaced.push(...slices),
  }
  const { file, keep, objects } = await openFile(join(folder, 'stored.jsonl'), disk)
  keep(objectOf(0))
  file.pump()
  for (let n = 1; n <= 25_000; n++) keep(objectOf(n))
  assert.ok(file.waitingCount <= 10_000)
  release()
  await until(() => replaced.join('').includes('resp_25000'), 'all of it to be written')
  const lines = replaced.join('').trimEnd().split('\n')
  assert.is(new Set(lines).size, objects.size)
  await file.close()
})

test('a file that cannot be read is left as it is', async () => {
  const path = join(folder, 'stored.jsonl')
  mkdirSync(path)
  const { file, warnings, keep } = await openFile(path)
  keep(objectOf(1))
  await file.close()
  assert.is(warnings.length, 1)
  assert.match(warnings[0] ?? '', /cannot be read \(EISDIR\)/)
})

test('what waits when the process is about to exit is written at once, behind a torn line too', async () => {
  const path = join(folder, 'stored.jsonl')
  appendFileSync(path, '{"id":"resp_0","own')
  const { file, keep } = await openFile(path)
  keep(objectOf(1))
  file.flushNow()
  const { objects } = await openFile(path)
  assert.equal([...objects.values()], [objectOf(1)])
  await file.close()
})

test.run()

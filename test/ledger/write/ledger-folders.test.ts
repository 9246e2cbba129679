import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DISK } from '../../../src/ledger/files.js'
import { PATIENCE } from '../../../src/ledger/write/ledger-folders.js'
import { bench, Disk, FILE, records, TODAY, upTo } from '../../support/ledger-disk.js'
import { deferred, until, wait } from '../../support/until.js'

const SPARE = `/spare/usage-${TODAY}.jsonl`

test('a folder that fails for long is replaced by the fallback folder, and used again when it works', async () => {
  const disk = new Disk()
  disk.broken = FILE
  const { ledger, logged, add } = bench({ fallbackFolder: '/spare' }, disk)
  add(2)
  await until(() => ledger.state.written === 2, 'the records in the fallback folder')
  assert.equal(records(disk.text(SPARE)).seqs, [1, 2])
  add(1)
  await until(() => ledger.state.written === 3, 'another one')
  assert.is(ledger.state.stalled, 'ENOSPC')
  disk.broken = null
  await until(() => {
    add(1)
    return ledger.state.stalled === null
  }, 'the first folder to be used again')
  assert.is(await ledger.close(), 0)
  const all = [...records(disk.text(SPARE)).seqs, ...records(disk.text(FILE)).seqs]
  assert.equal(
    all.sort((a, b) => a - b),
    upTo(ledger.lastSeq),
  )
  assert.is(logged.filter((line) => /fallbackFolder/.test(line)).length, 1)
})

test('a short stall is waited for, and leaves the fallback folder alone', async () => {
  const disk = new Disk()
  disk.faults.push({ error: 'EAGAIN' }, { error: 'EAGAIN' })
  const { ledger, add } = bench({ fallbackFolder: '/spare' }, disk)
  add(2)
  await until(() => ledger.state.written === 2, 'both records')
  await ledger.close()
  assert.equal(records(disk.text(FILE)).seqs, [1, 2])
  assert.is(disk.text(SPARE), '')
})

test('a folder that does not respond is replaced, and what was under way may be in both', async () => {
  const disk = new Disk()
  const slow = deferred()
  disk.faults.push({ until: slow.promise })
  const { ledger, add } = bench({ fallbackFolder: '/spare' }, disk)
  add(1)
  await wait(10)
  add(2)
  await until(() => ledger.state.written === 3, 'the records in the fallback folder')
  assert.is(ledger.state.stalled, 'no answer')
  assert.is(ledger.hung, true)
  assert.equal(records(disk.text(SPARE)).seqs, [1, 2, 3])
  slow.resolve()
  await until(() => ledger.state.stalled === null, 'the first folder to respond')
  add(1)
  assert.is(await ledger.close(), 0)
  assert.equal(records(disk.text(FILE)).seqs, [1, 4])
  assert.is(ledger.state.written, 4)
})

test('at its end the ledger uses the fallback folder at once, also synchronously', async () => {
  for (const isNow of [false, true]) {
    const disk = new Disk()
    disk.broken = FILE
    const { ledger, add } = bench({ fallbackFolder: '/spare', flushMs: 60_000 }, disk)
    add(3)
    assert.is(isNow ? ledger.flushNow() : await ledger.close(), 0)
    assert.equal(records(disk.text(SPARE)).seqs, [1, 2, 3])
  }
})

test('records that no folder takes are counted as lost', async () => {
  const disk = new Disk()
  disk.broken = ''
  const { ledger, add } = bench({ fallbackFolder: '/spare', flushMs: 60_000 }, disk)
  add(3)
  assert.is(ledger.flushNow(), 3)
  disk.broken = null
  assert.is(ledger.flushNow(), 0)
  assert.equal(records(disk.text(FILE)).seqs, [1, 2, 3])
})

test('a disk that gets room again is tried within a second', () => {
  assert.ok(PATIENCE.longestWaitMs <= 1_000)
})

test('a real folder that is deleted at run time is made again without a loss, and one that is moved keeps its records', async () => {
  const root = mkdtempSync(join(tmpdir(), 'thinwire-ledger-'))
  try {
    const folder = join(root, 'data')
    const file = join(folder, `usage-${TODAY}.jsonl`)
    const { ledger, logged, add } = bench({ folder }, DISK)
    const written = async (): Promise<void> => {
      add(1)
      await until(() => ledger.state.written === ledger.lastSeq, 'the record')
    }
    await written()
    rmSync(folder, { recursive: true })
    await written()
    await wait(1_050)
    await written()
    assert.equal(records(readFileSync(file, 'utf8')).seqs, [1, 2, 3])
    await wait(1_050)
    await written()
    renameSync(folder, join(root, 'old'))
    mkdirSync(folder)
    await wait(1_050)
    await written()
    assert.equal(records(readFileSync(join(root, 'old', `usage-${TODAY}.jsonl`), 'utf8')).seqs, upTo(4))
    assert.equal(records(readFileSync(file, 'utf8')).seqs, [5])
    rmSync(folder, { recursive: true })
    assert.is(await ledger.close(), 0)
    assert.equal(records(readFileSync(file, 'utf8')).seqs, [5])
    assert.is(logged.filter((line) => /was deleted/.test(line)).length, 2)
    assert.is(logged.filter((line) => /was moved/.test(line)).length, 1)
  } finally {
    rmSync(root, { recursive: true })
  }
})

test.run()

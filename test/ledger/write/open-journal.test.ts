import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatOpen, listJournalNames, parseJournal } from '../../../src/ledger/journal.js'
import { formatRecord } from '../../../src/ledger/record.js'
import { OpenJournal } from '../../../src/ledger/write/open-journal.js'
import { Disk, summarize } from '../../support/ledger-disk.js'

const MARK = {
  writer: 'w-1f',
  started: '2026-01-01T00:00:00.000Z',
  flush_ms: 20,
  host: 'here',
  pid: 1,
  born: 1,
}

function lineOf(id: string): string {
  return formatOpen(
    formatRecord(summarize('crashed'), 'w-1f', 0, null).replace(/"id":"[^"]*"/, `"id":"${id}"`),
    1,
    1_000,
  )
}

function paths(disk: Disk): string[] {
  return [...disk.files.keys()].filter((path) => listJournalNames([path.split('/').at(-1) ?? '']).length > 0)
}

function idsIn(disk: Disk): string[] {
  return [...parseJournal(paths(disk).map((path) => disk.text(path))).open.keys()]
}

test('all lines go in one append, behind the mark of the start', async () => {
  const disk = new Disk()
  const journal = new OpenJournal(['/led'], MARK, disk)
  await journal.flush(1)
  disk.calls.length = 0
  for (const id of ['tw-a', 'tw-b', 'tw-c']) journal.add(lineOf(id))
  await journal.flush(2)
  assert.is(disk.calls.filter((call) => call.startsWith('write')).length, 1)
  assert.equal(idsIn(disk), ['tw-a', 'tw-b', 'tw-c'])
  journal.removeNow()
  assert.equal(paths(disk), [])
})

test('a long journal is continued in a new part, and the old one goes when no request needs it', async () => {
  const disk = new Disk()
  const journal = new OpenJournal(['/led'], MARK, disk, 1_500)
  journal.add(lineOf('tw-a'))
  journal.add(lineOf('tw-b'))
  const before = performance.now()
  await journal.flush(before)
  assert.is(paths(disk).length, 2)
  journal.trim(before)
  assert.is(paths(disk).length, 2)
  journal.add(lineOf('tw-b'))
  const after = performance.now()
  await journal.flush(after)
  journal.trim(after)
  assert.is(paths(disk).length, 1)
  assert.equal(idsIn(disk), ['tw-b'])
  assert.is(parseJournal(paths(disk).map((path) => disk.text(path))).mark?.writer, 'w-1f')
})

test('a journal that could not be written, or was deleted, asks for all requests again', async () => {
  const disk = new Disk()
  const journal = new OpenJournal(['/led', '/spare'], MARK, disk)
  journal.add(lineOf('tw-a'))
  const first = performance.now()
  await journal.flush(first)
  assert.ok(journal.validSince <= first)
  disk.faults.push({ error: 'EIO' })
  journal.add(lineOf('tw-b'))
  await journal.flush(performance.now())
  assert.ok(journal.validSince > first)
  disk.broken = '/led'
  journal.add(lineOf('tw-b'))
  const second = performance.now()
  await journal.flush(second)
  assert.ok(idsIn(disk).includes('tw-b'))
  assert.ok(paths(disk).some((path) => path.startsWith('/spare/')))
  disk.files.clear()
  disk.broken = null
  await journal.flush(second + 2_001)
  assert.ok(journal.validSince > second)
  assert.is(paths(disk).length, 1)
})

test('that it was deleted is noticed before a line is written a second later, and else with the next touch', async () => {
  for (const [line, afterMs, isNoticed] of [
    [true, 1_001, true],
    [true, 0, false],
    [false, 2_001, true],
    [false, 1_000, false],
  ] as const) {
    const disk = new Disk()
    const journal = new OpenJournal(['/led'], MARK, disk)
    const first = performance.now()
    await journal.flush(first)
    const { validSince } = journal
    disk.files.clear()
    if (line) journal.add(lineOf('tw-a'))
    await journal.flush(performance.now() + afterMs)
    assert.is(journal.validSince > validSince, isNoticed, `${line} ${afterMs}`)
  }
})

test('a journal that is removed while an append is under way is removed again after it', async () => {
  const disk = new Disk()
  const journal = new OpenJournal(['/led'], MARK, disk)
  const flushed = journal.flush(1)
  journal.removeNow()
  await flushed
  assert.equal(paths(disk), [])
})

test('a journal that is removed while its place is checked is not made once more', async () => {
  const disk = new Disk()
  const journal = new OpenJournal(['/led'], MARK, disk)
  const began = performance.now()
  await journal.flush(began)
  disk.calls.length = 0
  const flushed = journal.flush(began + 2_000)
  journal.removeNow()
  await flushed
  // The process may end at any time from here on: no file must be there for even a moment.
  assert.equal(
    disk.calls.filter((call) => call.startsWith('open')),
    [],
  )
  assert.equal(paths(disk), [])
})

test.run()

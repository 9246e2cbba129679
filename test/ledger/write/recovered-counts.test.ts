import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../../src/config/config.js'
import { formatJournalName, formatMark, formatOpen } from '../../../src/ledger/journal.js'
import { type Entry, readEntry } from '../../../src/ledger/read/entry.js'
import { formatRecord } from '../../../src/ledger/record.js'
import { markProcess } from '../../../src/ledger/starts.js'
import { Bookkeeper, type RecordCounter } from '../../../src/ledger/write/bookkeeper.js'
import { readLedger } from '../../support/ledger.js'
import { summarize } from '../../support/ledger-disk.js'

interface Place {
  folder: string
}

const test = suite<Place>('recovered counts')

test.before.each((place) => {
  place.folder = join(mkdtempSync(join(tmpdir(), 'thinwire-recovered-')), 'data')
  mkdirSync(place.folder)
})
test.after.each(({ folder }) => rmSync(join(folder, '..'), { recursive: true }))

const log = { info: () => {}, warn: () => {}, error: () => {} }

/** A journal of a process that does not run, with this many open requests that are assumed to cost something. */
function leaveJournal(folder: string, count: number): void {
  const mark = { writer: 'w-1f', started: '2026-01-01T00:00:00.000Z', flush_ms: 20, ...markProcess() }
  const lines = Array.from({ length: count }, (_, i) => {
    const summary = summarize('crashed')
    summary.assumedNano = i
    const record = formatRecord(summary, 'w-1f', 0, null).replace(/"id":"[^"]*"/, `"id":"tw-${i}"`)
    return formatOpen(record, 3, 1_000)
  })
  const text = formatMark({ ...mark, pid: 4_194_305 }) + lines.join('')
  writeFileSync(join(folder, formatJournalName('w-1f', 1)), text)
}

function open(folder: string): { books: Bookkeeper; counted: Entry[] } {
  const { ledger } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const books = new Bookkeeper({ ...ledger, folder, fsync: 'never', flushMs: 1 }, log, null)
  const counted: Entry[] = []
  const counter: RecordCounter = {
    assume: () => {},
    countRecovered: (_id, entry) => void counted.push(entry),
  }
  books.reportTo(counter)
  return { books, counted }
}

test('the records of a killed start are counted once, by the start that writes them', async ({ folder }) => {
  leaveJournal(folder, 150)
  const first = open(folder)
  await first.books.begin()
  await first.books.close()
  const lines = readLedger(folder).map((record) => readEntry(JSON.stringify(record)))
  assert.is(lines.length, 150)
  assert.equal(first.counted, lines)
  assert.is(first.books.lastSeq, 150)
  assert.is(first.books.writtenSeq, 150)
  const sum = first.counted.reduce((all, { assumed }) => all + Number(assumed), 0)
  assert.is(sum, (150 * 149) / 2)
  // They stand in the ledger now, from where a later start has them.
  const second = open(folder)
  await second.books.begin()
  await second.books.close()
  assert.equal(second.counted, [])
})

test('records that wait for the disk are not written yet', async ({ folder }) => {
  const { books } = open(folder)
  await books.begin()
  for (let i = 0; i < 3; i++) books.record(summarize())
  assert.is(books.lastSeq, 3)
  assert.is(books.writtenSeq, 0)
  await books.close()
  assert.is(books.writtenSeq, 3)
})

test.run()

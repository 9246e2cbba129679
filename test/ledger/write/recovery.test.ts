import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DISK, type LedgerFiles } from '../../../src/ledger/files.js'
import { formatJournalName, formatMark, formatOpen, listJournalNames } from '../../../src/ledger/journal.js'
import { formatRecord } from '../../../src/ledger/record.js'
import { markProcess, parseStartEnds } from '../../../src/ledger/starts.js'
import { Recovery } from '../../../src/ledger/write/recovery.js'
import { readLedger } from '../../support/ledger.js'
import { bench, summarize, TODAY } from '../../support/ledger-disk.js'

interface Place {
  root: string
  folder: string
}

const test = suite<Place>('recovery')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-recovery-'))
  place.folder = join(place.root, 'data')
  mkdirSync(place.folder)
})
test.after.each((place) => rmSync(place.root, { recursive: true }))

/** No process has this number. */
const DEAD = { ...markProcess(), pid: 4_194_305 }
const IDS = Array.from({ length: 150 }, (_, i) => `tw-${i}`)

function recordOf(writer: string, id: string, seq: number): string {
  return formatRecord(summarize('crashed'), writer, seq, null).replace(/"id":"[^"]*"/, `"id":"${id}"`)
}

/** A journal of a start that has made three records, with these requests in it. */
function leaveJournal(
  folder: string,
  writer: string,
  ids: readonly string[],
  process = DEAD,
  claimedBy: string | null = null,
): void {
  const mark = { writer, started: `${TODAY}T00:00:00.000Z`, flush_ms: 20, ...process }
  const lines = ids.map((id) => formatOpen(recordOf(writer, id, 0), 3, 1_000))
  writeFileSync(join(folder, formatJournalName(writer, 1, claimedBy)), formatMark(mark) + lines.join(''))
}

function journals(folder: string): string[] {
  return listJournalNames(readdirSync(folder)).map(({ name }) => name)
}

/** Runs a recovery as a new start would. @returns what it returned; the error if it failed */
async function recover(folders: readonly string[], files: LedgerFiles = DISK, quietMs = 15_000) {
  const { ledger } = bench({ folder: folders[0] ?? '', fsync: 'never' }, DISK)
  const recovery = new Recovery(folders, ledger, files, { warn: () => {} }, quietMs)
  const result = await recovery.run().catch((error: Error) => error)
  return { ledger, recovery, result }
}

function ids(folder: string): unknown[] {
  return readLedger(folder)
    .map(({ id }) => id)
    .sort()
}

test('each request without a record gets one, in the ledger or in its fallback folder', async ({
  root,
  folder,
}) => {
  const spare = join(root, 'spare')
  mkdirSync(spare)
  leaveJournal(folder, 'w-1f', IDS)
  // Records that it has made after the journal's lines.
  writeFileSync(
    join(folder, `usage-${TODAY}.jsonl`),
    recordOf('w-1f', 'tw-5', 4) + recordOf('w-2e', 'tw-x', 1),
  )
  writeFileSync(join(spare, `usage-${TODAY}.jsonl`), recordOf('w-1f', 'tw-6', 5))
  const { ledger, result } = await recover([folder, spare])
  await ledger.close()
  assert.is(result, false)
  assert.equal([...ids(folder), ...ids(spare)].sort(), [...IDS, 'tw-x'].sort())
  assert.equal(journals(folder), [])
  assert.is(parseStartEnds(readFileSync(join(folder, 'starts.jsonl'), 'utf8')).get('w-1f')?.ended, null)
})

test('a recovery that breaks off at any step is done by the next one, and doubles nothing', async ({
  root,
}) => {
  for (let step = 0; step < 14; step++) {
    const folder = join(root, `at-${step}`)
    mkdirSync(folder)
    leaveJournal(folder, 'w-1f', IDS)
    let left = step
    const failing = new Proxy(DISK, {
      get(files, name: keyof LedgerFiles) {
        const method = files[name] as (...args: unknown[]) => unknown
        return (...args: unknown[]) => {
          if (left-- <= 0) throw Object.assign(new Error('killed'), { code: 'EIO' })
          return method.apply(files, args)
        }
      },
    })
    const first = await recover([folder], failing)
    // Its own journal is gone, as if it had been killed and completed, or had ended.
    await first.ledger.close()
    const second = await recover([folder])
    await second.ledger.close()
    assert.equal(ids(folder), [...IDS].sort(), `broken off at step ${step}`)
    assert.equal(journals(folder), [])
  }
})

test('records that were handed over, but are not written, are found neither twice nor never', async ({
  folder,
}) => {
  leaveJournal(folder, 'w-1f', IDS, DEAD, 'w-2e')
  // The start that had claimed it has written some of them.
  const some = IDS.slice(0, 40).map((id, i) => recordOf('w-2e', id, i + 1))
  writeFileSync(
    join(folder, `usage-${TODAY}.jsonl`),
    `${some.join('')}${recordOf('w-2e', 'tw-40', 41).slice(0, 300)}`,
  )
  const { ledger } = await recover([folder])
  await ledger.close()
  const text = readFileSync(join(folder, `usage-${TODAY}.jsonl`), 'utf8')
  const found = text.split('\n').flatMap((line) => {
    try {
      return [(JSON.parse(line) as { id: string }).id]
    } catch {
      return []
    }
  })
  assert.equal(found.sort(), [...IDS].sort())
})

test('the journal of a start that runs, or that another running start completes, is left alone', async ({
  folder,
}) => {
  leaveJournal(folder, 'w-1f', ['tw-1'], markProcess())
  leaveJournal(folder, 'w-2e', ['tw-2'], DEAD, 'w-1f')
  const before = journals(folder)
  const { ledger, result } = await recover([folder])
  await ledger.close()
  assert.is(result, false)
  assert.equal(journals(folder), before)
  assert.equal(ids(folder), [])
})

test('a start on another machine is dead when its journal is touched no more', async ({ folder }) => {
  const elsewhere = { ...markProcess(), host: 'elsewhere' }
  leaveJournal(folder, 'w-1f', ['tw-1'], elsewhere)
  const { ledger, recovery, result } = await recover([folder], DISK, 0)
  // The first look tells nothing.
  assert.is(result, true)
  writeFileSync(join(folder, formatJournalName('w-1f', 1)), '\n', { flag: 'a' })
  assert.is(await recovery.run(), true)
  assert.equal(ids(folder), [])
  assert.is(await recovery.run(), false)
  await ledger.close()
  assert.equal(ids(folder), ['tw-1'])
})

test('a start that ends while it completes a journal leaves the rest to the next one', async ({ folder }) => {
  leaveJournal(folder, 'w-1f', IDS)
  const { ledger } = bench({ folder, fsync: 'never' }, DISK)
  const running = new Recovery([folder], ledger, DISK, { warn: () => {} }).run()
  await ledger.close()
  const { lastSeq } = ledger
  await running
  assert.is(ledger.lastSeq, lastSeq)
  assert.is(journals(folder).length, 1)
  const next = await recover([folder])
  await next.ledger.close()
  assert.equal(ids(folder), [...IDS].sort())
})

test('of two starts at the same time, one completes a journal', async ({ folder }) => {
  leaveJournal(folder, 'w-1f', IDS)
  const both = await Promise.all([recover([folder]), recover([folder])])
  for (const { ledger } of both) await ledger.close()
  assert.equal(ids(folder), [...IDS].sort())
})

test.run()

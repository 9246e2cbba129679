import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatBeat } from '../../../src/ledger/journal.js'
import { OpenJournal } from '../../../src/ledger/write/open-journal.js'
import { bench, Disk } from '../../support/ledger-disk.js'
import { fc } from '../../support/property.js'
import { deferred, until } from '../../support/until.js'

// From Node 25 on, a file that is left open ends the process when its handle is collected as garbage.

const MARK = {
  writer: 'w-1f',
  started: '2026-01-01T00:00:00.000Z',
  flush_ms: 20,
  host: 'here',
  pid: 1,
  born: 1,
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const STEPS = [
  'record',
  'prepare',
  'journal',
  'fail',
  'short',
  'break',
  'mend',
  'delete',
  'turn',
  'turns',
] as const

test('every file that is opened is closed at the end, whatever fails, is slow or is deleted before', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (steps, turns, hasFallback) => {
        const disk = new Disk()
        let calls = 0
        disk.pace = async () => {
          for (let left = turns[calls++ % turns.length] ?? 0; left > 0; left--) await turn()
        }
        const fallbackFolder = hasFallback ? '/spare' : null
        const { ledger, add } = bench({ fallbackFolder, flushMs: 0, rotateBytes: 1_500 }, disk)
        const journal = new OpenJournal(['/led', '/spare'], MARK, disk, 300)
        let now = performance.now()
        for (const step of steps) {
          if (step === 'record') add(1)
          if (step === 'prepare') void ledger.prepare()
          if (step === 'journal') {
            journal.add(formatBeat(1))
            // Later than the place of its file is to be checked.
            now += 2_000
            void journal.flush(now)
          }
          if (step === 'fail') disk.faults.push({ error: 'EIO' })
          if (step === 'short') disk.faults.push({ bytes: 1 })
          if (step === 'break') disk.broken = ''
          if (step === 'mend') disk.broken = null
          if (step === 'delete') disk.files.clear()
          if (step === 'turn') await turn()
          if (step === 'turns') for (let i = 0; i < 20; i++) await turn()
        }
        disk.broken = null
        journal.removeNow()
        await ledger.close()
        await until(() => !journal.isBusy, 'the journal to be removed')
        assert.is(disk.openCount, 0, `${disk.openCount} files are open: ${disk.calls.join(', ')}`)
      },
    ),
    { numRuns: 400 },
  ))

test('a disk that hangs at the start leaves no file open if it comes back after the end', async () => {
  for (const fallbackFolder of ['/spare', null]) {
    const disk = new Disk()
    const hang = deferred()
    let calls = 0
    disk.pace = async () => {
      calls++
      if (calls === 1) await hang.promise
    }
    const { ledger, add } = bench({ fallbackFolder, flushMs: 0 }, disk)
    void ledger.prepare()
    add(1)
    assert.is(await ledger.close(), fallbackFolder === null ? 1 : 0)
    hang.resolve()
    await until(() => disk.calls.includes('close'), 'the file to be closed')
    for (let i = 0; i < 10; i++) await turn()
    assert.is(disk.openCount, 0)
  }
})

test.run()

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listLedgerNames } from '../../../src/ledger/files.js'
import { listJournalNames } from '../../../src/ledger/journal.js'
import { BooksProcess } from '../../support/bookkeeper-process.js'
import { readLedgerAfterKills } from '../../support/ledger.js'
import { randomFrom, SEED } from '../../support/random.js'
import { type Place, runUsage } from '../../support/thinwire.js'
import { until } from '../../support/until.js'

interface Workers {
  root: string
  folder: string
  running: BooksProcess[]
}

const test = suite<Workers>('worker kills')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-workers-'))
  place.folder = join(place.root, 'data')
  place.running = []
})
test.after.each(async ({ root, running }) => {
  for (const { child } of running) child.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

function start({ folder, running }: Workers, worker: number): BooksProcess {
  const books = new BooksProcess(folder, worker)
  running.push(books)
  return books
}

async function startAll(place: Workers, workers: readonly number[]): Promise<BooksProcess[]> {
  const all = workers.map((worker) => start(place, worker))
  await Promise.all(all.map((books) => books.begin()))
  return all
}

/** Ids of the records so far, by how their requests ended. */
function idsOf({ folder }: Workers, end: string): string[] {
  return readLedgerAfterKills(folder)
    .filter((record) => record.end === end)
    .map(({ id }) => String(id))
    .sort()
}

function journals({ folder }: Workers): string[] {
  return listJournalNames(readdirSync(folder)).map(({ name }) => name)
}

/** What `usage verify` says once all have ended: its exit code has to be 0. */
async function verify({ root }: Workers): Promise<string> {
  const { code, out } = await runUsage({ folder: root } as Place, ['verify'])
  assert.is(code, 0, out)
  return out
}

test('the open requests of a killed worker are recorded once by its replacement, those of its siblings never', async (place) => {
  const [first, second, third] = (await startAll(place, [1, 2, 3])) as [
    BooksProcess,
    BooksProcess,
    BooksProcess,
  ]
  const dead = await second.openRequests(70)
  const done = [...(await first.openRequests(5)), ...(await third.openRequests(5))]
  done.push(...(await second.record(20)))
  await second.kill()
  const next = start(place, 2)
  await next.begin()
  await until(() => journals(place).length === 3, 'the journal of the killed worker to be removed')
  assert.equal(idsOf(place, 'crashed'), [...dead].sort())
  for (const record of readLedgerAfterKills(place.folder).filter(({ end }) => end === 'crashed'))
    assert.ok(typeof record.recovered_from === 'string')
  for (const books of [first, third]) await books.closeRequests()
  for (const books of [first, third, next]) await books.end()
  assert.equal(idsOf(place, 'crashed'), [...dead].sort())
  assert.equal(idsOf(place, 'done'), done.sort())
  const names = listLedgerNames(readdirSync(place.folder))
  assert.equal([...new Set(names.map(({ worker }) => worker))].sort(), [1, 2, 3])
  const text = await verify(place)
  assert.match(text, /\n100 records of 4 starts of the relay \(3 workers\), without a gap\n/)
  assert.match(text, /\n {0,2}w-[0-9a-f]+ \(worker 2\), started at .* did not end well:\n.*\n {2}70 requests/)
})

test('of workers that start at the same moment after all were killed, each dead one is completed once', async (place) => {
  const killed = await startAll(place, [1, 2, 3, 4])
  const open = await Promise.all(killed.map((books) => books.openRequests(40)))
  for (const { child } of killed) child.kill('SIGKILL')
  await Promise.all(killed.map((books) => books.kill()))
  const next = await startAll(place, [1, 2, 3, 4])
  await until(() => journals(place).length === 4, 'the journals of the killed workers to be removed')
  for (const books of next) await books.end()
  assert.equal(idsOf(place, 'crashed'), open.flat().sort())
  assert.match(await verify(place), /\n160 records of \d starts? of the relay \(4 workers\), without a gap\n/)
})

test('kills at random moments, also of replacements that complete records, double none and lose none', async (place) => {
  const random = randomFrom(SEED)
  const pick = (count: number): number => Math.floor(random() * count)
  const workers = await startAll(place, [1, 2, 3])
  const crashed: string[] = []
  const done: string[] = []
  for (let round = 0; round < 6; round++) {
    for (const books of workers) {
      if (books.open.length === 0 && pick(3) > 0) await books.openRequests(1 + pick(30))
      else if (books.open.length > 0 && pick(3) === 0) {
        done.push(...books.open)
        await books.closeRequests()
      }
      done.push(...(await books.record(pick(20))))
    }
    const at = pick(3)
    const { worker, open } = workers[at] as BooksProcess
    await (workers[at] as BooksProcess).kill()
    crashed.push(...open)
    // This one is killed while it completes records, at another moment in each round.
    const hasty = start(place, worker)
    const begun = hasty.begin()
    await Promise.race([begun, new Promise((resolve) => setTimeout(resolve, 150 + pick(250)))])
    await hasty.kill()
    const next = start(place, worker)
    await next.begin()
    workers[at] = next
    // One that was killed before it had written its first line is taken for dead after 15 s without a change.
    const areGone = (): boolean => journals(place).length === 3
    await until(areGone, `round ${round}: the journals of the dead to be removed`, 90_000)
  }
  for (const books of workers) {
    done.push(...books.open)
    await books.closeRequests()
    await books.end()
  }
  assert.equal(idsOf(place, 'crashed'), crashed.sort())
  assert.equal(idsOf(place, 'done'), done.sort())
  assert.match(await verify(place), /records of \d+ starts of the relay \(3 workers\), without a gap\n/)
})

test.run()

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLedgerName, listLedgerNames } from '../../../src/ledger/files.js'
import { buildRollup, isClosed, listDays, writeRollup } from '../../../src/ledger/read/rollup-files.js'
import { formatRecord } from '../../../src/ledger/record.js'
import { Rebuilder, type RebuilderOptions } from '../../../src/rollups/rebuild/rebuilder.js'
import { RecentRequests } from '../../../src/rollups/recent-requests.js'
import { RollupCounts } from '../../../src/rollups/rollup-counts.js'
import { Rollups } from '../../../src/rollups/rollups.js'
import { COUNTS, type CountName, type TotalsTable } from '../../../src/rollups/shapes.js'
import { fc } from '../../support/property.js'
import { until } from '../../support/until.js'
import { MADE, type Made, PRICES, summarize } from '../made-requests.js'

interface Place {
  root: string
  /** A thread keeps no process running. */
  held: NodeJS.Timeout
}

const test = suite<Place>('rebuilder')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-rollups-'))
  place.held = setInterval(() => {}, 1_000)
})
test.after.each(({ root, held }) => {
  clearInterval(held)
  rmSync(root, { recursive: true, force: true })
})

const NOW = Date.parse('2026-06-10T12:34:56.000Z')
const DAY_MS = 86_400_000
const ALL = { range: { from: NOW - 89 * DAY_MS, to: NOW + 1 }, filter: {} }

/** What the ledger's own rollups do not tell. */
const DETAILS: readonly CountName[] = [
  ...(['cacheWriteTokens', 'cacheHits', 'prefixHits', 'joins', 'savedTokens', 'savedNano'] as const),
  ...(['failovers', 'hedges', 'promptCacheSavedNano'] as const),
]

function createRollups(): Rollups {
  return new Rollups({ zone: 'Europe/Berlin', now: () => NOW, sharedMs: 0 })
}

function createScene(folders: readonly string[], options: Partial<RebuilderOptions> = {}) {
  const rollups = createRollups()
  const recent = new RecentRequests()
  const log = { warn() {}, info() {} }
  const rebuilder = new Rebuilder({ rollups, recent, log, folders, prices: null, retryMs: 1, ...options })
  return { rollups, recent, rebuilder }
}

/** Writes the record of a request into the file of the day on which it ended. */
function write(
  folder: string,
  made: Made,
  seq: number,
  writer = 'w-1',
  worker: number | null = null,
): string {
  const summary = summarize(made, NOW, `tw-${writer}-${seq}`)
  const day = new Date(summary.closedAt).toISOString().slice(0, 10)
  const line = formatRecord(summary, writer, seq, PRICES)
  appendFileSync(join(folder, formatLedgerName(day, 1, worker)), line)
  return line
}

/** What counts live say of the same requests. */
function countLive(requests: readonly Made[]): Rollups {
  const rollups = createRollups()
  const counts = new RollupCounts(PRICES)
  for (const made of requests) {
    counts.record(summarize(made, NOW))
    for (const batch of counts.takeRows()) rollups.add(batch)
  }
  return rollups
}

function plain({ rows, sum }: TotalsTable, leaving: readonly CountName[] = []): unknown {
  const strip = (row: TotalsTable['sum']) => ({
    ...row,
    lastAt: null,
    counts: Object.fromEntries(
      COUNTS.filter((name) => !leaving.includes(name)).map((name) => [name, row.counts[name]]),
    ),
    latencies: leaving.length > 0 ? null : row.latencies,
  })
  return [rows.map(strip), strip(sum)]
}

const SAVED: readonly CountName[] = ['promptCacheSavedNano']

async function makeRollups(folder: string): Promise<void> {
  for (const day of listDays(listLedgerNames(readdirSync(folder))))
    if (isClosed(day.day, NOW)) await writeRollup(folder, day.day, (await buildRollup(folder, day)).text)
}

test('what is rebuilt from records is what was counted live, in all views', ({ root }) =>
  fc.assert(
    fc.asyncProperty(fc.array(MADE, { maxLength: 30 }), fc.boolean(), async (requests, rollsUp) => {
      rmSync(root, { recursive: true })
      mkdirSync(root)
      requests.forEach((made, i) => void write(root, made, i + 1, 'w-1', (i % 3) + 1))
      if (rollsUp) await makeRollups(root)
      const live = countLive(requests)
      const { rollups, rebuilder } = createScene([root])
      await rebuilder.readAll(await rebuilder.look())
      assert.is(rollups.completeFrom, null)
      assert.equal(rollups.problems, [])
      for (const minutes of [4, 60, 40 * 60, 80 * 24 * 60]) {
        const query = { range: { from: NOW - minutes * 60_000, to: NOW + 1 }, filter: {} }
        const isOld = rollups.detailFrom !== null && query.range.from < rollups.detailFrom
        const leaving = isOld ? DETAILS : SAVED
        for (const by of ['key', 'model'] as const)
          assert.equal(
            plain(await rollups.totals(query, by), leaving),
            plain(await live.totals(query, by), leaving),
          )
      }
      const [ours, theirs] = [await rollups.spend({}), await live.spend({})]
      assert.equal(ours.by, theirs.by)
      assert.equal(ours.days, theirs.days)
      for (const key of ['k_1', 'k_2', 'k_3'])
        if (!rollsUp) assert.is(rollups.lastSeen(key), live.lastSeen(key))
    }),
    { numRuns: 12 },
  ))

const PLAIN: Made = {
  ...{ key: 1, model: 'm1', upstream: 'openai', end: 'done', status: 200, streamError: null, prompt: 1_000 },
  ...{ cached: 0, completion: 10, cache: null, attempts: 1, failures: null, overtaken: null, tags: null },
  ...{ requests: 1, firstByteMs: 100, firstTokenMs: 200, totalMs: 1_000, age: 3_600_000 },
}

async function countOf(rollups: Rollups): Promise<number> {
  return (await rollups.totals(ALL, 'key')).sum.counts.requests
}

test('records that are written after the look count no more: they are counted live', async ({ root }) => {
  for (let seq = 1; seq <= 5; seq++) write(root, PLAIN, seq)
  write(root, PLAIN, 1, 'w-other')
  const { rollups, rebuilder } = createScene([root])
  const snapshot = await rebuilder.look()
  for (let seq = 1; seq <= 7; seq++) write(root, PLAIN, seq, 'w-live')
  await rebuilder.readAll(snapshot)
  assert.is(await countOf(rollups), 6)
})

test('a record counts once, also if it is in the file twice, or in the fallback too', async ({ root }) => {
  const [one, two] = [join(root, 'one'), join(root, 'two')]
  for (const folder of [one, two]) mkdirSync(folder)
  write(one, PLAIN, 1)
  write(one, PLAIN, 1)
  write(two, PLAIN, 1)
  write(two, PLAIN, 2)
  const old = { ...PLAIN, age: 10 * DAY_MS }
  write(one, old, 3)
  write(two, old, 3)
  await makeRollups(one)
  await makeRollups(two)
  const { rollups, rebuilder } = createScene([one, two])
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 3)
})

test('torn lines are passed over, and told of', async ({ root }) => {
  write(root, PLAIN, 1)
  const name = readdirSync(root)[0] as string
  appendFileSync(join(root, name), '{"v":1,"id":"tw-torn","seq":2,"wri\nno record\n')
  write(root, PLAIN, 3)
  const { rollups, rebuilder } = createScene([root])
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 2)
  assert.equal(rollups.problems, [{ path: join(root, name), code: 'torn' }])
})

test('a line that another relay is writing is not torn', async ({ root }) => {
  const lines = [write(root, PLAIN, 1), write(root, PLAIN, 2)]
  const path = join(root, readdirSync(root)[0] as string)
  truncateSync(path, lines.join('').length - 20)
  const { rollups, rebuilder } = createScene([root])
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 1)
  assert.equal(rollups.problems, [])
})

test('a folder that cannot be read is told of, and the other one is read', async ({ root }) => {
  const [one, two] = [join(root, 'one'), join(root, 'two')]
  mkdirSync(two)
  // Neither missing nor a folder: for root, no mode is in the way.
  writeFileSync(join(two, 'usage-2026-06-10.jsonl'), '')
  write(two, PLAIN, 1)
  mkdirSync(join(two, 'usage-2026-06-09.jsonl'))
  const { rollups, rebuilder } = createScene([`${one}\0`, two])
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 1)
  assert.equal(rollups.problems.map(({ code }) => code).sort(), ['EISDIR', 'ERR_INVALID_ARG_VALUE'])
})

test('a thread that dies goes on with the days that are missing, and counts none twice', async ({ root }) => {
  for (let day = 0; day < 6; day++) write(root, { ...PLAIN, age: day * DAY_MS + 3_600_000 }, day + 1)
  // A thread that ends after its second day, when it is asked for more.
  const module = join(root, 'dying.mjs')
  const real = new URL('../../../src/rollups/rebuild/rebuild.js', import.meta.url)
  writeFileSync(
    module,
    `import { once } from 'node:events'
     import { parentPort, workerData } from 'node:worker_threads'
     import { rebuild } from ${JSON.stringify(real.href)}
     let days = 0
     await rebuild(workerData, async (news) => {
       if (news.kind === 'part' && days === 2) process.exit(1)
       parentPort.postMessage(news)
       if (news.kind === 'day') days++
       if (news.kind !== 'end') await once(parentPort, 'message')
     })
     parentPort.close()`,
  )
  const { rollups, rebuilder } = createScene([root], { module: new URL(`file://${module}`) })
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 6)
  assert.is(rollups.completeFrom, null)
  assert.is(rollups.problems.filter(({ path }) => path === '').length, 2)
})

test('after some tries it is given up, and it is told from when on the sums are complete', async ({
  root,
}) => {
  write(root, PLAIN, 1)
  const module = join(root, 'broken.mjs')
  writeFileSync(module, `throw new Error('no')`)
  const { rollups, rebuilder } = createScene([root], { module: new URL(`file://${module}`) })
  await rebuilder.readAll(await rebuilder.look())
  assert.is(await countOf(rollups), 0)
  assert.is(rollups.completeFrom, NOW)
})

test('a relay that ends while it reads ends the thread', async ({ root }) => {
  for (let seq = 1; seq <= 200; seq++) write(root, { ...PLAIN, age: (seq % 80) * DAY_MS }, seq)
  const { rebuilder, rollups } = createScene([root])
  const reading = rebuilder.readAll(await rebuilder.look())
  await until(() => rollups.completeFrom !== NOW, 'the first day')
  rebuilder.close()
  await reading
  assert.is.not(rollups.completeFrom, null)
})

test('of a worker that died, only what it has not told of is read', async ({ root }) => {
  for (let seq = 1; seq <= 9; seq++) write(root, PLAIN, seq, 'w-dead', 2)
  for (let seq = 1; seq <= 9; seq++) write(root, PLAIN, seq, 'w-alive', 1)
  for (let seq = 1; seq <= 9; seq++) write(root, PLAIN, seq, 'w-next', 2)
  const { rollups, rebuilder } = createScene([root])
  await rebuilder.readLost({ writer: 'w-dead', after: 6 }, 2, NOW - 1_000)
  assert.is(await countOf(rollups), 3)
})

test('the last records of the ledger are there after a start, in their order', async ({ root }) => {
  for (let seq = 1; seq <= 4; seq++)
    write(root, { ...PLAIN, age: (10 - seq) * 60_000 }, seq, `w-${seq % 2}`, (seq % 2) + 1)
  const { recent, rebuilder } = createScene([root])
  await rebuilder.readAll(await rebuilder.look())
  assert.equal(
    (await recent.list({ limit: 9 })).map(({ seq }) => seq),
    [4, 3, 2, 1],
  )
})

test.run()

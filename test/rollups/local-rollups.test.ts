import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bookkeeper } from '../../src/ledger/write/bookkeeper.js'
import { LocalRollups, type Predecessor } from '../../src/rollups/local-rollups.js'
import { readLedger } from '../support/ledger.js'
import {
  clearRollupPlace,
  createRollupConfig,
  LOG,
  openRollupPlace,
  PLAIN,
  type RollupPlace,
} from '../support/rollup-place.js'
import { until } from '../support/until.js'
import { PRICES, summarize } from './made-requests.js'

const test = suite<RollupPlace>('local-rollups')

test.before.each(openRollupPlace)
test.after.each(clearRollupPlace)

/** One start of a relay. */
async function start(folder: string, recordsUsage = true, predecessor: Predecessor | null = null) {
  const config = createRollupConfig(folder)
  const ledger = recordsUsage ? new Bookkeeper(config.ledger, LOG, PRICES) : null
  const local = await LocalRollups.open({
    config,
    ledger,
    prices: PRICES,
    zone: 'UTC',
    log: LOG,
    predecessor,
  })
  let found = 0
  const count = (): number => {
    const now = Date.now()
    const query = { range: { from: now - 7_200_000, to: now + 60_000 }, filter: {} }
    void local.rollups.totals(query, 'key').then(({ sum }) => {
      found = sum.counts.requests
    })
    return found
  }
  // As the recorder does it.
  const sinks = ledger === null ? [local.sink] : [ledger, local.sink]
  const work = (requests: number): void => {
    for (let i = 0; i < requests; i++) {
      const summary = summarize(PLAIN, Date.now(), `tw-${i}`)
      for (const sink of sinks) sink.record(summary)
    }
  }
  const end = async (): Promise<void> => {
    local.close()
    await ledger?.close()
  }
  return { local, ledger, count, work, end }
}

test('a start has its own requests live and those of earlier starts from the ledger, each once', async ({
  folder,
}) => {
  const first = await start(folder)
  first.work(3)
  await until(() => first.count() === 3, 'the first requests')
  await first.end()
  const second = await start(folder)
  second.work(4)
  await until(() => second.count() === 7 && second.local.rollups.completeFrom === null, 'all requests')
  assert.is(second.local.recent.size, 7)
  assert.ok((second.local.rollups.lastSeen('k_1') ?? 0) > 0)
  await second.end()
})

test('a record of a start that was killed counts with the start that completes it', async ({ folder }) => {
  const { local, ledger, count, end } = await start(folder)
  const recordOf = (ledger as unknown as { adopt(format: (writer: string, seq: number) => string): string })
    .adopt
  const ts = new Date().toISOString()
  recordOf.call(
    ledger,
    (writer, seq) => `{"v":1,"id":"tw-9","seq":${seq},"writer":"${writer}","ts":"${ts}","end":"crashed"}\n`,
  )
  await until(() => count() === 1, 'the record')
  assert.is((await local.recent.find('tw-9'))?.end, 'crashed')
  await end()
})

test('records of the process before count once: from its files up to a number, and else as they come', async ({
  folder,
}) => {
  const before = await start(folder)
  before.work(5)
  const { writer } = before.ledger as Bookkeeper
  await before.end()
  // It has written two more by the time at which the sizes are taken: these come to `take`.
  const taken = readLedger(folder).slice(3) as { readonly id: string }[]
  assert.is(taken.length, 2)
  let waits = 0
  const after = await start(folder, true, {
    ceiling: { writer, lastSeq: 3 },
    whenWritten: async () => void waits++,
    hasCounted: (id) => taken.some((record) => record.id === id),
  })
  assert.is(waits, 1)
  await until(() => after.count() === 3 && after.local.rollups.completeFrom === null, 'those of the ledger')
  for (const record of taken) after.local.take(JSON.stringify(record))
  await until(() => after.count() === 5, 'those that have come')
  // One that did not reach the disk, as its process was killed, is recovered.
  const ledger = after.ledger as unknown as { adopt(format: (writer: string, seq: number) => string): string }
  for (const id of [taken[0]?.id ?? '', 'tw-9'])
    ledger.adopt((writer, seq) => `${JSON.stringify({ ...taken[0], id, seq, writer, end: 'crashed' })}\n`)
  await until(() => after.count() === 6, 'the one that is new')
  assert.is(after.local.recent.size, 6)
  await after.end()
})

test('without a ledger, requests are counted, and none is kept', async ({ folder }) => {
  const { local, count, work, end } = await start(folder, false)
  work(2)
  await until(() => count() === 2, 'the requests')
  assert.is(local.recent.size, 0)
  assert.is(local.rollups.completeFrom, null)
  await end()
})

test.run()

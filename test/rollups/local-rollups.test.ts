import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { Bookkeeper } from '../../src/ledger/write/bookkeeper.js'
import { LocalRollups } from '../../src/rollups/local-rollups.js'
import { until } from '../support/until.js'
import { type Made, PRICES, summarize } from './made-requests.js'

interface Place {
  folder: string
  held: NodeJS.Timeout
}

const test = suite<Place>('local-rollups')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-local-rollups-'))
  place.held = setInterval(() => {}, 1_000)
})
test.after.each(({ folder, held }) => {
  clearInterval(held)
  rmSync(folder, { recursive: true, force: true })
})

const LOG = { warn() {}, info() {}, error() {} }

const PLAIN: Made = {
  ...{ key: 1, model: 'm1', upstream: 'openai', end: 'done', status: 200, streamError: null, prompt: 1_000 },
  ...{ cached: 0, completion: 10, cache: null, attempts: 1, failures: null, overtaken: null, tags: null },
  ...{ requests: 1, firstByteMs: 100, firstTokenMs: 200, totalMs: 1_000, age: 1_000 },
}

/** One start of a relay. */
async function start(folder: string, recordsUsage = true) {
  const { ledger: options, upstreams } = loadConfig({ env: {}, cwd: folder })
  const config = { ledger: { ...options, folder, fsync: 'never' as const, flushMs: 1 }, upstreams }
  const ledger = recordsUsage ? new Bookkeeper(config.ledger, LOG, PRICES) : null
  const local = await LocalRollups.open({ config, ledger, prices: PRICES, zone: 'UTC', log: LOG })
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
  assert.is(local.recent.find('tw-9')?.end, 'crashed')
  await end()
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

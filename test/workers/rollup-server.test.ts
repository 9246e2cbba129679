import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLedgerName } from '../../src/ledger/files.js'
import { formatRecord } from '../../src/ledger/record.js'
import { Bookkeeper } from '../../src/ledger/write/bookkeeper.js'
import { createLinkPair } from '../../src/workers/link.js'
import { RollupReporter } from '../../src/workers/rollup-reporter.js'
import { RollupServer } from '../../src/workers/rollup-server.js'
import { PRICES, summarize } from '../rollups/made-requests.js'
import {
  clearRollupPlace,
  createRollupConfig,
  LOG,
  openRollupPlace,
  PLAIN,
  type RollupPlace,
} from '../support/rollup-place.js'
import { until } from '../support/until.js'

const test = suite<RollupPlace>('rollup-server')

test.before.each(openRollupPlace)
test.after.each(clearRollupPlace)

/** A worker that makes records, and tells the primary of them. */
function createWorker(server: RollupServer, folder: string, number: number) {
  const [primary, link] = createLinkPair()
  server.follow(number, primary)
  const ledger = new Bookkeeper(createRollupConfig(folder).ledger, LOG, PRICES, number)
  const reporter = new RollupReporter({ link, ledger, prices: PRICES })
  let count = 0
  const work = (requests: number): void => {
    for (let i = 0; i < requests; i++) {
      count++
      ledger.record(summarize(PLAIN, Date.now(), `tw-${number}-${count}`))
    }
  }
  return { link, ledger, reporter, work }
}

function openServer(folder: string): Promise<RollupServer> {
  return RollupServer.open({ config: createRollupConfig(folder), zone: 'UTC', log: LOG }, 1)
}

/** Requests of the last hours, which is asked again and again. */
function countRequests(server: RollupServer): () => number {
  let found = 0
  const ask = async (): Promise<void> => {
    const now = Date.now()
    const query = { range: { from: now - 7_200_000, to: now + 60_000 }, filter: {} }
    found = (await server.rollups.totals(query, 'key')).sum.counts.requests
  }
  return () => {
    void ask()
    return found
  }
}

test('the primary has what all workers count, and their last records', async ({ folder }) => {
  const server = await openServer(folder)
  const workers = [1, 2, 3].map((number) => createWorker(server, folder, number))
  for (const [i, { work }] of workers.entries()) work(i + 1)
  const count = countRequests(server)
  await until(() => count() === 6, 'all requests')
  assert.is(server.recent.size, 6)
  assert.is.not(await server.recent.find('tw-3-2'), null)
  for (const { reporter, ledger } of workers) {
    reporter.close()
    await ledger.close()
  }
  server.close()
})

test('a worker that ends has told all, and nothing of it is counted twice', async ({ folder }) => {
  const server = await openServer(folder)
  const one = createWorker(server, folder, 1)
  one.work(5)
  await one.ledger.close()
  one.reporter.close()
  const count = countRequests(server)
  await until(() => count() === 5, 'the requests of the worker')
  one.link.cut()
  // Its successor has the same number, and so the same file.
  const two = createWorker(server, folder, 1)
  two.work(3)
  await until(() => count() >= 8, 'the requests of its successor')
  assert.is(count(), 8)
  two.reporter.close()
  await two.ledger.close()
  server.close()
})

test('what a worker that is killed has not told of comes from the ledger, once', async ({ folder }) => {
  const server = await openServer(folder)
  const dead = createWorker(server, folder, 1)
  const count = countRequests(server)
  dead.work(4)
  await until(() => count() === 4, 'what it has told')
  await dead.ledger.close()
  // Behind its last report: its ledger has written these.
  const at = Date.now()
  for (let seq = 5; seq <= 7; seq++) {
    const line = formatRecord(summarize(PLAIN, at, `tw-1-${seq}`), dead.ledger.writer, seq, PRICES)
    appendFileSync(join(folder, formatLedgerName(new Date(at).toISOString().slice(0, 10), 1, 1)), line)
  }
  dead.link.cut()
  await until(() => count() === 7, 'what it has not told')
  server.close()
})

test('earlier starts count from the ledger, and the workers of this one live', async ({ folder }) => {
  const before = await openServer(folder)
  const old = createWorker(before, folder, 1)
  old.work(10)
  old.reporter.close()
  await old.ledger.close()
  before.close()
  const server = await openServer(folder)
  const worker = createWorker(server, folder, 1)
  worker.work(2)
  const count = countRequests(server)
  await until(() => count() === 12 && server.rollups.completeFrom === null, 'both')
  assert.is(server.recent.size, 12)
  worker.reporter.close()
  await worker.ledger.close()
  server.close()
})

test.run()

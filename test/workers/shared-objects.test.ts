import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OwnObjectBooks } from '../../src/stored/object-books.js'
import { createLinkPair } from '../../src/workers/link.js'
import { StoredServer } from '../../src/workers/stored-server.js'
import { ThoughtServer } from '../../src/workers/thought-server.js'
import { WorkersMetrics } from '../../src/workers/workers-metrics.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { StoredProvider } from '../support/stored-provider.js'
import { listBilled, send } from '../support/stored-scene.js'

interface Scene {
  readonly provider: StoredProvider
  readonly one: TestRelay
  readonly two: TestRelay
  readonly metrics: WorkersMetrics
}

/** Runs two workers of one relay in this process. */
async function withWorkers(act: (scene: Scene) => Promise<void>): Promise<void> {
  const provider = await StoredProvider.start('a')
  const books = new OwnObjectBooks({ objects: 1_000, days: 30 }, null, { warn() {}, info() {} }, () => {})
  const stored = new StoredServer(books)
  const thoughts = new ThoughtServer({ maxBytes: 1_000_000, maxAgeMs: 1_000_000 })
  const metrics = new WorkersMetrics(() => ({ configured: 2, ready: 2, restarts: 0 }), 60_000)
  const start = (number: number): Promise<TestRelay> => {
    const [primary, link] = createLinkPair()
    for (const server of [stored, thoughts]) server.follow(primary)
    metrics.follow(number, primary)
    const upstreams = { a: { baseUrl: provider.url } }
    const settings = { metrics: { listen: '127.0.0.1:0' }, limits: { maxConcurrentRequests: 5 } }
    return startRelay(upstreams, settings, {}, null, null, { number, count: 2, link })
  }
  const [one, two] = [await start(1), await start(2)]
  try {
    await act({ provider, one, two, metrics })
  } finally {
    await Promise.all([one.close(), two.close()])
    await provider.close()
  }
}

const BACKGROUND = { model: 'm', input: 'hi', background: true }

test('a response that one worker made has its tokens in one record, whichever workers see them', () =>
  withWorkers(async ({ one, two }) => {
    const { id } = await send(one.port, one.key, 'POST', '/responses', BACKGROUND)
    for (let i = 0; i < 4; i++)
      for (const { port, key } of [two, one]) {
        const got = await send(port, key, 'GET', `/responses/${id}`)
        assert.is(got.status, 200)
      }
    const records = [...(await one.records(5)), ...(await two.records(4))]
    assert.is(listBilled(records).length, 1)
  }))

test('at another worker, too, an object does not exist for another team', () =>
  withWorkers(async ({ one, two, provider }) => {
    const { id } = await send(one.port, one.key, 'POST', '/responses', { model: 'm', input: 'hi' })
    const got = await send(two.port, two.addKey('other'), 'GET', `/responses/${id}`)
    assert.is(got.status, 404)
    assert.ok(provider.kept.has(id))
    assert.is((await send(two.port, two.key, 'GET', `/responses/${id}`)).status, 200)
    const unknown = await send(two.port, two.key, 'GET', '/responses/resp_unknown')
    assert.is(unknown.status, 404)
  }))

test('the primary shows the requests of all workers, and each worker has its part of a bound', () =>
  withWorkers(async ({ one, two, metrics }) => {
    for (const { port, key } of [one, two])
      await send(port, key, 'POST', '/responses', { model: 'm', input: 'hi' })
    await one.records(1)
    await two.records(1)
    assert.match(await metrics.render(), /^thinwire_requests_total\{.*status="200".*\} 2$/m)
    assert.is(one.metricsPort, null)
    assert.is(one.app.config.limits.maxConcurrentRequests, 2)
  }))

test.run()

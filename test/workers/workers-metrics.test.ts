import { type ChildProcess, fork } from 'node:child_process'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MetricsServer } from '../../src/admin/metrics-server.js'
import { createLinkPair, type Link, openLink } from '../../src/workers/link.js'
import { WorkersMetrics } from '../../src/workers/workers-metrics.js'
import { until } from '../support/until.js'

const COUNTS = { configured: 2, ready: 2, restarts: 1 }
const CHILD = fileURLToPath(new URL('metrics-child.js', import.meta.url))
const DURATION = 'thinwire_request_duration_seconds'

function readValue(text: string, series: string): number | null {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? null : Number(line.slice(series.length + 1))
}

/** The requests of all workers. */
function countOf(text: string): number | null {
  const [, count] = /^thinwire_requests_total\{.*\} (\d+)$/m.exec(text) ?? []
  return count === undefined ? null : Number(count)
}

interface Child {
  readonly process: ChildProcess
  readonly link: Link
}

/** Runs workers as processes of their own, and the metrics of all of them. */
async function withChildren(
  act: (metrics: WorkersMetrics, start: (number: number) => Child, server: number) => Promise<void>,
  scrapeMs: number,
): Promise<void> {
  const metrics = new WorkersMetrics(() => COUNTS, scrapeMs)
  const children: Child[] = []
  const start = (number: number): Child => {
    const process = fork(CHILD, { serialization: 'advanced' })
    const link = openLink(process as Parameters<typeof openLink>[0])
    metrics.follow(number, link)
    children.push({ process, link })
    return { process, link }
  }
  const server = new MetricsServer(metrics, [], { info() {} })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  try {
    await act(metrics, start, port)
  } finally {
    server.close()
    for (const { process } of children) process.kill('SIGKILL')
  }
}

test('the metrics of all workers are those of one relay, and nothing is lost or goes back when one is killed', () =>
  withChildren(async (metrics, start) => {
    const [one, two] = [start(1), start(2)]
    for (const { link } of [one, two, two]) link.send('control', 'request')
    const first = await metrics.render()
    assert.is(countOf(first), 3)
    assert.is(readValue(first, `${DURATION}_count{upstream="up"}`), 3)
    assert.is(readValue(first, `${DURATION}_bucket{le="0.025",upstream="up"}`), 3)
    assert.is(readValue(first, 'thinwire_requests_in_flight'), 4)
    assert.is(readValue(first, 'thinwire_workers{state="ready"}'), 2)
    assert.is(readValue(first, 'thinwire_worker_restarts_total'), 1)
    assert.is(first.match(/^thinwire_build_info\{/gm)?.length, 1)
    for (const name of ['1', '2', 'primary'])
      assert.ok((readValue(first, `process_resident_memory_bytes{worker="${name}"}`) ?? 0) > 0, name)
    two.process.kill('SIGKILL')
    await until(() => !two.link.isOpen, 'the end of a worker')
    const next = start(2)
    next.link.send('control', 'request')
    const second = await metrics.render()
    assert.is(countOf(second), 4)
    assert.is(readValue(second, `${DURATION}_count{upstream="up"}`), 4)
    assert.is(readValue(second, 'thinwire_requests_in_flight'), 4)
  }, 60_000))

test('a scrape does not wait for a worker that hangs, and shows what it has sent last', () =>
  withChildren(async (metrics, start) => {
    const [one, two] = [start(1), start(2)]
    for (const { link } of [one, two]) link.send('control', 'request')
    for (let text = ''; countOf(text) !== 2; ) text = await metrics.render()
    two.link.send('control', 'hang')
    one.link.send('control', 'request')
    for (let text = ''; countOf(text) !== 3; ) text = await metrics.render()
  }, 300))

test('scrapes at one time ask each worker once', async () => {
  const metrics = new WorkersMetrics(() => COUNTS, 60_000)
  const [primary, worker] = createLinkPair()
  metrics.follow(1, primary)
  let asked = 0
  worker.receive('metrics', (message) => {
    asked++
    const { scrape } = message as { readonly scrape: number }
    worker.send('metrics', { kind: 'figures', scrape, metrics: [] })
  })
  const texts = await Promise.all([metrics.render(), metrics.render(), metrics.render()])
  assert.is(asked, 1)
  assert.is(new Set(texts).size, 1)
  await metrics.render()
  assert.is(asked, 2)
})

test('a worker that ends while a scrape waits for it does not hold it up', async () => {
  const metrics = new WorkersMetrics(() => COUNTS, 3_600_000)
  const [primary, worker] = createLinkPair()
  metrics.follow(1, primary)
  worker.receive('metrics', () => worker.cut())
  assert.match(await metrics.render(), /thinwire_workers/)
})

/** Asks for a profile. @returns status and body */
function askProfile(port: number, query: string): Promise<readonly [number, string]> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-thinwire-profile': '1' }
    const req = request({ port, method: 'POST', path: `/profile?${query}`, headers }, (res) => {
      let text = ''
      res.on('data', (piece) => {
        text += piece
      })
      res.on('close', () => resolve([res.statusCode ?? 0, res.complete ? text : 'broken off']))
    })
    req.on('error', reject).end()
  })
}

/** Begins a profile of the second worker. It is running when the next one is refused. */
async function beginLongProfile(port: number): Promise<{ long: Promise<readonly [number, string]> }> {
  for (;;) {
    const long = askProfile(port, 'seconds=60&worker=2')
    let isRefused = false
    void long.then(([status]) => {
      isRefused = status === 409
    })
    // A busy machine may take the other one first, and refuse this one.
    while (!isRefused) if ((await askProfile(port, 'seconds=1'))[0] === 409) return { long }
  }
}

test('a profile is that of the worker that was asked for', () =>
  withChildren(async (_metrics, start, port) => {
    start(1)
    const two = start(2)
    const [status, text] = await askProfile(port, 'seconds=1&worker=2')
    assert.is(status, 200)
    const { nodes, thinwire } = JSON.parse(text)
    assert.ok(nodes.length > 0)
    assert.is(thinwire.requests, 0)
    assert.is((await askProfile(port, 'seconds=1&worker=3'))[0], 404)
    const { long } = await beginLongProfile(port)
    two.process.kill('SIGKILL')
    const [, rest] = await long
    assert.ok(rest === 'broken off' || /cannot be profiled/.test(rest), rest)
    assert.is((await askProfile(port, 'seconds=1'))[0], 200)
  }, 60_000))

test.run()

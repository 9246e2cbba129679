import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundCounters } from '../../src/lib/limit-counters.js'
import { Metrics, type MetricsSource } from '../../src/observe/metrics.js'
import { Readiness } from '../../src/observe/readiness.js'
import { MergedMetrics, type MetricsOrigin, type SentMetric } from '../../src/workers/merged-metrics.js'
import { MERGE_RULES } from '../../src/workers/metric-rules.js'
import { WorkersMetrics } from '../../src/workers/workers-metrics.js'
import { fc } from '../support/property.js'

const SOURCE: MetricsSource = {
  draining: false,
  hasFiles: true,
  readiness: new Readiness(),
  openCount: 0,
  bufferedBytes: 0,
  cacheBytes: 0,
  bounds: new BoundCounters(),
  targetHealth: new Map(),
  ledgerState: null,
}

test('each metric of a relay and of its primary has a rule that says how those of several workers become one', async () => {
  const metrics = new Metrics()
  metrics.followCertificate(() => 0)
  const names = (await metrics.list(SOURCE)).map(({ name }) => name)
  const page = await new WorkersMetrics(() => ({ configured: 1, ready: 1, restarts: 0 })).render()
  names.push(...[...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  assert.ok(names.includes('thinwire_worker_restarts_total'))
  assert.equal(
    names.filter((name) => !(name in MERGE_RULES)),
    [],
  )
})

/** The value of a line of the text format; null if there is none. */
function readValue(text: string, series: string): number | null {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? null : Number(line.slice(series.length + 1))
}

const gauge = (name: string, value: number, labels = {}): SentMetric => ({
  ...{ name, help: 'Help.', type: 'gauge' },
  values: [{ labels, value }],
})

const counter = (name: string, value: number, labels = {}): SentMetric => ({
  ...{ name, help: 'Help.', type: 'counter' },
  values: [{ labels, value }],
})

test('gauges are added up, or the largest, the smallest or each of them is shown, and those of a process that ended go', async () => {
  const merged = new MergedMetrics()
  const [one, two] = [{ name: '1' }, { name: '2' }]
  const send = (process: MetricsOrigin, value: number): void =>
    merged.take(process, [
      gauge('thinwire_requests_in_flight', value),
      gauge('thinwire_target_cooldown_seconds', value, { target: 'up' }),
      gauge('thinwire_tls_certificate_expiry_seconds', value),
      gauge('process_resident_memory_bytes', value),
    ])
  send(one, 3)
  send(two, 5)
  let text = await merged.render()
  assert.is(readValue(text, 'thinwire_requests_in_flight'), 8)
  assert.is(readValue(text, 'thinwire_target_cooldown_seconds{target="up"}'), 5)
  assert.is(readValue(text, 'thinwire_tls_certificate_expiry_seconds'), 3)
  assert.is(readValue(text, 'process_resident_memory_bytes{worker="1"}'), 3)
  assert.is(readValue(text, 'process_resident_memory_bytes{worker="2"}'), 5)
  merged.end(two)
  text = await merged.render()
  assert.is(readValue(text, 'thinwire_requests_in_flight'), 3)
  assert.is(readValue(text, 'process_resident_memory_bytes{worker="2"}'), null)
})

test('a worker that takes the place of another one is shown under its number, beside what both have counted', async () => {
  const merged = new MergedMetrics()
  const [before, after] = [{ name: '1' }, { name: '1' }]
  merged.take(before, [counter('process_cpu_seconds_total', 5), gauge('process_heap_bytes', 100)])
  merged.take(after, [counter('process_cpu_seconds_total', 1), gauge('process_heap_bytes', 7)])
  assert.is(readValue(await merged.render(), 'process_heap_bytes{worker="1"}'), 7)
  merged.end(before)
  const text = await merged.render()
  assert.is(readValue(text, 'process_cpu_seconds_total{worker="1"}'), 6)
  assert.is(readValue(text, 'process_heap_bytes{worker="1"}'), 7)
})

/** What happens to one of three workers. */
type Step = readonly [worker: number, what: 'count' | 'send' | 'end' | 'reset', amount: number]

const STEPS = fc.array(
  fc.tuple(
    fc.nat(2),
    fc.constantFrom('count' as const, 'count' as const, 'send' as const, 'end' as const, 'reset' as const),
    fc.integer({ min: 1, max: 9 }),
  ),
  { maxLength: 60 },
)

test('counters never go back and lose nothing that was sent, whichever workers end, begin again or are late', () =>
  fc.assert(
    fc.asyncProperty(STEPS, async (steps: readonly Step[]) => {
      const merged = new MergedMetrics()
      const workers = [0, 1, 2].map((n) => ({ origin: { name: String(n) }, requests: 0, seconds: 0 }))
      let [sent, before, beforeSeconds] = [0, 0, 0]
      /** What of each worker was sent. */
      const told = [0, 0, 0]
      for (const [n, what, amount] of steps) {
        const worker = workers[n] as (typeof workers)[number]
        if (what === 'count') {
          worker.requests += amount
          worker.seconds += amount / 10
        } else if (what === 'send') {
          const { origin, requests, seconds } = worker
          merged.take(origin, [
            counter('thinwire_requests_total', requests, { team: 'a', end: 'done' }),
            counter('thinwire_phase_seconds_total', seconds, { phase: 'plan' }),
          ])
          // What was counted again from zero is seen only where it has not come to the value of before.
          sent += requests < (told[n] as number) ? requests : requests - (told[n] as number)
          told[n] = requests
        } else {
          if (what === 'end') {
            merged.end(worker.origin)
            worker.origin = { name: String(n) }
            told[n] = 0
          }
          worker.requests = 0
          worker.seconds = 0
        }
        const text = await merged.render()
        const now = readValue(text, 'thinwire_requests_total{team="a",end="done"}') ?? 0
        const seconds = readValue(text, 'thinwire_phase_seconds_total{phase="plan"}') ?? 0
        assert.is(now, sent)
        assert.ok(now >= before && seconds >= beforeSeconds, `${seconds} after ${beforeSeconds}`)
        before = now
        beforeSeconds = seconds
      }
    }),
  ))

test.run()

import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { BoundCounters } from '../../src/lib/limit-counters.js'
import { Metrics, type MetricsSource } from '../../src/observe/metrics.js'
import { Readiness } from '../../src/observe/readiness.js'
import { BREAKER_DEFAULTS, CircuitBreaker } from '../../src/routing/circuit-breaker.js'

const NOTHING: MetricsSource = {
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

test('each time of a request is observed in seconds in its own histogram', async () => {
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const exchange = new Exchange(req, {} as ServerResponse, 1_000)
  exchange.startAttempts(1_500)
  exchange.setWinner({ upstream: { name: 'up' }, keyName: null, model: null }, 1_500)
  exchange.startResponse(200, null, 3_500)
  exchange.markHeadSent(3_500)
  exchange.conclude('done')
  const summary = exchange.close(9_000) as RequestSummary
  Object.defineProperty(summary, 'firstTokenMs', { value: 4_000 })
  const metrics = new Metrics()
  metrics.record(summary)
  const text = await metrics.render(NOTHING)
  const sums = [...text.matchAll(/^thinwire_(\w+_seconds)_sum(?:\{upstream="up"\})? (\S+)$/gm)]
  assert.equal(
    sums.map(([, name, sum]) => [name, Number(sum)]),
    [
      ['request_duration_seconds', 8],
      ['first_token_seconds', 4],
      ['upstream_first_byte_seconds', 2],
      ['overhead_seconds', 0.5],
    ],
  )
})

test('requests that failed are counted by what shows it, also those with an error within a stream', async () => {
  const metrics = new Metrics()
  const record = (
    status: number,
    end: 'done' | 'upstream_cut' | 'client_gone',
    error: string | null,
  ): void => {
    const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
    const exchange = new Exchange(req, {} as ServerResponse, 0)
    exchange.setWinner({ upstream: { name: 'up' }, keyName: null, model: null }, 0)
    exchange.startResponse(status, null, 1)
    exchange.conclude(end)
    const summary = exchange.close(2) as RequestSummary
    Object.defineProperty(summary, 'stats', { value: { error } })
    metrics.record(summary)
  }
  record(200, 'done', null)
  record(200, 'client_gone', null)
  record(200, 'done', 'overloaded_error')
  record(200, 'client_gone', 'server_error')
  record(200, 'upstream_cut', null)
  record(429, 'done', 'rate_limit_error')
  const text = await metrics.render(NOTHING)
  const counts = [
    ...text.matchAll(/^thinwire_request_errors_total\{team="",upstream="up",sign="(\w+)"\} (\d+)$/gm),
  ]
  assert.equal(counts.map(([, sign, count]) => `${sign} ${count}`).sort(), [
    'end 1',
    'status 1',
    'stream_error 2',
  ])
})

test('a target whose key is refused, spent, or whose model is missing is shown with the reason', async () => {
  const breaker = new CircuitBreaker(BREAKER_DEFAULTS, () => {}).snapshot(0)
  const reasons = ['credential', 'quota', 'model', null] as const
  const targetHealth = new Map(reasons.map((refused) => [`a#${refused}`, { ...breaker, refused }]))
  const text = await new Metrics().render({ ...NOTHING, targetHealth })
  for (const refused of reasons)
    for (const why of ['credential', 'quota', 'model'])
      assert.ok(
        text.includes(
          `thinwire_target_refused{target="a#${refused}",why="${why}"} ${refused === why ? 1 : 0}\n`,
        ),
        `${refused} ${why}`,
      )
})

test('limits are read at each scrape, and those of an earlier config disappear', async () => {
  const metrics = new Metrics()
  assert.match(await metrics.render(NOTHING), /^# TYPE thinwire_limit_counters gauge$/m)
  let rule = 'first'
  metrics.followLimits(async () => ({
    refusals: [
      { rule, kind: 'budget', observed: false, count: 3 },
      { rule, kind: 'budget', observed: true, count: 4 },
    ],
    amounts: [
      { rule, unit: 'usd', period: 'month', usedRatio: 0.8, held: 1.5 },
      { rule, unit: 'tokens', period: 'minute', usedRatio: 0.2, held: 0 },
    ],
    counters: 7,
    alerts: { sent: 2, failed: 1, waiting: 5 },
  }))
  const read = async (): Promise<string[]> =>
    (await metrics.render(NOTHING)).split('\n').filter((line) => /^thinwire_limit/.test(line))
  const expected = (name: string): string[] => [
    `thinwire_limit_refusals_total{rule="${name}",kind="budget",observed="false"} 3`,
    `thinwire_limit_refusals_total{rule="${name}",kind="budget",observed="true"} 4`,
    `thinwire_limit_used_ratio{rule="${name}",unit="usd",period="month"} 0.8`,
    `thinwire_limit_used_ratio{rule="${name}",unit="tokens",period="minute"} 0.2`,
    `thinwire_limit_held{rule="${name}",unit="usd",period="month"} 1.5`,
    'thinwire_limit_counters 7',
    'thinwire_limit_alerts_total{outcome="sent"} 2',
    'thinwire_limit_alerts_total{outcome="failed"} 1',
    'thinwire_limit_alerts_waiting 5',
  ]
  assert.equal(await read(), expected('first'))
  rule = 'second'
  assert.equal(await read(), expected('second'))
})

test.run()

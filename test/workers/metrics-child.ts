import { createPage } from '../../src/admin/metrics-server.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { BoundCounters } from '../../src/lib/limit-counters.js'
import { Metrics, type MetricsSource } from '../../src/observe/metrics.js'
import { Readiness } from '../../src/observe/readiness.js'
import { openLink } from '../../src/workers/link.js'
import { MetricsReporter } from '../../src/workers/metrics-reporter.js'

/** A worker that has metrics and nothing else: its parent says when a request has ended, or that it is to hang. */

const metrics = new Metrics()
const source: MetricsSource = {
  draining: false,
  hasFiles: true,
  readiness: new Readiness(),
  openCount: 2,
  bufferedBytes: 0,
  cacheBytes: 0,
  bounds: new BoundCounters(),
  targetHealth: new Map(),
  ledgerState: null,
}
const { profiler } = createPage(metrics, source)
const link = openLink(process)
new MetricsReporter({ link, list: () => metrics.list(source), profiler }, 3_600_000)
link.receive('control', (message) => {
  if (message === 'hang') for (;;);
  metrics.record(createSummary())
})

function createSummary(): RequestSummary {
  return {
    requests: 1,
    request: { key: null, api: 'openai' },
    outcome: { upstream: 'up', status: 200, end: 'done', cache: null, phase: 'respond', failures: null },
    usage: { usage: null, source: 'none' },
    stats: null,
    savedUsage: null,
    totalMs: 20,
    firstTokenMs: null,
    overheadMs: 1,
    timeline: { upstreamMs: null },
    phaseShares: {},
  } as unknown as RequestSummary
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, Registry } from 'prom-client'
import { test } from 'uvu'
import { equal } from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { RequestCounts } from '../../src/observe/request-counts.js'
import { fc } from '../support/property.js'

interface Case {
  readonly upstream: string | null
  readonly status: number | null
  readonly end: 'done' | 'client_gone'
  readonly prompt: number | null
  readonly completion: number
  readonly source: 'upstream' | 'cache'
  readonly requests: number
  /** Quarters of a dollar, so that sums are exact; null: no price; undefined: no ledger has computed it. */
  readonly quarters: number | null | undefined
  /** Somebody scrapes the metrics before it. */
  readonly isScraped: boolean
}

const CASE: fc.Arbitrary<Case> = fc.record({
  upstream: fc.constantFrom(null, 'openai', 'azure'),
  status: fc.constantFrom(null, 200, 429),
  end: fc.constantFrom('done', 'client_gone'),
  prompt: fc.constantFrom(null, 0, 7),
  completion: fc.nat(9),
  source: fc.constantFrom('upstream', 'cache'),
  requests: fc.constantFrom(1, 1, 1, 5),
  quarters: fc.constantFrom(undefined, null, 0, 1, 6),
  isScraped: fc.boolean(),
})

function summarize({
  upstream,
  status,
  end,
  prompt,
  completion,
  source,
  requests,
  quarters,
}: Case): RequestSummary {
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const exchange = new Exchange(req, {} as ServerResponse, 0)
  exchange.setUpstream(upstream)
  if (status !== null) exchange.startLocalResponse(status, 0)
  exchange.conclude(end)
  const summary = exchange.close(1) as RequestSummary
  const usage = { prompt, cached: null, cacheWritten: null, completion, reasoning: null, details: null }
  Object.defineProperty(summary, 'usage', { value: { usage, source } })
  const nano = quarters == null ? null : quarters * 250_000_000
  return Object.assign(summary, { requests, charge: quarters === undefined ? null : { nano, source: null } })
}

/** Lines of the text that have a number, in any order. */
async function linesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics())
    .split('\n')
    .filter((line) => /^thinwire_/.test(line))
    .sort()
}

test('requests that are added up between scrapes give the numbers of requests counted one by one', () =>
  fc.assert(
    fc.asyncProperty(fc.array(CASE, { maxLength: 30 }), async (cases) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const counts = new RequestCounts(ours)
      const counter = (name: string, labelNames: string[]): Counter =>
        new Counter({ name: `thinwire_${name}`, help: name, labelNames, registers: [theirs] })
      const names = ['team', 'upstream', 'dialect', 'end', 'cache', 'status']
      const requests = counter('requests_total', names)
      const phases = counter('request_phases_total', ['phase'])
      const tokens = counter('tokens_total', ['team', 'upstream', 'kind', 'source'])
      const cost = counter('cost_usd_total', ['team', 'upstream'])
      const unpriced = counter('unpriced_requests_total', ['team', 'upstream'])
      for (const one of cases) {
        if (one.isScraped) counts.show()
        counts.add(summarize(one))
        const [upstream, team] = [one.upstream ?? '', '']
        const labels = {
          team,
          upstream,
          dialect: 'openai',
          end: one.end,
          cache: '',
          status: one.status ?? '',
        }
        requests.inc(labels, one.requests)
        phases.inc({ phase: 'admit' }, one.requests)
        if (one.source === 'cache' || one.requests > 1) continue
        for (const kind of ['prompt', 'completion'] as const)
          if ((one[kind] ?? 0) > 0) tokens.inc({ team, upstream, kind, source: one.source }, one[kind] ?? 0)
        if (one.quarters === null) unpriced.inc({ team, upstream })
        else if ((one.quarters ?? 0) > 0) cost.inc({ team, upstream }, (one.quarters ?? 0) / 4)
      }
      counts.show()
      equal(await linesOf(ours), await linesOf(theirs))
    }),
  ))

test.run()

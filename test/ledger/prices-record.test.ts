import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { Prices } from '../../src/ledger/prices.js'
import { formatRecord } from '../../src/ledger/record.js'
import type { UsageDetails } from '../../src/metering/usage.js'

const NO_DETAILS: UsageDetails = {
  ...{ cacheWrittenHour: null, audioPrompt: null, audioCompletion: null, imagePrompt: null },
  ...{ imageCompletion: null, searches: null, tier: null, costNano: null, passes: null },
}

const prices = Prices.from('prices.json', {
  m: {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 4e-6,
    input_cost_per_token_flex: 5e-7,
    search_context_cost_per_query: 0.01,
  },
})

/** The cost and its source, as they stand in the text of a record of a response with these details. */
function costOf(details: Partial<UsageDetails>, of: Prices | null = prices): string[] {
  const req = { method: 'POST', rawHeaders: [] } as unknown as IncomingMessage
  const exchange = new Exchange(req, {} as ServerResponse, 1_000)
  exchange.conclude('done')
  const summary = exchange.close(9_000) as RequestSummary
  const usage = { prompt: 1_000, cached: null, cacheWritten: null, completion: 100, reasoning: null }
  Object.defineProperty(summary, 'stats', { value: { model: 'm' } })
  Object.defineProperty(summary, 'usage', {
    value: { usage: { ...usage, details: { ...NO_DETAILS, ...details } }, source: 'upstream' },
  })
  const line = formatRecord(summary, 'w-1', 1, of)
  return [...line.matchAll(/"(?:cost_usd|price_source)":([^,]+)/g)].map(([, value = '']) => value)
}

test('a record has the cost that the response itself reports, to the nano-dollar', () => {
  assert.equal(costOf({ costNano: 1_234_567 }), ['0.001234567', '"upstream"'])
  assert.equal(costOf({ costNano: 12_000_000_001 }), ['12.000000001', '"upstream"'])
  assert.equal(costOf({ costNano: 0 }), ['0', '"upstream"'])
})

test('a record has the cost by the tier that served it, and of its searches', () => {
  assert.equal(costOf({}), ['0.0014', '"prices.json"'])
  assert.equal(costOf({ tier: 'flex' }), ['0.0009', '"prices.json"'])
  assert.equal(costOf({ searches: 3 }), ['0.0314', '"prices.json"'])
  assert.equal(costOf({ tier: 'priority' }), ['null', 'null'])
})

test('a record has no cost where prices are switched off', () => {
  assert.equal(costOf({ costNano: 1_234_567 }, null), ['null', 'null'])
})

test.run()

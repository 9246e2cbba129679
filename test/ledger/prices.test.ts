import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Prices, PricesError } from '../../src/ledger/prices.js'
import type { Usage } from '../../src/sse/sighting.js'

const TABLE = {
  sample_spec: { input_cost_per_token: 'a number', output_cost_per_token: 'another' },
  plain: { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6, litellm_provider: 'made up' },
  rich: {
    input_cost_per_token: 2e-6,
    output_cost_per_token: 10e-6,
    cache_read_input_token_cost: 0.2e-6,
    cache_creation_input_token_cost: 2.5e-6,
    output_cost_per_reasoning_token: 20e-6,
    input_cost_per_token_above_200k_tokens: 4e-6,
    output_cost_per_token_above_200k_tokens: 15e-6,
    input_cost_per_token_above_128k_tokens: 3e-6,
    input_cost_per_token_batches: 1e-6,
  },
  free: { input_cost_per_token: 0, output_cost_per_token: 0 },
  images: { input_cost_per_image: 0.04 },
}

const prices = Prices.from('prices.json', TABLE)

function usage(prompt: number | null, completion: number | null, more: Partial<Usage> = {}): Usage {
  return { prompt, completion, cached: null, cacheWritten: null, reasoning: null, ...more }
}

/** In millionths of a dollar. */
function micros(names: (string | null)[], of: Usage | null): number | null {
  const cost = prices.cost(names, of)
  return cost === null ? null : Math.round(cost * 1e9) / 1e3
}

test('tokens cost what their kind costs', () => {
  assert.is(micros(['plain'], usage(1_000, 100)), 1_400)
  // Without rates of their own, cached tokens cost what others do.
  assert.is(micros(['plain'], usage(1_000, 100, { cached: 900, reasoning: 50 })), 1_400)
  const all = usage(1_000, 100, { cached: 600, cacheWritten: 300, reasoning: 40 })
  assert.is(micros(['rich'], all), 100 * 2 + 600 * 0.2 + 300 * 2.5 + 60 * 10 + 40 * 20)
  assert.is(micros(['free'], usage(1_000, 100)), 0)
})

test('a long prompt has the rates of its tier, and those of the one below where that has none', () => {
  assert.is(micros(['rich'], usage(128_000, 10)), 128_000 * 2 + 10 * 10)
  assert.is(micros(['rich'], usage(128_001, 10)), 128_001 * 3 + 10 * 10)
  assert.is(micros(['rich'], usage(200_001, 10)), 200_001 * 4 + 10 * 15)
  assert.is(micros(['rich'], usage(300_000, 0, { cached: 300_000 })), 300_000 * 0.2)
})

test('the first name that is in the table counts', () => {
  assert.is(micros(['unknown', 'plain'], usage(1_000, 0)), 1_000)
  assert.is(micros([null, 'plain'], usage(1_000, 0)), 1_000)
  assert.is(micros(['rich', 'plain'], usage(1_000, 0)), 2_000)
})

test('what is not known costs null, and never 0', () => {
  assert.is(micros(['unknown', null], usage(1_000, 100)), null)
  assert.is(micros(['images'], usage(1_000, 100)), null)
  assert.is(micros(['constructor'], usage(1_000, 100)), null)
  assert.is(micros(['plain'], null), null)
  assert.is(micros(['plain'], usage(null, 100)), null)
  assert.is(micros(['plain'], usage(1_000, null)), null)
})

test('counts that contradict each other never make a cost negative', () => {
  const odd = usage(10, 5, { cached: 100, cacheWritten: 100, reasoning: 100 })
  assert.is(micros(['rich'], odd), 10 * 0.2 + 5 * 20)
})

test('a table that is none is told, by the model and the field', () => {
  const told = (table: unknown): string => {
    try {
      Prices.from('prices.json', table)
    } catch (error) {
      if (error instanceof PricesError) return error.message
    }
    return 'nothing'
  }
  assert.match(told([]), /^prices\.json must be an object/)
  assert.match(told({ images: TABLE.images }), /has no model with input_cost_per_token/)
  const wrong = { m: { input_cost_per_token: -1, output_cost_per_token: 1 } }
  assert.is(told(wrong), 'prices.json: m.input_cost_per_token must be a number of US dollars for one token')
  assert.throws(() => Prices.open('/nonexistent/prices.json'), /cannot be read \(ENOENT\)/)
})

test.run()

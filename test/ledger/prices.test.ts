import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KINDS } from '../../src/ledger/price-fields.js'
import { AS_OF, PRICE_TABLE } from '../../src/ledger/price-table.js'
import { computeCost, Prices, PricesError } from '../../src/ledger/prices.js'
import { formatDecimal } from '../../src/lib/decimal.js'
import type { Usage } from '../../src/metering/usage.js'

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
  'gpt-4o': { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 },
  'gpt-4.1-2025-04-14': { input_cost_per_token: 7e-6, output_cost_per_token: 7e-6 },
}

const own = Prices.from('prices.json', TABLE)
const builtIn = Prices.open(true) as Prices

function usage(prompt: number | null, completion: number | null, more: Partial<Usage> = {}): Usage {
  return { prompt, completion, cached: null, cacheWritten: null, reasoning: null, details: null, ...more }
}

/** In millionths of a dollar. @param names as answered and as asked; one name for both */
function micros(prices: Prices, names: string | [string | null, string | null], of: Usage): number | null {
  const [answered, asked] = typeof names === 'string' ? [names, names] : names
  const price = prices.find(answered, asked)
  const cost = price === null ? null : computeCost(price, of)
  return cost === null ? null : Number(cost) / 1e3
}

function sourceOf(prices: Prices, answered: string | null, asked: string | null): string | null {
  return prices.find(answered, asked)?.source ?? null
}

const BUILT_IN = `built-in ${AS_OF}`

test('each kind of token has its own rate', () => {
  assert.is(micros(own, 'plain', usage(1_000, 100)), 1_400)
  // Without rates of their own, cached tokens cost what others do.
  assert.is(micros(own, 'plain', usage(1_000, 100, { cached: 900, reasoning: 50 })), 1_400)
  const all = usage(1_000, 100, { cached: 600, cacheWritten: 300, reasoning: 40 })
  assert.is(micros(own, 'rich', all), 100 * 2 + 600 * 0.2 + 300 * 2.5 + 60 * 10 + 40 * 20)
  assert.is(micros(own, 'free', usage(1_000, 100)), 0)
})

test('a long prompt has the rates of its tier, and of the tier below where that one has none', () => {
  assert.is(micros(own, 'rich', usage(128_000, 10)), 128_000 * 2 + 10 * 10)
  assert.is(micros(own, 'rich', usage(128_001, 10)), 128_001 * 3 + 10 * 10)
  assert.is(micros(own, 'rich', usage(200_001, 10)), 200_001 * 4 + 10 * 15)
  assert.is(micros(own, 'rich', usage(300_000, 0, { cached: 300_000 })), 300_000 * 0.2)
})

test('a price in the file overrides the built-in price, and other models keep the built-in one', () => {
  const tokens = usage(1_000, 100)
  assert.is(micros(builtIn, 'gpt-4o', tokens), 1_000 * 2.5 + 100 * 10)
  assert.is(micros(own, 'gpt-4o', tokens), 1_000 * 2 + 100 * 8)
  assert.is(sourceOf(own, 'gpt-4o', 'gpt-4o'), 'prices.json')
  assert.is(micros(own, 'gpt-4o-mini', tokens), 1_000 * 0.15 + 100 * 0.6)
  assert.is(sourceOf(own, 'gpt-4o-mini', 'gpt-4o-mini'), BUILT_IN)
})

test('an alias can have a price in the file, whatever model the upstream names', () => {
  assert.is(sourceOf(own, 'unknown', 'plain'), 'prices.json')
  assert.is(sourceOf(own, null, 'plain'), 'prices.json')
  assert.is(sourceOf(own, 'gpt-4.1', 'plain'), 'prices.json')
  assert.is(micros(own, ['rich', 'plain'], usage(1_000, 0)), 2_000)
})

test('the built-in price of the requested name does not apply if the upstream names another model', () => {
  assert.is(sourceOf(builtIn, 'llama-3.3-70b', 'gpt-4o'), null)
  assert.is(sourceOf(builtIn, null, 'gpt-4o'), BUILT_IN)
  assert.is(micros(builtIn, ['gpt-4o-mini', 'gpt-4o'], usage(1_000_000, 0)), 150_000)
})

test('a dated name has the price of its family unless it has its own price', () => {
  const family = (name: string): unknown => builtIn.find(name, null)
  for (const [dated, name] of [
    ['gpt-4o-2024-08-06', 'gpt-4o'],
    ['gpt-4o-mini-2024-07-18', 'gpt-4o-mini'],
    ['o3-2025-04-16', 'o3'],
    ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
    ['claude-haiku-4-5-20251001', 'claude-haiku-4-5'],
    ['grok-4.7-latest', 'grok-4.7'],
  ] as const) {
    assert.ok(family(name) !== null, name)
    // Twice: the second time it is remembered.
    for (let time = 0; time < 2; time++) assert.is(family(dated), family(name), dated)
  }
  assert.is(micros(builtIn, 'gpt-4o-2024-05-13', usage(1_000, 100)), 1_000 * 5 + 100 * 15)
  // The same with a file that has the family alone, or a date alone.
  assert.is(sourceOf(own, 'gpt-4o-2024-08-06', null), 'prices.json')
  assert.is(sourceOf(own, 'gpt-4o-2024-05-13', null), BUILT_IN)
  assert.is(sourceOf(own, 'gpt-4.1-2025-04-14', null), 'prices.json')
  assert.is(sourceOf(own, 'gpt-4.1', null), BUILT_IN)
})

test('a name that only begins like a known name has no price', () => {
  for (const name of [
    'gpt-4o-audio-preview-2024-12-17',
    'gpt-4o-search-preview',
    'chatgpt-4o-latest',
    'gpt-5-chat-latest',
    'gpt-4o-2024-08',
    'gpt-4o-2024-08-06-ft',
    'ft:gpt-4o-2024-08-06:team::id',
    'openai/gpt-4o',
    'claude-opus-4',
    'GPT-4o',
    `${'x'.repeat(1_000_000)}-latest`,
    '-latest',
    '',
  ])
    assert.is(builtIn.find(name, null), null, name.slice(0, 80))
})

test('the cache of made-up names is bounded', () => {
  const prices = Prices.open(true) as Prices
  assert.is(prices.find(`${'x'.repeat(1_000)}-latest`, null), null)
  assert.is(prices.rememberedCount, 0)
  for (let i = 0; i < 5_000; i++) assert.is(prices.find(`made-up-${i}-latest`, null), null)
  assert.ok(prices.rememberedCount > 0 && prices.rememberedCount <= 1_000)
  assert.ok(prices.find('o3-2025-04-16', null) !== null)
})

test('an unknown cost is null, never 0', () => {
  assert.is(micros(own, 'unknown', usage(1_000, 100)), null)
  assert.is(micros(own, [null, null], usage(1_000, 100)), null)
  assert.is(micros(own, 'images', usage(1_000, 100)), null)
  for (const name of ['constructor', '__proto__']) assert.is(micros(own, name, usage(1_000, 100)), null)
  assert.is(micros(own, 'plain', usage(null, 100)), null)
  assert.is(micros(own, 'plain', usage(1_000, null)), null)
  assert.is(micros(builtIn, 'gpt-x', usage(1_000, 100)), null)
})

test('embeddings cost their prompt tokens only', () => {
  assert.is(micros(builtIn, 'text-embedding-3-small', usage(1_000, null)), 20)
  assert.is(micros(builtIn, 'text-embedding-3-large', usage(1_000, 0)), 130)
  assert.is(micros(builtIn, 'text-embedding-3-large', usage(null, null)), null)
})

test('a response of GPT-6.2 Sol costs what its price list says, on both sides of 272,000 tokens', () => {
  // 100,000 fresh at 2, 150,000 cached at 0.10, 20,000 written at 2.50, 3,000 answered at 10.
  const short = usage(270_000, 3_000, { cached: 150_000, cacheWritten: 20_000, reasoning: 2_000 })
  assert.is(micros(builtIn, 'gpt-6.2-sol', short), 295_000)
  // The last that is short, and the first that is not.
  assert.is(micros(builtIn, 'gpt-6.2-sol', usage(272_000, 0)), 544_000)
  assert.is(micros(builtIn, 'gpt-6.2-sol', usage(272_001, 0)), 1_088_004)
  // 100,000 at 4, 150,000 at 0.20, 50,000 at 5, 3,000 at 15.
  const long = usage(300_000, 3_000, { cached: 150_000, cacheWritten: 50_000, reasoning: 2_000 })
  assert.is(micros(builtIn, 'gpt-6.2-sol', long), 725_000)
})

test('a response of Claude costs what its price list says, cache writes included', () => {
  // Opus 5.5: 1,000 fresh at 4, 80,000 read at 0.20, 10,000 written at 5, 2,000 answered at 20.
  const opus = usage(91_000, 2_000, { cached: 80_000, cacheWritten: 10_000 })
  assert.is(micros(builtIn, 'claude-opus-5-5', opus), 110_000)
  // Haiku 5.5, whose tier counts what is read and written too: 1,000 at 0.50, 90,000 at 0.05, 10,000 at 0.625, 100 at 2.50.
  const haiku = usage(101_000, 100, { cached: 90_000, cacheWritten: 10_000 })
  assert.is(micros(builtIn, 'claude-haiku-5-5', haiku), 11_500)
  // One tier below: 1,000 at 0.10, 89,000 at 0.01, 10,000 at 0.125, 100 at 0.50.
  const shorter = usage(100_000, 100, { cached: 89_000, cacheWritten: 10_000 })
  assert.is(micros(builtIn, 'claude-haiku-5-5', shorter), 2_290)
})

test('a response of Gemini costs what its price list says, thinking and the tier included', () => {
  // 150,000 fresh at 2, 50,000 cached at 0.20, 4,000 answered or thought at 12.
  const short = usage(200_000, 4_000, { cached: 50_000, reasoning: 3_000 })
  assert.is(micros(builtIn, 'gemini-3.1-pro-preview', short), 358_000)
  // 200,001 fresh at 4, 50,000 at 0.40, 4,000 at 18.
  const long = usage(250_001, 4_000, { cached: 50_000, reasoning: 3_000 })
  assert.is(micros(builtIn, 'gemini-3.1-pro-preview', long), 892_004)
})

test('the second tier of Grok begins at 200,000 tokens', () => {
  assert.is(micros(builtIn, 'grok-4.7', usage(199_999, 0)), 399_998)
  assert.is(micros(builtIn, 'grok-4.7', usage(200_000, 0)), 800_000)
})

test('contradictory token counts never make a cost negative', () => {
  const odd = usage(10, 5, { cached: 100, cacheWritten: 100, reasoning: 100 })
  assert.is(micros(own, 'rich', odd), 10 * 0.2 + 5 * 20)
})

test('each entry of the built-in table is plausible', () => {
  assert.match(AS_OF, /^\d{4}-\d\d-\d\d$/)
  assert.is(new Date(AS_OF).toISOString().slice(0, 10), AS_OF)
  const seen = new Set<string>()
  for (const { models, usd, over } of PRICE_TABLE) {
    for (const name of models.split(' ')) {
      assert.match(name, /^[a-z0-9][a-z0-9.-]+$/)
      assert.not.ok(seen.has(name), `${name} is there twice`)
      seen.add(name)
    }
    for (const [input = 0, output = 0, cached = input, written = input] of [usd, over?.slice(1) ?? usd]) {
      for (const figure of [input, output, cached, written])
        assert.ok(Number.isFinite(figure) && figure >= 0 && figure <= 1_000, models)
      assert.ok(input > 0, models)
      if (models.startsWith('text-embedding-')) assert.is(output, 0)
      else assert.ok(output >= input, models)
      assert.ok(cached > 0 && cached <= input, models)
      assert.ok(written >= input, models)
    }
    if (over === undefined) continue
    assert.ok(over[0] > 32_000, models)
    // A tier is never the cheaper one, and has a figure for all that the one below has.
    assert.is(over.length - 1, usd.length, models)
    for (const [i, figure] of usd.entries()) assert.ok(Number(over[i + 1]) > Number(figure), models)
  }
  assert.ok(seen.size >= 25)
})

test('prices for a million tokens convert exactly to prices for one token', () => {
  const rates = (name: string): unknown =>
    builtIn
      .find(name, null)
      ?.select(null, { region: null, at: null })
      ?.map(({ above, own }) => [
        above,
        KINDS.flatMap((kind) => {
          const rate = own[kind]
          return rate === undefined ? [] : [`${kind} ${formatDecimal(rate)}`]
        }),
      ])
  assert.equal(rates('gpt-6-luna'), [
    [272_000, ['input 0.0000002', 'cacheRead 0.00000002', 'cacheWrite 0.00000025', 'output 0.00000075']],
    [0, ['input 0.0000001', 'cacheRead 0.00000001', 'cacheWrite 0.000000125', 'output 0.0000005']],
  ])
  assert.equal(rates('gpt-4o-2024-05-13'), [[0, ['input 0.000005', 'output 0.000015']]])
})

test('a wrong price file is reported with its model and field', () => {
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

test('prices that are switched off are null', () => {
  assert.is(Prices.open(false), null)
})

test.run()

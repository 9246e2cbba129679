import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { computeCost, Prices, PricesError } from '../../src/ledger/prices.js'
import type { Usage, UsageDetails } from '../../src/metering/usage.js'
import { fc } from '../support/property.js'

const NO_DETAILS: UsageDetails = {
  ...{ cacheWrittenHour: null, audioPrompt: null, audioCompletion: null, imagePrompt: null },
  ...{ imageCompletion: null, searches: null, tier: null, costNano: null, passes: null },
}

type Tokens = Partial<Omit<Usage, 'details'>>

function usage(tokens: Tokens, details: Partial<UsageDetails> | null = null): Usage {
  const none = { prompt: null, cached: null, cacheWritten: null, completion: null, reasoning: null }
  return { ...none, ...tokens, details: details === null ? null : { ...NO_DETAILS, ...details } }
}

/** The cost of a usage by one entry, in nano-dollars. */
function cost(entry: object, of: Usage, region: string | null = null, at: number | null = null): unknown {
  const price = Prices.from('prices.json', { m: entry }).find('m', null)
  assert.ok(price !== null)
  return computeCost(price, of, { region, at })
}

const TEXT = { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6 }
const ALL = {
  ...TEXT,
  cache_read_input_token_cost: 1e-7,
  cache_creation_input_token_cost: 1.25e-6,
  cache_creation_input_token_cost_above_1hr: 3e-6,
  input_cost_per_audio_token: 7e-6,
  output_cost_per_audio_token: 9e-6,
  input_cost_per_image_token: 5e-6,
  output_cost_per_image_token: 6e-6,
  output_cost_per_reasoning_token: 8e-6,
}
const SEARCH = {
  search_context_size_low: 0.01,
  search_context_size_medium: 0.02,
  search_context_size_high: 0.03,
}
const ASKED = { prompt: 1_000, completion: 100 }

/** What is billed: the entry, the usage, and the cost in nano-dollars. */
const TABLE: Readonly<Record<string, readonly [entry: object, of: Usage, nano: number | null]>> = {
  'fresh and answered tokens': [ALL, usage(ASKED), 1_400_000],
  'tokens that are read from the cache': [ALL, usage({ ...ASKED, cached: 900 }), 590_000],
  'cache writes of five minutes': [ALL, usage({ ...ASKED, cacheWritten: 400 }), 1_500_000],
  'cache writes of both kinds': [
    ALL,
    usage({ ...ASKED, cacheWritten: 400 }, { cacheWrittenHour: 100 }),
    // 600 x 1, 300 x 1.25, 100 x 3 and 100 x 4.
    1_675_000,
  ],
  'an hour without a rate of its own: twice the input': [
    { ...TEXT, cache_creation_input_token_cost: 1.25e-6 },
    usage({ ...ASKED, cacheWritten: 400 }, { cacheWrittenHour: 100 }),
    1_575_000,
  ],
  'an hour in an entry without cache writes: as input': [
    TEXT,
    usage({ ...ASKED, cacheWritten: 400 }, { cacheWrittenHour: 400 }),
    1_400_000,
  ],
  reasoning: [ALL, usage({ ...ASKED, reasoning: 40 }), 1_560_000],
  'audio, in and out': [ALL, usage(ASKED, { audioPrompt: 200, audioCompletion: 30 }), 2_750_000],
  'audio without rates of its own': [
    TEXT,
    usage(ASKED, { audioPrompt: 200, audioCompletion: 30 }),
    1_400_000,
  ],
  'images, in and out': [ALL, usage(ASKED, { imagePrompt: 100, imageCompletion: 50 }), 1_900_000],
  'an image model, which has no rate of text': [
    { input_cost_per_token: 1e-6, output_cost_per_image_token: 6e-6 },
    usage(ASKED, { imageCompletion: 100 }),
    1_600_000,
  ],
  'a request': [{ ...TEXT, input_cost_per_request: 0.005 }, usage(ASKED), 6_400_000],
  'a request alone': [{ input_cost_per_request: 0.005 }, usage({ prompt: 0, completion: 0 }), 5_000_000],
  'tokens without a rate beside a rate of requests': [{ input_cost_per_request: 0.005 }, usage(ASKED), null],
  'searches, of the medium size': [
    { ...TEXT, search_context_cost_per_query: SEARCH },
    usage(ASKED, { searches: 3 }),
    61_400_000,
  ],
  'searches of the only size': [
    { ...TEXT, search_context_cost_per_query: { search_context_size_low: 0.005 } },
    usage(ASKED, { searches: 2 }),
    11_400_000,
  ],
  'searches as one number': [
    { ...TEXT, search_context_cost_per_query: 0.01 },
    usage(ASKED, { searches: 1 }),
    11_400_000,
  ],
  'searches without a rate': [TEXT, usage(ASKED, { searches: 1 }), null],
  'no searches': [TEXT, usage(ASKED, { searches: 0 }), 1_400_000],
  'an embedding without a rate of answers': [
    { input_cost_per_token: 1e-6, mode: 'embedding' },
    usage({ prompt: 1_000 }),
    1_000_000,
  ],
  'a rate as text': [
    { input_cost_per_token: '1e-06', output_cost_per_token: '4e-06' },
    usage(ASKED),
    1_400_000,
  ],
  'the former name of the cache': [
    { ...TEXT, input_cost_per_token_cache_hit: 2e-7 },
    usage({ ...ASKED, cached: 1_000 }),
    600_000,
  ],
  'the former name of the cache beside its name': [
    { ...TEXT, cache_read_input_token_cost: 1e-7, input_cost_per_token_cache_hit: 2e-7 },
    usage({ ...ASKED, cached: 1_000 }),
    500_000,
  ],
  'more of a kind than there is': [
    ALL,
    usage(
      { prompt: 10, completion: 5, cached: 100, cacheWritten: 100, reasoning: 100 },
      {
        cacheWrittenHour: 100,
        audioPrompt: 100,
        imagePrompt: 100,
        audioCompletion: 100,
        imageCompletion: 100,
      },
    ),
    41_000,
  ],
}

for (const [what, [entry, of, nano]] of Object.entries(TABLE))
  test(`the cost of: ${what}`, () => assert.is(cost(entry, of), nano))

const SIZES = {
  ...TEXT,
  cache_read_input_token_cost: 1e-7,
  cache_creation_input_token_cost: 1.25e-6,
  cache_creation_input_token_cost_above_1hr: 2e-6,
  output_cost_per_reasoning_token: 4e-6,
  input_cost_per_token_above_32k_tokens: 2e-6,
  output_cost_per_token_above_32k_tokens: 6e-6,
  cache_creation_input_token_cost_above_32k_tokens: 2.5e-6,
  input_cost_per_token_above_1500_tokens: 1.5e-6,
  input_cost_per_token_above_200k_tokens: 3e-6,
  cache_read_input_token_cost_above_200k_tokens: 3e-7,
  cache_creation_input_token_cost_above_1hr_above_200k_tokens: 9e-6,
  input_cost_per_audio_token_above_200k_tokens: 1e-5,
}

test('each size of prompt has its rates, and those of the size below for what it lacks', () => {
  const at = (prompt: number, tokens: Tokens = {}, details: Partial<UsageDetails> | null = null) =>
    cost(SIZES, usage({ prompt, completion: 0, ...tokens }, details))
  assert.is(at(1_500), 1_500_000)
  assert.is(at(1_501), 1_501 * 1_500)
  assert.is(at(32_000), 32_000 * 1_500)
  assert.is(at(32_001), 32_001 * 2_000)
  assert.is(at(200_001), 200_001 * 3_000)
  assert.is(at(32_001, { cached: 32_001 }), 32_001 * 100)
  assert.is(at(200_001, { cached: 200_001 }), 200_001 * 300)
  assert.is(at(40_000, { cacheWritten: 40_000 }), 40_000 * 2_500)
  // Twice the input below 32,000 tokens, and so above; a rate of its own above 200,000.
  assert.is(at(1_000, { cacheWritten: 1_000 }, { cacheWrittenHour: 1_000 }), 1_000 * 2_000)
  assert.is(at(40_000, { cacheWritten: 40_000 }, { cacheWrittenHour: 40_000 }), 40_000 * 4_000)
  assert.is(at(300_000, { cacheWritten: 300_000 }, { cacheWrittenHour: 300_000 }), 300_000 * 9_000)
  // Reasoning costs what other output does, and so at each size.
  assert.is(at(40_000, { completion: 10, reasoning: 10 }), 40_000 * 2_000 + 10 * 6_000)
  assert.is(at(300_000, {}, { audioPrompt: 300_000 }), 300_000 * 10_000)
})

test('an entry with a list of ranges has the rates of the range that the prompt ends in', () => {
  const entry = {
    output_cost_per_token: 9e-6,
    tiered_pricing: [
      { range: [32_000.0, 128_000.0], input_cost_per_token: 2e-6, output_cost_per_token: 5e-6 },
      {
        range: [0, 32_000.0],
        input_cost_per_token: 1e-6,
        output_cost_per_token: 4e-6,
        cache_read_input_token_cost: 1e-7,
        output_cost_per_reasoning_token: 8e-6,
      },
      { range: [128_000.0, 252_000.0], input_cost_per_token: 3e-6 },
    ],
  }
  const at = (prompt: number, tokens: Tokens = {}) => cost(entry, usage({ prompt, completion: 0, ...tokens }))
  assert.is(at(0), 0)
  assert.is(at(32_000, { completion: 10, reasoning: 5 }), 32_000 * 1_000 + 5 * 4_000 + 5 * 8_000)
  assert.is(at(32_000, { cached: 32_000 }), 32_000 * 100)
  // The next range does not take what it lacks from the one below.
  assert.is(at(32_001, { cached: 32_001 }), 32_001 * 2_000)
  assert.is(at(40_000, { completion: 10, reasoning: 10 }), 40_000 * 2_000 + 10 * 5_000)
  assert.is(at(128_001, { completion: 10 }), 128_001 * 3_000 + 10 * 9_000)
  assert.is(at(1_000_000), 1_000_000 * 3_000)
})

test("a tier of xAI already holds for a prompt of exactly its size, by LiteLLM's reading", () => {
  const entry = { ...TEXT, input_cost_per_token_above_200k_tokens: 2e-6 }
  const at = (more: object, prompt: number) => cost({ ...entry, ...more }, usage({ prompt, completion: 0 }))
  assert.is(at({ litellm_provider: 'xai' }, 199_999), 199_999 * 1_000)
  assert.is(at({ litellm_provider: 'xai' }, 200_000), 200_000 * 2_000)
  assert.is(at({ litellm_provider: 'openai' }, 200_000), 200_000 * 1_000)
})

const SERVED = {
  ...TEXT,
  cache_read_input_token_cost: 1e-7,
  output_cost_per_reasoning_token: 8e-6,
  input_cost_per_token_above_200k_tokens: 2e-6,
  input_cost_per_token_batches: 5e-7,
  output_cost_per_token_batches: 2e-6,
  input_cost_per_token_flex: 6e-7,
  input_cost_per_token_priority: 3e-6,
  output_cost_per_token_priority: 7e-6,
  cache_read_input_token_cost_priority: 3e-7,
  input_cost_per_token_above_200k_tokens_priority: 5e-6,
  output_cost_per_token_priority_above_200k_tokens: 9e-6,
  input_cost_per_token_ultrafast: 9e-6,
  provider_specific_entry: { fast: 6.0, us: 1.1, note: 'text' },
  regional_processing_uplift_multiplier_eu: 1.1,
  search_context_cost_per_query: 0.01,
}

test('each service tier has its rates, and standard ones for what it lacks', () => {
  const at = (tier: string | null, prompt = 1_000, tokens: Tokens = { completion: 100 }) =>
    cost(SERVED, usage({ prompt, ...tokens }, { tier }))
  for (const tier of [null, 'default', 'standard', 'auto', 'on_demand', 'ON_DEMAND', '', 'global'])
    assert.is(at(tier), 1_400_000, String(tier))
  for (const tier of ['batch', 'batches', 'Batch']) assert.is(at(tier), 700_000, tier)
  assert.is(at('flex'), 1_000_000)
  for (const tier of ['priority', 'on_demand_priority', 'ON_DEMAND_PRIORITY']) assert.is(at(tier), 3_700_000)
  assert.is(at('ultrafast'), 9_400_000)
  assert.is(at('priority', 1_000, { completion: 0, cached: 1_000 }), 300_000)
  assert.is(at('batch', 1_000, { completion: 0, cached: 1_000 }), 100_000)
  // The size stands before or after the tier.
  assert.is(at('priority', 300_000), 300_000 * 5_000 + 100 * 9_000)
  assert.is(at('flex', 300_000), 300_000 * 2_000 + 100 * 4_000)
  // With an output rate of its own, the tier has reasoning at that rate.
  assert.is(at('priority', 0, { completion: 100, reasoning: 100 }), 700_000)
  assert.is(at('flex', 0, { completion: 100, reasoning: 100 }), 800_000)
})

test('a factor multiplies all tokens of a tier or a region, and not the searches', () => {
  const at = (tier: string | null, region: string | null = null, searches = 0) =>
    cost(SERVED, usage({ ...ASKED, cached: 500 }, { tier, searches }), region)
  const base = 500_000 + 50_000 + 400_000
  assert.is(at(null), base)
  assert.is(at('fast'), base * 6)
  assert.is(at('us'), 1_045_000)
  assert.is(at('fast us'), 6_270_000)
  assert.is(at('fast, us'), 6_270_000)
  assert.is(at(null, 'eu'), 1_045_000)
  assert.is(at(null, 'us'), base)
  assert.is(at('us', null, 2), 1_045_000 + 20_000_000)
  assert.is(at('batch', 'eu'), (250_000 + 50_000 + 200_000) * 1.1)
})

test('at some hours an entry has other rates, whatever the size of the prompt', () => {
  const entry = {
    ...TEXT,
    input_cost_per_token_above_1k_tokens: 2e-6,
    output_cost_per_reasoning_token: 4e-6,
    off_peak_pricing: {
      hours_utc: ['16:30-00:30', '04:00-06:00'],
      windows: [{ hours_utc: '10:00-23:00', weekdays: [6, 'Sun'] }],
      weekday_timezone: 'Asia/Shanghai',
      input_cost_per_token: 5e-7,
      output_cost_per_token: 1e-6,
    },
  }
  const at = (time: string | null, prompt = 1_000) =>
    cost(
      entry,
      usage({ prompt, completion: 100, reasoning: 50 }),
      null,
      time === null ? null : Date.parse(`${time}Z`),
    )
  const [dear, cheap] = [1_400_000, 600_000]
  // 26 November 2026 is a Thursday.
  for (const [time, expected] of [
    [null, dear],
    ['2026-11-26T16:29:59', dear],
    ['2026-11-26T16:30:00', cheap],
    ['2026-11-27T00:29:59', cheap],
    ['2026-11-27T00:30:00', dear],
    ['2026-11-27T04:00:00', cheap],
    ['2026-11-27T06:00:00', dear],
    // Saturday and Sunday; in Shanghai, Sunday ends at 16:00.
    ['2026-11-27T12:00:00', dear],
    ['2026-11-28T12:00:00', cheap],
    ['2026-11-29T15:59:00', cheap],
    ['2026-11-29T16:01:00', dear],
    ['2026-11-30T12:00:00', dear],
  ] as const)
    assert.is(at(time), expected, String(time))
  assert.is(at('2026-11-27T17:00:00', 2_000), 2_000 * 500 + 100_000)
  for (const rule of [
    {},
    { hours_utc: '25:00-01:00' },
    { hours_utc: 7 },
    { windows: [7] },
    { hours_utc: '01:00-02:00', weekday_timezone: 'Moon/Tycho' },
    { windows: [{ hours_utc: '01:00-02:00', weekdays: [0] }] },
    { windows: [{ hours_utc: '01:00-02:00', weekdays: 'mon' }] },
  ])
    assert.throws(
      () => Prices.from('p.json', { m: { ...TEXT, off_peak_pricing: rule } }),
      'p.json: m.off_peak_pricing must have hours such as "16:30-00:30" (UTC)',
    )
})

test('a tier that the entry does not know makes the cost unknown', () => {
  for (const tier of ['scale', 'priority', 'batch', 'fast', 'constructor', '__proto__'])
    assert.is(cost(TEXT, usage(ASKED, { tier })), null, tier)
  // OpenAI's former name of its priority tier.
  assert.is(cost({ ...TEXT, input_cost_per_token_priority: 2e-6 }, usage(ASKED, { tier: 'fast' })), 2_400_000)
  const price = Prices.open(true)?.find('gpt-4o', null)
  assert.ok(price)
  for (const tier of ['priority', 'flex', 'batch'])
    assert.is(computeCost(price, usage(ASKED, { tier })), null)
  assert.is(computeCost(price, usage(ASKED, { tier: 'default' })), 3_500_000)
})

test('the rates of tiers that upstreams make up are not kept for ever', () => {
  const price = Prices.from('p', { m: SERVED }).find('m', null)
  for (let i = 0; i < 500; i++) assert.is(computeCost(price as never, usage(ASKED, { tier: `t${i}` })), null)
  assert.is(computeCost(price as never, usage(ASKED, { tier: 'batch' })), 700_000)
})

test('the built-in prices have one-hour writes and searches of Claude, and no audio', () => {
  const prices = Prices.open(true)
  const at = (model: string, of: Usage) => {
    const price = prices?.find(model, null)
    assert.ok(price)
    return computeCost(price, of)
  }
  // Opus 5.5: input at 4, an hour at 8, five minutes at 5, answers at 20.
  const written = usage({ prompt: 1_000, completion: 100, cacheWritten: 600 }, { cacheWrittenHour: 500 })
  assert.is(at('claude-opus-5-5', written), 400 * 4_000 + 100 * 5_000 + 500 * 8_000 + 100 * 20_000)
  // Sonnet 4.5 above 200,000 tokens: an hour at 12.
  const long = usage({ prompt: 300_000, completion: 0, cacheWritten: 300_000 }, { cacheWrittenHour: 300_000 })
  assert.is(at('claude-sonnet-4-5', long), 300_000 * 12_000)
  assert.is(at('claude-sonnet-4-6', usage(ASKED, { searches: 2 })), 3_000_000 + 1_500_000 + 20_000_000)
  assert.is(at('gpt-5', usage(ASKED, { searches: 1 })), null)
  assert.is(at('gemini-2.5-flash', usage(ASKED, { audioPrompt: 10 })), null)
  assert.is(at('gemini-2.5-flash', usage(ASKED, { audioPrompt: 0 })), 550_000)
  assert.is(at('gemini-2.5-flash', usage(ASKED, { imagePrompt: 500 })), 550_000)
})

test('each pass of a response has the price of its model, and the request is billed once', () => {
  const prices = Prices.from('p.json', {
    main: { ...TEXT, input_cost_per_request: 0.001, search_context_cost_per_query: 0.01 },
    helper: { input_cost_per_token: 1e-7, output_cost_per_token: 5e-7, input_cost_per_request: 7 },
  })
  const sum = (second: string, more: Partial<UsageDetails> = {}) =>
    prices.charge(
      usage(
        { prompt: 1_500, completion: 130 },
        {
          passes: [
            { model: null, usage: usage({ prompt: 1_000, completion: 100 }) },
            { model: second, usage: usage({ prompt: 500, completion: 30 }) },
          ],
          ...more,
        },
      ),
      { answered: 'main', requested: 'main', upstream: null, at: null },
    )
  const main = 1_000_000 + 400_000 + 1_000_000
  assert.equal(sum('helper'), { nano: main + 50_000 + 15_000, source: 'p.json' })
  assert.equal(sum('helper', { searches: 2 }), { nano: main + 65_000 + 20_000_000, source: 'p.json' })
  assert.is(sum('unknown').nano, null)
  assert.is(sum('helper', { tier: 'priority' }).nano, null)
})

test('a cost that the upstream reports wins', () => {
  const prices = Prices.from('p.json', { m: TEXT })
  const charge = (answered: string, costNano: number | null) =>
    prices.charge(usage(ASKED, { costNano }), { answered, requested: null, upstream: null, at: null })
  assert.equal(charge('m', 123), { nano: 123, source: 'upstream' })
  assert.equal(charge('unknown', 123), { nano: 123, source: 'upstream' })
  assert.equal(charge('m', 0), { nano: 0, source: 'upstream' })
  assert.equal(charge('m', null), { nano: 1_400_000, source: 'p.json' })
  assert.equal(charge('unknown', null), { nano: null, source: null })
})

// The rest is computed once more, apart from the product: rates are texts, and a rate of D digits and an exponent E is
// moved to whole units of ten to the power of -60 by adding zeros.

const FIELDS = [
  ...['input_cost_per_token', 'cache_read_input_token_cost', 'cache_creation_input_token_cost'],
  ...[
    'cache_creation_input_token_cost_above_1hr',
    'input_cost_per_audio_token',
    'input_cost_per_image_token',
  ],
  ...['output_cost_per_token', 'output_cost_per_reasoning_token', 'output_cost_per_audio_token'],
  ...['output_cost_per_image_token', 'input_cost_per_request', 'search_context_cost_per_query'],
]

/** Prices as they are (up to nine digits, from a nano-dollar up), and stranger ones. */
const rate = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 999_999 }), fc.integer({ min: 7, max: 12 })),
  fc.tuple(fc.integer({ min: 0, max: 999_999_999 }), fc.integer({ min: 0, max: 24 })),
)
const entry = fc.array(rate, { minLength: FIELDS.length, maxLength: FIELDS.length })
const tokens = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 5_000_000 }))
const counts = fc.array(tokens, { minLength: 11, maxLength: 11 })

function toJson(rates: readonly (readonly [number, number])[]): object {
  const fields = FIELDS.map((name, i) => `"${name}":${rates[i]?.[0]}e-${rates[i]?.[1]}`)
  return JSON.parse(`{${fields.join(',')}}`)
}

function expected(rates: readonly (readonly [number, number])[], counted: readonly number[]): bigint {
  let units = 0n
  const billed = [...counted.slice(0, 10), 1, counted[10] ?? 0]
  for (const [i, [digits, exponent]] of rates.entries())
    units += BigInt(`${digits}${'0'.repeat(60 - exponent)}`) * BigInt(billed[i] ?? 0)
  const nano = 10n ** 51n
  const rest = units % nano
  return units / nano + (rest * 2n < nano ? 0n : 1n)
}

/** A usage that has these counts: input, read, written, for an hour, audio, images; output, reasoning, audio, images. */
function toUsage(counted: readonly number[]): Usage {
  const [text = 0, cached = 0, written = 0, hour = 0, audioPrompt = 0, imagePrompt = 0] = counted
  const [answer = 0, reasoning = 0, audioCompletion = 0, imageCompletion = 0, searches = 0] = counted.slice(6)
  return usage(
    {
      prompt: text + cached + written + hour + audioPrompt + imagePrompt,
      ...{ cached, cacheWritten: written + hour, reasoning },
      completion: answer + reasoning + audioCompletion + imageCompletion,
    },
    { cacheWrittenHour: hour, audioPrompt, imagePrompt, audioCompletion, imageCompletion, searches },
  )
}

test('a cost is exact, and rounded once, half up', () => {
  fc.assert(
    fc.property(entry, counts, (rates, counted) => {
      assert.is(BigInt(cost(toJson(rates), toUsage(counted)) as number), expected(rates, counted))
    }),
    { numRuns: 500 },
  )
  // Half a nano-dollar, and less than half.
  const half = { input_cost_per_token: 5e-10, output_cost_per_token: 4.9e-10 }
  assert.is(cost(half, usage({ prompt: 1, completion: 0 })), 1)
  assert.is(cost(half, usage({ prompt: 0, completion: 1 })), 0)
  assert.is(cost(half, usage({ prompt: 1, completion: 1 })), 1)
  assert.is(cost(half, usage({ prompt: 3, completion: 0 })), 2)
})

test('a cost is the sum of its parts: no kind changes the price of another', () => {
  fc.assert(
    fc.property(entry, counts, fc.integer({ min: 1, max: 9 }), (rates, counted, at) => {
      // In whole nano-dollars, so that no part is rounded.
      const whole = rates.map(([digits], i) => [i === 10 ? 0 : digits % 1_000_000, 9] as const)
      const [left, right] = [counted.map((n, i) => (i < at ? n : 0)), counted.map((n, i) => (i < at ? 0 : n))]
      const parts = [left, right].map((part) => BigInt(cost(toJson(whole), toUsage(part)) as number))
      assert.is(BigInt(cost(toJson(whole), toUsage(counted)) as number), (parts[0] ?? 0n) + (parts[1] ?? 0n))
    }),
  )
})

test('passes are added before they are rounded', () => {
  fc.assert(
    fc.property(entry, fc.array(counts, { minLength: 1, maxLength: 4 }), (rates, passes) => {
      const sums = sumCounts(passes)
      const all = toUsage(sums)
      const details = { ...(all.details ?? NO_DETAILS), searches: sums[10] ?? 0 }
      const parts = passes.map((counted) => ({ model: null, usage: toUsage(counted) }))
      const together = cost(toJson(rates), { ...all, details: { ...details, passes: parts } })
      assert.is(BigInt(together as number), expected(rates, sums))
    }),
  )
})

const NAMES = [
  ...FIELDS,
  ...[
    'input_cost_per_token_above_2k_tokens',
    'output_cost_per_token_flex',
    'input_cost_per_token_above_1_tokens_flex',
  ],
  ...[
    'tiered_pricing',
    'provider_specific_entry',
    'off_peak_pricing',
    'litellm_provider',
    'mode',
    '__proto__',
  ],
  ...['regional_processing_uplift_multiplier_eu', 'input_cost_per_token_cache_hit'],
]
const value = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.jsonValue() },
)
const member = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...FIELDS.slice(0, 11)), fc.double({ min: 0, max: 1, noNaN: true })),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...NAMES), value) },
)

test('whatever a file has, it is refused with a reason, or costs are whole numbers that are not negative', () => {
  let used = 0
  fc.assert(
    fc.property(
      fc.array(member),
      counts,
      fc.constantFrom(null, 'flex', 'fast', 'us'),
      (members, counted, tier) => {
        // By its text, as a file is read: `__proto__` is a name like any other there.
        const fields = members.map(([name, is]) => `${JSON.stringify(name)}:${JSON.stringify(is)}`)
        let prices: Prices
        try {
          prices = Prices.from('p.json', JSON.parse(`{"m":{${fields.join(',')}}}`))
        } catch (error) {
          assert.instance(error, PricesError)
          assert.match((error as Error).message, /^p\.json(?:: m\.| has no model)/)
          return
        }
        used++
        const of = toUsage(counted)
        const price = prices.find('m', null)
        assert.ok(price)
        const nano = computeCost(price, { ...of, details: { ...NO_DETAILS, ...of.details, tier } })
        if (nano === null) return
        assert.ok(
          typeof nano === 'bigint' ? nano > 0n : Number.isSafeInteger(nano) && nano >= 0,
          String(nano),
        )
      },
    ),
    { numRuns: 1_000 },
  )
  assert.ok(used > 50, String(used))
})

test('counts of any size, also those that no upstream should send, never make an error', () => {
  const odd = fc.oneof(
    fc.constantFrom(0, 0.5, 1e15, Number.MAX_SAFE_INTEGER, 1e300),
    fc.double({ min: 0, max: 1e20, noNaN: true }),
  )
  fc.assert(
    fc.property(entry, fc.array(odd, { minLength: 11, maxLength: 11 }), (rates, counted) => {
      const nano = cost(toJson(rates), toUsage(counted))
      assert.ok(nano === null || (nano as number | bigint) >= 0, String(nano))
    }),
  )
})

function sumCounts(passes: readonly (readonly number[])[]): number[] {
  return Array.from({ length: 11 }, (_, i) => passes.reduce((sum, counted) => sum + (counted[i] ?? 0), 0))
}

test.run()

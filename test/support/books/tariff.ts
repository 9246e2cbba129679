/**
 * What the provider of a soak charges: models, their prices, and a computation of its own with whole numbers. It knows
 * nothing of how the relay reads prices, so that both can be compared.
 */

/** What one response used, as the provider counts it. The prompt includes what was cached and written. */
export interface Used {
  readonly model: ModelName
  readonly prompt: number
  readonly cached: number
  /** Written to the cache for some minutes, and for an hour. */
  readonly written: number
  readonly writtenHour: number
  /** Includes the reasoning. */
  readonly completion: number
  readonly reasoning: number
  readonly searches: number
  readonly tier: 'flex' | 'priority' | null
  /** Nano-dollars that the provider itself reports; null if it reports none. */
  readonly ownCost: bigint | null
}

/** Rates in US dollars, as decimals, under the names of LiteLLM's file. */
const MODELS = {
  'books-plain': {
    input_cost_per_token: '0.00000125',
    output_cost_per_token: '0.00001',
    cache_read_input_token_cost: '0.000000125',
  },
  // Sums with parts of a nano-dollar, also exact halves.
  'books-odd': {
    input_cost_per_token: '0.0000001234565',
    output_cost_per_token: '0.00000098765435',
    cache_read_input_token_cost: '0.0000000123455',
    output_cost_per_reasoning_token: '0.0000015000005',
  },
  'books-claude': {
    input_cost_per_token: '0.000003',
    output_cost_per_token: '0.000015',
    cache_read_input_token_cost: '0.0000003',
    cache_creation_input_token_cost: '0.00000375',
    cache_creation_input_token_cost_above_1hr: '0.000006',
    input_cost_per_token_above_200k_tokens: '0.0000061',
    output_cost_per_token_above_200k_tokens: '0.0000225',
    cache_read_input_token_cost_above_200k_tokens: '0.0000006',
    cache_creation_input_token_cost_above_200k_tokens: '0.0000075',
    cache_creation_input_token_cost_above_1hr_above_200k_tokens: '0.0000121',
  },
  'books-tier': {
    input_cost_per_token: '0.000002',
    output_cost_per_token: '0.000008',
    cache_read_input_token_cost: '0.0000005',
    input_cost_per_token_flex: '0.000001',
    output_cost_per_token_flex: '0.000004',
    input_cost_per_token_priority: '0.0000035',
    output_cost_per_token_priority: '0.000014',
    cache_read_input_token_cost_priority: '0.000000875',
  },
  // The provider reports the cost, which wins over this.
  'books-own': { input_cost_per_token: '0.5', output_cost_per_token: '0.5' },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>

export type ModelName = keyof typeof MODELS

const SEARCH_USD = '0.01'
const LONG_PROMPT = 200_000

/** The file of prices that the relay reads. */
export function createPriceFile(): object {
  const entries = Object.entries(MODELS).map(([name, rates]) => {
    const numbers = Object.entries(rates).map(([field, text]) => [field, Number(text)])
    const search = { search_context_cost_per_query: { search_context_size_medium: Number(SEARCH_USD) } }
    return [name, Object.assign(Object.fromEntries(numbers), name === 'books-claude' ? search : {})]
  })
  return Object.fromEntries(entries)
}

/** Places behind the point of a rate. */
const PLACES = 15
const PER_NANO = 10n ** BigInt(PLACES - 9)

function parseUsd(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(whole) * 10n ** BigInt(PLACES) + BigInt(fraction.padEnd(PLACES, '0'))
}

/** @returns what a response costs in nano-dollars, rounded half up once */
export function charge(used: Used): bigint {
  if (used.ownCost !== null) return used.ownCost
  const rates: Readonly<Record<string, string>> = MODELS[used.model]
  const isLong = used.prompt > LONG_PROMPT
  const rate = (name: string): bigint | null => {
    const names = [
      ...(used.tier === null ? [] : [`${name}_${used.tier}`]),
      ...(isLong ? [`${name}_above_200k_tokens`] : []),
      name,
    ]
    const found = names.find((one) => rates[one] !== undefined)
    return found === undefined ? null : parseUsd(rates[found] ?? '')
  }
  const input = rate('input_cost_per_token') ?? 0n
  const output = rate('output_cost_per_token') ?? 0n
  const parts: readonly (readonly [count: number, rate: bigint])[] = [
    [used.prompt - used.cached - used.written - used.writtenHour, input],
    [used.cached, rate('cache_read_input_token_cost') ?? input],
    [used.written, rate('cache_creation_input_token_cost') ?? input],
    [used.writtenHour, rate('cache_creation_input_token_cost_above_1hr') ?? 2n * input],
    [used.completion - used.reasoning, output],
    [used.reasoning, rate('output_cost_per_reasoning_token') ?? output],
    [used.searches, parseUsd(SEARCH_USD)],
  ]
  const exact = parts.reduce((sum, [count, price]) => sum + BigInt(count) * price, 0n)
  return (2n * exact + PER_NANO) / (2n * PER_NANO)
}

/** Nano-dollars as a decimal of dollars. */
export function formatUsd(nano: bigint): string {
  const text = nano.toString().padStart(10, '0')
  return `${text.slice(0, -9)}.${text.slice(-9)}`
}

export type Api = 'chat' | 'messages' | 'responses' | 'completions'

const MODELS_OF: Readonly<Record<Api, readonly ModelName[]>> = {
  chat: ['books-plain', 'books-odd', 'books-tier', 'books-own'],
  messages: ['books-claude'],
  responses: ['books-tier', 'books-odd', 'books-plain'],
  completions: ['books-plain', 'books-odd'],
}

/** Draws what a response of this API uses. */
export function drawUsed(api: Api, random: () => number): Used {
  const below = (limit: number): number => Math.floor(random() * limit)
  const models = MODELS_OF[api]
  const model = models[below(models.length)] ?? 'books-plain'
  const prompt = 10 + below(random() < 0.1 ? 400_000 : 20_000)
  const isCached = random() < 0.5
  const cached = isCached ? below(prompt) : 0
  const isWritten = api === 'messages' && random() < 0.5
  const written = isWritten ? below(prompt - cached) : 0
  const writtenHour = isWritten && random() < 0.5 ? below(prompt - cached - written) : 0
  const completion = 1 + below(5_000)
  const canReason = api === 'responses' || api === 'chat'
  const tiers = ['flex', 'priority', null] as const
  return {
    model,
    prompt,
    cached,
    written,
    writtenHour,
    completion,
    reasoning: canReason && random() < 0.5 ? below(completion) : 0,
    searches: api === 'messages' && random() < 0.3 ? 1 + below(4) : 0,
    tier: model === 'books-tier' ? (tiers[below(3)] ?? null) : null,
    ownCost: model === 'books-own' ? 1n + BigInt(below(3_000_000_000)) : null,
  }
}

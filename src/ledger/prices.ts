import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Usage } from '../sse/sighting.js'

/** A price file that cannot be used; the message says why, and what would be right. */
export class PricesError extends Error {}

/** US dollars for one token of each kind; null where the table has no rate of its own for it. */
interface Rates {
  /** They hold for prompts of more tokens than this. */
  readonly above: number
  readonly input: number | null
  readonly output: number | null
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
  readonly reasoning: number | null
}

const FIELDS = {
  input: 'input_cost_per_token',
  output: 'output_cost_per_token',
  cacheRead: 'cache_read_input_token_cost',
  cacheWrite: 'cache_creation_input_token_cost',
  reasoning: 'output_cost_per_reasoning_token',
} as const

type Kind = keyof typeof FIELDS
const KINDS = Object.keys(FIELDS) as Kind[]

/** Rates of a higher tier: `input_cost_per_token_above_200k_tokens`. */
const TIER = /^(.+)_above_(\d+)k_tokens$/

/**
 * What tokens cost, by model: a file in the format of LiteLLM's `model_prices_and_context_window.json`, of which the
 * fields for tokens are read and all others passed over.
 */
export class Prices {
  /** The file's name, for the records. */
  readonly source: string
  /** Of each model, the highest tier first. */
  private readonly models: ReadonlyMap<string, readonly Rates[]>

  private constructor(source: string, models: ReadonlyMap<string, readonly Rates[]>) {
    this.source = source
    this.models = models
  }

  /** @throws PricesError */
  static open(file: string): Prices {
    let table: unknown
    try {
      table = JSON.parse(readFileSync(file, 'utf8'))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new PricesError(`${file} ${code === undefined ? 'is not JSON' : `cannot be read (${code})`}`)
    }
    return Prices.from(basename(file), table)
  }

  /** @throws PricesError */
  static from(source: string, table: unknown): Prices {
    if (!isObject(table)) throw new PricesError(`${source} must be an object with an entry for each model`)
    const models = new Map<string, Rates[]>()
    for (const [model, entry] of Object.entries(table)) {
      // An example of an entry, with prose in the place of numbers.
      if (model === 'sample_spec' || !isObject(entry)) continue
      const tiers = readTiers(source, model, entry)
      if (tiers.length > 0) models.set(model, tiers)
    }
    if (models.size === 0)
      throw new PricesError(`${source} has no model with ${FIELDS.input} and ${FIELDS.output}`)
    return new Prices(source, models)
  }

  /**
   * What an answer cost, in US dollars. Null if the model is not in the table or the tokens are not known.
   * @param names of the model, the best one first
   */
  cost(names: readonly (string | null | undefined)[], usage: Usage | null): number | null {
    if (usage === null || usage.prompt === null || usage.completion === null) return null
    let tiers: readonly Rates[] | undefined
    for (const name of names) if (name) tiers ??= this.models.get(name)
    const { prompt, completion } = usage
    const rates = tiers?.find(({ above }) => prompt > above || above === 0)
    if (rates === undefined || rates.input === null || rates.output === null) return null
    const { input, output } = rates
    const cached = Math.min(usage.cached ?? 0, prompt)
    const written = Math.min(usage.cacheWritten ?? 0, prompt - cached)
    const reasoning = Math.min(usage.reasoning ?? 0, completion)
    return (
      (prompt - cached - written) * input +
      cached * (rates.cacheRead ?? input) +
      written * (rates.cacheWrite ?? input) +
      (completion - reasoning) * output +
      reasoning * (rates.reasoning ?? output)
    )
  }
}

function readTiers(source: string, model: string, entry: Readonly<Record<string, unknown>>): Rates[] {
  const base = ratesOf(source, model, entry, '', 0, null)
  // Priced by the image, the second or the character.
  if (base.input === null || base.output === null) return []
  const heights = new Set<number>()
  for (const field of Object.keys(entry)) {
    const [, name, thousands] = TIER.exec(field) ?? []
    if (KINDS.some((kind) => FIELDS[kind] === name)) heights.add(Number(thousands))
  }
  const tiers = [base]
  for (const thousands of [...heights].sort((a, b) => a - b)) {
    const below = tiers[0] as Rates
    tiers.unshift(ratesOf(source, model, entry, `_above_${thousands}k_tokens`, thousands * 1_000, below))
  }
  return tiers
}

/** @param below the tier whose rates hold where this one has none of its own */
function ratesOf(
  source: string,
  model: string,
  entry: Readonly<Record<string, unknown>>,
  suffix: string,
  above: number,
  below: Rates | null,
): Rates {
  const rate = (kind: Kind): number | null => {
    const field = FIELDS[kind] + suffix
    const value = entry[field]
    if (value === undefined || value === null) return below?.[kind] ?? null
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw new PricesError(`${source}: ${model}.${field} must be a number of US dollars for one token`)
    return value
  }
  return {
    above,
    input: rate('input'),
    output: rate('output'),
    cacheRead: rate('cacheRead'),
    cacheWrite: rate('cacheWrite'),
    reasoning: rate('reasoning'),
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

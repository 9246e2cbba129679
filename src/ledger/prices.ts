import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { isObject } from '../json/values.js'
import type { Usage } from '../metering/usage.js'
import { AS_OF, type PerMillion, PRICE_TABLE } from './price-table.js'

/** A price file cannot be used; the message says why and what is expected. */
export class PricesError extends Error {}

/** US dollars for one token of each kind; null if the table has no rate for the kind. */
interface Rates {
  /** The rates apply to prompts with more tokens than this. */
  readonly above: number
  readonly input: number
  readonly output: number
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
  readonly reasoning: number | null
}

/** Price of a model's tokens. */
export interface Price {
  /** Source of the price, for the records. */
  readonly source: string
  readonly builtIn: boolean
  /** The highest tier first. */
  readonly tiers: readonly Rates[]
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

/** Version after the name of a family: `gpt-4.1-2025-04-14`, `claude-sonnet-4-5-20250929`, `grok-4.7-latest`. */
const VERSION = /-(?:\d{4}-\d\d-\d\d|\d{8}|latest)$/

/** Longest model name, in characters. Clients and upstreams can send any name. */
const MAX_NAME = 200

/** Most versioned names whose price is cached. */
const MAX_CACHED_NAMES = 1_000

/**
 * Prices by model: the built-in table, overridden by a file of the operator in the format of LiteLLM's
 * `model_prices_and_context_window.json`. Only the fields with prices of tokens are read from it.
 */
export class Prices {
  private readonly models: ReadonlyMap<string, Price>
  /** Results for names with a version: the pattern takes 54 ns, a look-up in a map 6 ns. */
  private readonly versions: Map<string, Price | null>

  private constructor(models: ReadonlyMap<string, Price>) {
    this.models = models
    this.versions = new Map()
  }

  /**
   * Loads the prices of a setting.
   * @param setting `ledger.prices`: path of a file, true for the built-in table alone, false for no prices
   * @returns null for no prices
   * @throws PricesError
   */
  static open(setting: string | boolean): Prices | null {
    if (setting === false) return null
    if (setting === true) return new Prices(buildBuiltInPrices())
    let table: unknown
    try {
      table = JSON.parse(readFileSync(setting, 'utf8'))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const problem = code === undefined ? 'is not JSON' : `cannot be read (${code})`
      throw new PricesError(`${setting} ${problem}; without the setting the built-in prices are used`)
    }
    return Prices.from(basename(setting), table)
  }

  /**
   * Reads a parsed price file on top of the built-in table.
   * @param source name of the file, for the records
   * @throws PricesError
   */
  static from(source: string, table: unknown): Prices {
    if (!isObject(table)) throw new PricesError(`${source} must be an object with an entry for each model`)
    const models = buildBuiltInPrices()
    let read = 0
    for (const [model, entry] of Object.entries(table)) {
      // `sample_spec` is an example entry with text in place of numbers.
      if (model === 'sample_spec' || !isObject(entry)) continue
      const tiers = readTiers(source, model, entry)
      if (tiers.length === 0) continue
      models.set(model, { source, builtIn: false, tiers })
      read++
    }
    if (read === 0) throw new PricesError(`${source} has no model with ${FIELDS.input} and ${FIELDS.output}`)
    return new Prices(models)
  }

  /**
   * Finds the price of a request; null if there is none. The requested name may be an alias that has a price in the
   * file. A built-in price of the requested name applies only if the upstream names no model, as an alias may lead to
   * any model.
   * @param upstreamModel the model that the upstream names; null if it names none
   * @param requestedModel the model that the client requested
   */
  find(upstreamModel: string | null, requestedModel: string | null): Price | null {
    const price = upstreamModel === null ? null : this.lookUp(upstreamModel)
    if (price?.builtIn === false || requestedModel === null || requestedModel === upstreamModel) return price
    const other = this.lookUp(requestedModel)
    return other === null || (other.builtIn && upstreamModel !== null) ? price : other
  }

  /** Number of versioned names whose price is cached. */
  get rememberedCount(): number {
    return this.versions.size
  }

  private lookUp(name: string): Price | null {
    const price = this.models.get(name)
    if (price !== undefined) return price
    const cached = this.versions.get(name)
    if (cached !== undefined) return cached
    if (name.length > MAX_NAME || !VERSION.test(name)) return null
    const found = this.models.get(name.replace(VERSION, '')) ?? null
    if (this.versions.size >= MAX_CACHED_NAMES) this.versions.clear()
    this.versions.set(name, found)
    return found
  }
}

/** Computes the cost of a request in US dollars; null if the tokens are unknown. */
export function computeCost({ tiers }: Price, usage: Usage): number | null {
  const { prompt } = usage
  if (prompt === null) return null
  const rates = tiers.find(({ above }) => prompt > above || above === 0)
  if (rates === undefined) return null
  const { input, output } = rates
  // Embeddings have no completion tokens.
  const completion = usage.completion ?? (output === 0 ? 0 : null)
  if (completion === null) return null
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

function buildBuiltInPrices(): Map<string, Price> {
  const source = `built-in ${AS_OF}`
  const models = new Map<string, Price>()
  for (const { models: names, usd, over } of PRICE_TABLE) {
    const tiers = [buildRates(0, usd)]
    if (over !== undefined) {
      const [prompt, ...rates] = over
      tiers.unshift(buildRates(prompt, rates))
    }
    for (const name of names.split(' ')) models.set(name, { source, builtIn: true, tiers })
  }
  return models
}

function buildRates(above: number, [input, output, cached, written]: PerMillion): Rates {
  return {
    above,
    input: toPerToken(input),
    output: toPerToken(output),
    cacheRead: cached === undefined ? null : toPerToken(cached),
    cacheWrite: written === undefined ? null : toPerToken(written),
    reasoning: null,
  }
}

/** Converts a price for a million tokens to one token. Exact, whereas a division may be off by the last bit. */
function toPerToken(dollars: number): number {
  return Number(`${dollars}e-6`)
}

/** Reads all tiers of an entry, the highest first; none if it has no price for tokens. */
function readTiers(source: string, model: string, entry: Readonly<Record<string, unknown>>): Rates[] {
  const base = readRates(source, model, entry, '', 0, null)
  if (base === null) return []
  const thresholds = new Set<number>()
  for (const field of Object.keys(entry)) {
    const [, name, thousands] = TIER.exec(field) ?? []
    if (KINDS.some((kind) => FIELDS[kind] === name)) thresholds.add(Number(thousands))
  }
  const tiers = [base]
  for (const thousands of [...thresholds].sort((a, b) => a - b)) {
    const tier = readRates(
      source,
      model,
      entry,
      `_above_${thousands}k_tokens`,
      thousands * 1_000,
      tiers[0] ?? base,
    )
    if (tier !== null) tiers.unshift(tier)
  }
  return tiers
}

/**
 * Reads the rates of one tier; null if the entry has no price for tokens, but for images, seconds or characters.
 * @param below the tier whose rates apply to kinds that this tier lacks
 */
function readRates(
  source: string,
  model: string,
  entry: Readonly<Record<string, unknown>>,
  suffix: string,
  above: number,
  below: Rates | null,
): Rates | null {
  const rate = (kind: Kind): number | null => {
    const field = FIELDS[kind] + suffix
    const value = entry[field]
    if (value === undefined || value === null) return below?.[kind] ?? null
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw new PricesError(`${source}: ${model}.${field} must be a number of US dollars for one token`)
    return value
  }
  const input = rate('input')
  const output = rate('output')
  if (input === null || output === null) return null
  return {
    above,
    input,
    output,
    cacheRead: rate('cacheRead'),
    cacheWrite: rate('cacheWrite'),
    reasoning: rate('reasoning'),
  }
}

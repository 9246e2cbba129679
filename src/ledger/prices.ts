import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { isObject } from '../json/values.js'
import type { Usage } from '../metering/usage.js'
import { AS_OF, type PerMillion, PRICE_TABLE } from './price-table.js'

/** A price file that cannot be used; the message says why, and what would be right. */
export class PricesError extends Error {}

/** US dollars for one token of each kind; null where the table has no rate of its own for it. */
interface Rates {
  /** They hold for prompts of more tokens than this. */
  readonly above: number
  readonly input: number
  readonly output: number
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
  readonly reasoning: number | null
}

/** What a model's tokens cost. */
export interface Price {
  /** Where it is from, for the records. */
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

/** What stands behind a family's name: `gpt-4.1-2025-04-14`, `claude-sonnet-4-5-20250929`, `grok-4.7-latest`. */
const VERSION = /-(?:\d{4}-\d\d-\d\d|\d{8}|latest)$/

/** No model has a longer name. Clients and upstreams say what they like. */
const LONGEST_NAME = 200

/** Names with a version behind them whose family is remembered. */
const REMEMBERED = 1_000

/**
 * What tokens cost, by model: the built-in table, and before it a file of the operator's, in the format of LiteLLM's
 * `model_prices_and_context_window.json`, of which the fields for tokens are read and all others passed over.
 */
export class Prices {
  private readonly models: ReadonlyMap<string, Price>
  /** What was found for names with a version: the pattern takes 54 ns, a look into a map 6. */
  private readonly versions: Map<string, Price | null>

  private constructor(models: ReadonlyMap<string, Price>) {
    this.models = models
    this.versions = new Map()
  }

  /**
   * @param setting `ledger.prices`: a file, true for the built-in table alone, false for no prices
   * @throws PricesError
   */
  static open(setting: string | boolean): Prices | null {
    if (setting === false) return null
    if (setting === true) return new Prices(builtIn())
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
   * @param source name of the table, for the records
   * @throws PricesError
   */
  static from(source: string, table: unknown): Prices {
    if (!isObject(table)) throw new PricesError(`${source} must be an object with an entry for each model`)
    const models = builtIn()
    let read = 0
    for (const [model, entry] of Object.entries(table)) {
      // An example of an entry, with prose in the place of numbers.
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
   * The price of the model that answered; null if there is none. A name of the operator's own may have one in the file,
   * but what was only asked for has none of the built-in ones: what an alias leads to may cost anything.
   * @param answered the model as the upstream names it, null if it did not
   * @param asked the model as the client named it
   */
  find(answered: string | null, asked: string | null): Price | null {
    const price = answered === null ? null : this.lookUp(answered)
    if (price?.builtIn === false || asked === null || asked === answered) return price
    const other = this.lookUp(asked)
    return other === null || (other.builtIn && answered !== null) ? price : other
  }

  /** Names outside the table whose price is remembered. */
  get rememberedCount(): number {
    return this.versions.size
  }

  private lookUp(name: string): Price | null {
    const price = this.models.get(name)
    if (price !== undefined) return price
    const before = this.versions.get(name)
    if (before !== undefined) return before
    if (name.length > LONGEST_NAME || !VERSION.test(name)) return null
    const found = this.models.get(name.replace(VERSION, '')) ?? null
    if (this.versions.size >= REMEMBERED) this.versions.clear()
    this.versions.set(name, found)
    return found
  }
}

/** What an answer cost, in US dollars. Null if the tokens are not known. */
export function computeCost({ tiers }: Price, usage: Usage): number | null {
  const { prompt } = usage
  if (prompt === null) return null
  const rates = tiers.find(({ above }) => prompt > above || above === 0)
  if (rates === undefined) return null
  const { input, output } = rates
  // Embeddings have no tokens to count there.
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

function builtIn(): Map<string, Price> {
  const source = `built-in ${AS_OF}`
  const models = new Map<string, Price>()
  for (const { models: names, usd, over } of PRICE_TABLE) {
    const tiers = [perToken(0, usd)]
    if (over !== undefined) {
      const [prompt, ...rates] = over
      tiers.unshift(perToken(prompt, rates))
    }
    for (const name of names.split(' ')) models.set(name, { source, builtIn: true, tiers })
  }
  return models
}

function perToken(above: number, [input, output, cached, written]: PerMillion): Rates {
  return {
    above,
    input: millionth(input),
    output: millionth(output),
    cacheRead: cached === undefined ? null : millionth(cached),
    cacheWrite: written === undefined ? null : millionth(written),
    reasoning: null,
  }
}

/** The number that is written so, which a division may miss by its last bit. */
function millionth(dollars: number): number {
  return Number(`${dollars}e-6`)
}

function readTiers(source: string, model: string, entry: Readonly<Record<string, unknown>>): Rates[] {
  const base = ratesOf(source, model, entry, '', 0, null)
  if (base === null) return []
  const heights = new Set<number>()
  for (const field of Object.keys(entry)) {
    const [, name, thousands] = TIER.exec(field) ?? []
    if (KINDS.some((kind) => FIELDS[kind] === name)) heights.add(Number(thousands))
  }
  const tiers = [base]
  for (const thousands of [...heights].sort((a, b) => a - b)) {
    const tier = ratesOf(
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
 * Null for what is priced by the image, the second or the character.
 * @param below the tier whose rates hold where this one has none of its own
 */
function ratesOf(
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

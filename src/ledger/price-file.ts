import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { isObject, type JsonObject } from '../json/values.js'
import { Price } from './price.js'
import { readProvider } from './price-context.js'
import { FieldError, type PriceEntry, readPriceEntry } from './price-entry.js'
import { nameRateField } from './price-fields.js'
import { listNameForms } from './price-names.js'
import { AS_OF, type PerMillion, PRICE_TABLE } from './price-table.js'

/** A price file cannot be used; the message says why and what is expected. */
export class PricesError extends Error {}

/** An example in LiteLLM's file, with text in place of numbers. */
const SAMPLE = 'sample_spec'

/** Source of the built-in prices, for the records. */
export const BUILT_IN = `built-in ${AS_OF}`

/**
 * Reads a price file from the disk and parses it.
 * @param hint what happens or can be done without the file
 * @throws PricesError
 */
export function readPriceFile(
  file: string,
  hint: string,
): { readonly text: string; readonly table: unknown } {
  try {
    const text = readFileSync(file, 'utf8')
    return { text, table: parsePriceText(text) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new PricesError(`${file} ${code === undefined ? 'is not JSON' : `cannot be read (${code})`}${hint}`)
  }
}

/**
 * Parses the text of a price file. As in the config file, some editors put a byte order mark first.
 * @throws SyntaxError
 */
export function parsePriceText(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''))
}

/**
 * Reads the prices of a parsed file. Entries without a price of tokens, such as those of image models, are left out.
 * @param source name of the file, for the records
 * @throws PricesError that names the model and the field
 */
export function readPriceTable(source: string, table: unknown): Map<string, Price> {
  const prices = new Map<string, Price>()
  for (const [name, price] of listPrices(source, table)) if (price !== null) prices.set(name, price)
  return checkPrices(source, prices)
}

/** Entries that are read at a stretch: less than a millisecond, so that no stream waits. */
const SLICE = 50

/** As `readPriceTable`, beside the requests of a running relay. */
export async function readPriceTableSlowly(source: string, table: unknown): Promise<Map<string, Price>> {
  const prices = new Map<string, Price>()
  let count = 0
  for (const [name, price] of listPrices(source, table)) {
    if (price !== null) prices.set(name, price)
    if (++count % SLICE === 0) await setImmediate()
  }
  return checkPrices(source, prices)
}

/** Reads one entry after another; the price is null for an entry without one. */
function* listPrices(source: string, table: unknown): Generator<readonly [name: string, Price | null]> {
  if (!isObject(table)) throw new PricesError(`${source} must be an object with an entry for each model`)
  for (const [name, entry] of Object.entries(table)) {
    if (name === SAMPLE || !isObject(entry) || readEntry(source, name, entry) === null) yield [name, null]
    else {
      const provider = readProvider(entry.litellm_provider)
      const isOwn = provider === null && !listNameForms(name).some((form) => BUILT_IN_NAMES.has(form))
      const origin = { source, name, builtIn: false, provider, isOwn }
      // Read once more when it is first asked for: what was read takes several times the memory of the entry.
      yield [name, new Price(origin, () => readEntry(source, name, entry) as PriceEntry)]
    }
  }
}

function checkPrices(source: string, prices: Map<string, Price>): Map<string, Price> {
  if (prices.size > 0) return prices
  throw new PricesError(
    `${source} has no model with ${nameRateField('input')} and ${nameRateField('output')}`,
  )
}

function readEntry(source: string, name: string, entry: JsonObject): PriceEntry | null {
  try {
    return readPriceEntry(entry)
  } catch (error) {
    if (error instanceof FieldError) throw new PricesError(`${source}: ${name}.${error.message}`)
    throw error
  }
}

const BUILT_IN_NAMES = new Set(PRICE_TABLE.flatMap(({ models }) => models.split(' ')))

/** The built-in prices, by model. */
export function buildBuiltInPrices(): Map<string, Price> {
  const prices = new Map<string, Price>()
  for (const { provider, search, models, usd, over } of PRICE_TABLE) {
    const entry: Record<string, unknown> = { ...nameRates(usd, '') }
    if (over !== undefined) {
      const [prompt, ...rates] = over
      Object.assign(entry, nameRates(rates, `_above_${prompt}_tokens`))
    }
    if (search !== undefined) entry.search_context_cost_per_query = search
    for (const name of models.split(' ')) {
      const origin = { source: BUILT_IN, name, builtIn: true, provider, isOwn: false }
      prices.set(name, new Price(origin, () => readPriceEntry(entry) as PriceEntry))
    }
  }
  return prices
}

/** The fields of a price file for rates of a million tokens. */
function nameRates([input, output, cached, written]: PerMillion, suffix: string): Record<string, string> {
  const rates: Record<string, string> = {}
  // Exact, whereas a division may be off by the last bit.
  for (const [kind, rate] of [
    ['input', input],
    ['output', output],
    ['cacheRead', cached],
    ['cacheWrite', written],
  ] as const)
    if (rate !== undefined) rates[`${nameRateField(kind)}${suffix}`] = `${rate}e-6`
  return rates
}

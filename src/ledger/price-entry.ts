import { isObject, type JsonObject } from '../json/values.js'
import { type Decimal, parseDecimal } from '../lib/decimal.js'
import { type Kind, nameRateField, parseRateField, SEARCH_FIELD } from './price-fields.js'
import { type PriceHours, readPriceHours } from './price-hours.js'
import { type OwnRates, overlayRates, RateCard } from './rate-card.js'

/** Rates of one entry by the size of the prompt that they begin at. */
type RatesBySize = ReadonlyMap<number, OwnRates>

/** An entry of a price file, read. */
export interface PriceEntry {
  /** By service tier; the standard one is empty. */
  readonly services: ReadonlyMap<string, RatesBySize>
  /** The ranges of `tiered_pricing`; null if the entry has none. */
  readonly ranges: RatesBySize | null
  /** Factors for a service tier or a region: `fast`, `us`; `region:eu` for the region of a host. */
  readonly factors: ReadonlyMap<string, Decimal>
  /** Rates that take the place of the others at some hours; null if the hour does not matter. */
  readonly offPeak: OffPeak | null
}

interface OffPeak {
  readonly hours: PriceHours
  readonly rates: OwnRates
}

/** Modes of models that answer without tokens. */
const WITHOUT_OUTPUT = new Set<unknown>(['embedding', 'rerank', 'moderation'])

/** Providers whose tier already holds for a prompt of exactly its size, as LiteLLM reads their entries. */
const FROM_EXACTLY = new Set<unknown>(['xai'])

const REGION_FACTOR = /^regional_processing_uplift_multiplier_([a-z]+)$/
/** Members of `search_context_cost_per_query`; without knowing how much a search read, the medium size is meant. */
const SEARCH_SIZES = ['medium', 'low', 'high'].map((size) => `search_context_size_${size}`)

const NOTHING: Decimal = { digits: 0n, scale: 0 }

/** What is wrong with a field of an entry. */
export class FieldError extends Error {}

/**
 * Reads an entry of a price file.
 * @returns null if it has no price of tokens or requests, but of images, seconds or characters
 * @throws FieldError that begins with the name of the field
 */
export function readPriceEntry(entry: JsonObject): PriceEntry | null {
  const services = new Map<string, Map<number, SomeRates>>([['', new Map()]])
  const factors = new Map<string, Decimal>()
  const edge = FROM_EXACTLY.has(entry.litellm_provider) ? 1 : 0
  for (const [name, value] of Object.entries(entry)) {
    if (value === null || value === undefined) continue
    const field = parseRateField(name)
    if (field === null) {
      const region = name.startsWith('regional_') ? REGION_FACTOR.exec(name)?.[1] : undefined
      if (region !== undefined) factors.set(`region:${region}`, readRate(name, value, 'factor'))
      continue
    }
    const { kind, service } = field
    if (name.startsWith('input_cost_per_token_cache_hit') && hasNewName(entry, name)) continue
    const above = field.above === 0 ? 0 : field.above - edge
    setRate(services, service, above, kind, readRate(name, value))
  }
  const search = readSearchRate(entry[SEARCH_FIELD])
  if (search !== null) setRate(services, '', 0, 'search', search)
  if (isObject(entry.provider_specific_entry))
    for (const [word, value] of Object.entries(entry.provider_specific_entry))
      if (readDecimal(value) !== null)
        factors.set(word, readRate(`provider_specific_entry.${word}`, value, 'factor'))
  const ranges = readRanges(entry.tiered_pricing)
  const base = services.get('')?.get(0) ?? {}
  if (WITHOUT_OUTPUT.has(entry.mode) && base.input !== undefined && base.output === undefined)
    setRate(services, '', 0, 'output', NOTHING)
  const offPeak = readOffPeak(entry.off_peak_pricing)
  return isPriced(services.get('')?.get(0) ?? {}, ranges) ? { services, ranges, factors, offPeak } : null
}

function hasNewName(entry: JsonObject, name: string): boolean {
  const value = entry[name.replace('input_cost_per_token_cache_hit', 'cache_read_input_token_cost')]
  return value !== undefined && value !== null
}

function isPriced(base: OwnRates, ranges: RatesBySize | null): boolean {
  if (base.request !== undefined || ranges !== null) return true
  return base.input !== undefined && (base.output ?? base.imageOutput ?? base.audioOutput) !== undefined
}

type SomeRates = Partial<Record<Kind, Decimal>>

function setRate(
  services: Map<string, Map<number, SomeRates>>,
  service: string,
  above: number,
  kind: Kind,
  rate: Decimal,
): void {
  const sizes = services.get(service) ?? new Map<number, SomeRates>()
  services.set(service, sizes)
  const rates = sizes.get(above)
  if (rates === undefined) sizes.set(above, { [kind]: rate })
  else rates[kind] = rate
}

/** Most numbers that are remembered. Thousands of entries have some hundreds of different rates. */
const MAX_KNOWN = 5_000
const known = new Map<number, Decimal>()

function parseNumber(value: number): Decimal | null {
  const before = known.get(value)
  if (before !== undefined) return before
  const decimal = parseDecimal(value)
  if (decimal === null) return null
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(value, decimal)
  return decimal
}

/** @returns null if it is neither a number nor the text of one */
function readDecimal(value: unknown): Decimal | null {
  if (typeof value === 'number') return parseNumber(value)
  return typeof value === 'string' && value.length <= 40 ? parseDecimal(value) : null
}

/** @throws FieldError */
function readRate(name: string, value: unknown, what: 'rate' | 'factor' = 'rate'): Decimal {
  const rate = readDecimal(value)
  if (rate !== null) return rate
  const unit = name.startsWith(nameRateField('request')) ? 'one request' : 'one token'
  const expected = what === 'factor' ? 'a number' : `a number of US dollars for ${unit}`
  throw new FieldError(`${name} must be ${expected}`)
}

/** @returns null if there is none */
function readSearchRate(value: unknown): Decimal | null {
  if (value === undefined || value === null) return null
  const size = isObject(value) ? SEARCH_SIZES.find((one) => value[one] !== undefined) : undefined
  const rate = isObject(value) ? (size === undefined ? null : value[size]) : value
  if (rate === null) return null
  const decimal = readDecimal(rate)
  if (decimal === null)
    throw new FieldError(`${SEARCH_FIELD}.${size ?? ''} must be a number of US dollars for one search`)
  return decimal
}

/** Reads the list of ranges, as Alibaba's models have them. @throws FieldError */
function readRanges(list: unknown): RatesBySize | null {
  if (!Array.isArray(list) || list.length === 0) return null
  const ranges = new Map<number, OwnRates>()
  for (const [i, range] of (list as unknown[]).entries()) {
    const name = `tiered_pricing[${i}]`
    const above = isObject(range) && Array.isArray(range.range) ? (range.range as unknown[])[0] : undefined
    if (!isObject(range) || typeof above !== 'number' || !(above >= 0))
      throw new FieldError(`${name}.range must be two numbers of tokens`)
    const own = readPlainRates(name, range)
    if (own.input === undefined) throw new FieldError(`${name} must have ${nameRateField('input')}`)
    ranges.set(above, own)
  }
  return ranges
}

/** Reads the rates of a member of an entry, which have neither a size nor a tier. @throws FieldError */
function readPlainRates(name: string, member: JsonObject): OwnRates {
  const own: Partial<Record<Kind, Decimal>> = {}
  for (const [field, value] of Object.entries(member)) {
    const { kind, above, service } = parseRateField(field) ?? {}
    if (kind !== undefined && above === 0 && service === '' && value !== null)
      own[kind] = readRate(`${name}.${field}`, value)
  }
  return own
}

/** @throws FieldError */
function readOffPeak(rule: unknown): OffPeak | null {
  if (!isObject(rule)) return null
  const hours = readPriceHours(rule)
  if (hours === null) throw new FieldError('off_peak_pricing must have hours such as "16:30-00:30" (UTC)')
  return { hours, rates: readPlainRates('off_peak_pricing', rule) }
}

/**
 * The rates of an entry for one service tier, the largest prompts first.
 * @param service empty for the standard tier
 * @param isCheapHour the rates of `off_peak_pricing` hold, for prompts of any size
 */
export function buildCards(
  { services, ranges, offPeak }: PriceEntry,
  service: string,
  isCheapHour: boolean,
): RateCard[] {
  const standard = services.get('') ?? new Map<number, OwnRates>()
  const special = service === '' ? undefined : services.get(service)
  const sizes = [...standard.keys(), ...(special?.keys() ?? []), ...(ranges?.keys() ?? [])]
  const cards: RateCard[] = []
  let below: OwnRates = {}
  for (const above of [...new Set([0, ...sizes])].sort((a, b) => a - b)) {
    below = overlayRates(below, standard.get(above) ?? {})
    const own = special?.get(above)
    if (own !== undefined)
      below = overlayRates(own.output === undefined ? below : withoutReasoning(below), own)
    const range = findRange(ranges, above)
    // A range has all rates of its prompts, but that of the output may stand outside of the list.
    const { output, request, search } = below
    const rates = range === undefined ? below : dropUndefined({ output, request, search, ...range })
    const replaced = isCheapHour && offPeak !== null ? overlayRates(rates, offPeak.rates) : rates
    cards.unshift(new RateCard(above, replaced))
  }
  return cards
}

/** The range that a prompt above a size is in; the first one also takes what is below it. */
function findRange(ranges: RatesBySize | null, above: number): OwnRates | undefined {
  if (ranges === null) return undefined
  return ranges.get(above) ?? (above === 0 ? ranges.get(Math.min(...ranges.keys())) : undefined)
}

/** In a service tier with an output rate, reasoning costs what its output does. */
function withoutReasoning({ reasoning: _, ...rates }: OwnRates): OwnRates {
  return rates
}

function dropUndefined(rates: Readonly<Partial<Record<Kind, Decimal | undefined>>>): OwnRates {
  return Object.fromEntries(Object.entries(rates).filter(([, rate]) => rate !== undefined))
}

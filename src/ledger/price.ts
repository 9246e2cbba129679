import type { Decimal } from '../lib/decimal.js'
import { buildCards, type PriceEntry } from './price-entry.js'
import { isOffPeak } from './price-hours.js'
import type { RateCard } from './rate-card.js'

/** Words of upstreams for the standard tier. A word of a geography that costs nothing more is one of them, too. */
const STANDARD = new Set([
  ...['', 'default', 'standard', 'auto', 'on_demand', 'traffic_type_unspecified'],
  ...['global', 'not_available'],
])

/** Words of upstreams for a tier, and how price files call it; the first name with a rate is taken. */
const SERVICE_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['batch', ['batches', 'batch']],
  ['batches', ['batches', 'batch']],
  // OpenAI has sold its priority tier under this name, too.
  ['fast', ['fast', 'priority']],
  ['on_demand_priority', ['priority']],
  ['on_demand_flex', ['flex']],
])

/** Most tiers whose rates a price keeps: an upstream can send any word. */
const MAX_TIERS = 50

/** Where a price comes from. */
export interface PriceOrigin {
  /** For the records: the name of the file, or `built-in` and the date. */
  readonly source: string
  /** Name of the entry. */
  readonly name: string
  readonly builtIn: boolean
  /** Whose model the entry describes; null if it names no provider that is known. */
  readonly provider: string | null
  /** An entry that the operator has made for a name of their own: neither its provider nor its name is known. */
  readonly isOwn: boolean
}

/** What decides the rates of a request beside its model, its tokens and its tier. */
export interface Circumstances {
  /** Of the upstream's host; null if it has none. */
  readonly region: string | null
  /** When the request ended, in epoch milliseconds; null for the dearer hours. */
  readonly at: number | null
}

/** What one model costs. The rates are put together when they are first asked for: a file has thousands of entries. */
export class Price {
  readonly origin: PriceOrigin
  /** The entry as it was read. */
  readonly readEntry: () => PriceEntry
  private entry: PriceEntry | null
  private standard: readonly RateCard[] | null
  private readonly tiers: Map<string, readonly RateCard[] | null>

  constructor(origin: PriceOrigin, readEntry: () => PriceEntry) {
    this.origin = origin
    this.readEntry = readEntry
    this.entry = null
    this.standard = null
    this.tiers = new Map()
  }

  /** Source of the price, for the records. */
  get source(): string {
    return this.origin.source
  }

  /**
   * The rates of a service tier by the size of the prompt, the largest first; null if they are not known.
   * @param tier in the upstream's word; several words are separated by spaces or commas
   */
  select(tier: string | null, { region, at }: Circumstances): readonly RateCard[] | null {
    const { offPeak } = this.read()
    const isCheapHour = offPeak !== null && at !== null && isOffPeak(offPeak.hours, at)
    if (region === null && !isCheapHour && (tier === null || STANDARD.has(tier))) {
      this.standard ??= buildCards(this.read(), '', false)
      return this.standard
    }
    const key = `${isCheapHour} ${region ?? ''} ${tier ?? ''}`
    const before = this.tiers.get(key)
    if (before !== undefined) return before
    const cards = this.build(tier, region, isCheapHour)
    if (this.tiers.size >= MAX_TIERS) this.tiers.clear()
    this.tiers.set(key, cards)
    return cards
  }

  private read(): PriceEntry {
    this.entry ??= this.readEntry()
    return this.entry
  }

  private build(
    tier: string | null,
    region: string | null,
    isCheapHour: boolean,
  ): readonly RateCard[] | null {
    const entry = this.read()
    const multiplied: Decimal[] = []
    const factor = entry.factors.get(`region:${region}`)
    if (factor !== undefined) multiplied.push(factor)
    let service = ''
    for (const word of (tier ?? '').toLowerCase().split(/[\s,]+/)) {
      if (STANDARD.has(word)) continue
      const own = entry.factors.get(word)
      const name = (SERVICE_NAMES.get(word) ?? [word]).find((one) => entry.services.has(one))
      if (own !== undefined) multiplied.push(own)
      else if (name !== undefined && service === '') service = name
      // No cost is better than a wrong one.
      else return null
    }
    const cards = buildCards(entry, service, isCheapHour)
    return multiplied.reduce((all, one) => all.map((card) => card.multiply(one)), cards)
  }
}

/** The rates for a prompt of so many tokens. */
export function pickCard(cards: readonly RateCard[], prompt: number): RateCard | undefined {
  for (const card of cards) if (prompt > card.above) return card
  return cards.at(-1)
}

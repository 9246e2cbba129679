import { basename } from 'node:path'
import type { NanoUsd } from '../lib/nano-usd.js'
import type { Usage } from '../metering/usage.js'
import type { Price } from './price.js'
import {
  findPriceContext,
  isOfProvider,
  NO_CONTEXT,
  type PriceContext,
  type PricedUpstream,
} from './price-context.js'
import { computeCost } from './price-cost.js'
import { buildBuiltInPrices, readPriceFile, readPriceTable, readPriceTableSlowly } from './price-file.js'
import { listNameForms } from './price-names.js'

export { computeCost } from './price-cost.js'
export { PricesError } from './price-file.js'

/** Longest model name, in characters. Clients and upstreams can send any name. */
const MAX_NAME = 200

/** Most names whose price is cached, of all upstreams with the same names in price files. */
const MAX_CACHED_NAMES = 1_000

const WITHOUT_FILE = '; without the setting the built-in prices are used'

/** Source of a cost that the upstream itself reported. */
export const UPSTREAM_SOURCE = 'upstream'

/** What a response costs, and how that is known. */
export interface Charge {
  /** Null if it is not known. */
  readonly nano: NanoUsd | null
  /** The source of the price, for the record; null if there is none. */
  readonly source: string | null
}

/** The names that decide the price of a request. */
export interface PricedRequest {
  /** The model that the upstream names; null if it names none. */
  readonly answered: string | null
  /** The model that the client requested. */
  readonly requested: string | null
  /** The name of the upstream in the config; null if none was asked. */
  readonly upstream: string | null
  /** When it ended, in epoch milliseconds: some prices depend on the hour. */
  readonly at: number | null
}

const UNKNOWN: Charge = { nano: null, source: null }

/**
 * Prices by model: the built-in table, overridden by a file of the operator in the format of LiteLLM's
 * `model_prices_and_context_window.json`. `PRICES.md` says which entry is taken.
 */
export class Prices {
  private models: ReadonlyMap<string, Price>
  private contexts: ReadonlyMap<string, PriceContext>
  /** Prices by name, for each list of names that price files have for a provider. A miss is null. */
  private readonly cached: Map<string, Map<string, Price | null>>

  private constructor(models: ReadonlyMap<string, Price>) {
    this.models = models
    this.contexts = new Map()
    this.cached = new Map()
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
    return Prices.from(basename(setting), readPriceFile(setting, WITHOUT_FILE).table)
  }

  /**
   * Reads a parsed price file on top of the built-in table.
   * @param source name of the file, for the records
   * @throws PricesError
   */
  static from(source: string, table: unknown): Prices {
    return new Prices(new Map([...buildBuiltInPrices(), ...readPriceTable(source, table)]))
  }

  /**
   * Applies to later requests the prices that a parsed file has now.
   * @param isLatest asked when they are read; they do not apply if not
   * @throws PricesError, and then nothing changes
   */
  async replace(source: string, table: unknown, isLatest: () => boolean = () => true): Promise<void> {
    const models = await readPriceTableSlowly(source, table)
    if (!isLatest()) return
    this.models = new Map([...buildBuiltInPrices(), ...models])
    this.cached.clear()
  }

  /** Later requests go to these upstreams. */
  follow(upstreams: readonly PricedUpstream[]): void {
    this.contexts = new Map(upstreams.map((upstream) => [upstream.name, findPriceContext(upstream)]))
  }

  /** Number of models with a price. */
  get size(): number {
    return this.models.size
  }

  /** All prices, by the names of their entries. */
  get entries(): ReadonlyMap<string, Price> {
    return this.models
  }

  /** How price files name the models of an upstream. */
  contextOf(upstream: string | null): PriceContext {
    return (upstream === null ? undefined : this.contexts.get(upstream)) ?? NO_CONTEXT
  }

  /** Computes what a response costs. A cost that the upstream itself reports wins. */
  charge(usage: Usage, request: PricedRequest): Charge {
    const reported = usage.details?.costNano ?? null
    if (reported !== null) return { nano: reported, source: UPSTREAM_SOURCE }
    const price = this.find(request.answered, request.requested, request.upstream)
    if (price === null) return UNKNOWN
    const context = this.contextOf(request.upstream)
    const findPass = (model: string): Price | null => this.lookUp(model, context)
    const circumstances = { region: context.region, at: request.at }
    return { nano: computeCost(price, usage, circumstances, findPass), source: price.source }
  }

  /**
   * Finds the price of a request; null if there is none. The model that answered decides. The requested name decides
   * in its place if the upstream names no model, or if the name is an alias that the operator has given a price.
   * @param answered the model that the upstream names; null if it names none
   * @param requested the model that the client requested
   */
  find(answered: string | null, requested: string | null, upstream: string | null = null): Price | null {
    const context = this.contextOf(upstream)
    if (answered === null) return requested === null ? null : this.lookUp(requested, context)
    const price = this.lookUp(answered, context)
    if (requested === null || requested === answered || price?.origin.isOwn === true) return price
    const alias = requested.length > MAX_NAME ? undefined : this.models.get(requested)
    return alias?.origin.isOwn === true ? alias : price
  }

  /** Number of names whose price is cached. */
  get rememberedCount(): number {
    let count = 0
    for (const names of this.cached.values()) count += names.size
    return count
  }

  private lookUp(name: string, context: PriceContext): Price | null {
    if (name.length > MAX_NAME) return null
    const key = context.takesOthers ? context.providers.join(' ') : `${context.providers.join(' ')} alone`
    let names = this.cached.get(key)
    const price = names?.get(name)
    if (price !== undefined) return price
    const found = findPrice(name, context, this.models)
    if (names === undefined) {
      names = new Map()
      this.cached.set(key, names)
    } else if (names.size >= MAX_CACHED_NAMES) names.clear()
    names.set(name, found)
    return found
  }
}

function findPrice(name: string, context: PriceContext, models: ReadonlyMap<string, Price>): Price | null {
  const { providers, takesOthers } = context
  for (const form of listNameForms(name)) {
    const exact = models.get(form)
    if (exact !== undefined && isFirstChoice(exact, context)) return exact
    for (const one of providers) {
      const prefixed = models.get(`${one}/${form}`)
      if (prefixed !== undefined) return prefixed
    }
    const provider = exact?.origin.provider ?? ''
    if (exact !== undefined && (takesOthers || providers.some((one) => isOfProvider(provider, one))))
      return exact
  }
  return null
}

/** Whether an entry under the exact name comes before those below the names of the upstream's provider. */
function isFirstChoice({ origin }: Price, { providers, takesOthers }: PriceContext): boolean {
  const { provider, isOwn } = origin
  const [first = null] = providers
  if (provider === null) return isOwn || takesOthers
  return first !== null && isOfProvider(provider, first)
}

/** The names under which an entry is looked for, in their order. */
export function listTriedNames(name: string, { providers }: PriceContext): string[] {
  return listNameForms(name).flatMap((form) => [form, ...providers.map((one) => `${one}/${form}`)])
}

import type { LimitRulesConfig } from '../config/limit-rules.js'
import { redactText } from '../exchange/log-text.js'
import type { Price } from '../ledger/price.js'
import { Prices } from '../ledger/prices.js'
import type { Decimal } from '../lib/decimal.js'
import type { NanoUsd } from '../lib/nano-usd.js'
import type { Log } from '../observe/log.js'

/** Most models that are remembered as warned of. Clients can send any name. */
const MOST_WARNED = 1_000

const NANOS = 1_000_000_000
const MILLION = 1_000_000

/** US dollars for a million tokens, and whose they are. */
interface AssumedRates {
  readonly input: number
  readonly output: number
  /** The model that they are of; null if the config has them. */
  readonly model: string | null
}

/** What a model without a price is assumed to cost where a rule limits money, so that it is never free. */
export class UnpricedModels {
  private setting: LimitRulesConfig['unpriced']
  private readonly prices: Prices | null
  private readonly log: Pick<Log, 'warn'>
  private readonly warned: Set<string>
  /** The dearest model of the table, and the table that it was looked for in. */
  private dearest: { readonly table: ReadonlyMap<string, Price>; readonly rates: AssumedRates } | null

  /** @param prices null if costs are switched off: then the built-in table is taken */
  constructor(setting: LimitRulesConfig['unpriced'], prices: Prices | null, log: Pick<Log, 'warn'>) {
    this.setting = setting
    this.prices = prices ?? Prices.open(true)
    this.log = log
    this.warned = new Set()
    this.dearest = null
  }

  /** Later requests follow this setting. */
  follow(setting: LimitRulesConfig['unpriced']): void {
    this.setting = setting
    this.warned.clear()
  }

  /** Requests for such a model are refused. */
  get isDenied(): boolean {
    return this.setting === 'deny'
  }

  /** @param model for the warning, which each model gets once; null if it is not known */
  assume(model: string | null, prompt: number, completion: number): NanoUsd {
    const rates = this.findRates()
    this.warn(model, rates)
    const nano = Math.round((prompt * rates.input + completion * rates.output) * (NANOS / MILLION))
    return Number.isSafeInteger(nano) ? nano : BigInt(nano)
  }

  private findRates(): AssumedRates {
    // What was sent before a reload of the config that denies it has to be paid, too.
    if (typeof this.setting === 'object') return { ...this.setting, model: null }
    const table = this.prices?.entries ?? new Map<string, Price>()
    if (this.dearest?.table !== table) this.dearest = { table, rates: findDearest(table) }
    return this.dearest.rates
  }

  private warn(model: string | null, { input, output, model: dearest }: AssumedRates): void {
    // Clients send any text as a model, also a key by mistake.
    const name = model === null ? 'no model' : redactText(model)
    if (this.warned.has(name) || this.warned.size >= MOST_WARNED) return
    this.warned.add(name)
    const source = dearest === null ? 'as limits.unpriced says' : `as ${dearest}, the dearest model known`
    this.log.warn(
      { model: model === null ? null : name },
      `the model ${name} has no price, and a rule limits money: it is assumed to cost ${input} US dollars for a million tokens in and ${output} for a million out, ${source}. Add its price to the file of ledger.prices`,
    )
  }
}

/** The model whose tokens, one in and one out, cost most. */
function findDearest(table: ReadonlyMap<string, Price>): AssumedRates {
  let found: AssumedRates = { input: 0, output: 0, model: null }
  for (const [name, price] of table) {
    // The entry is read and not kept: a file has thousands of them.
    const rates = price.readEntry().services.get('')?.get(0)
    const input = perMillion(rates?.input)
    const output = perMillion(rates?.output)
    if (input + output > found.input + found.output) found = { input, output, model: name }
  }
  return found
}

function perMillion(rate: Decimal | undefined): number {
  return rate === undefined ? 0 : (Number(rate.digits) / 10 ** rate.scale) * MILLION
}

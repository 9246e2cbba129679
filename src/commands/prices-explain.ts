import type { DestinationsConfig } from '../config/config.js'
import type { Price } from '../ledger/price.js'
import { type Bill, createPassBills } from '../ledger/price-cost.js'
import { KINDS } from '../ledger/price-fields.js'
import { describeKind, describeSize, formatRate, groupDigits } from '../ledger/price-rates.js'
import { listTriedNames, Prices } from '../ledger/prices.js'
import type { RateCard } from '../ledger/rate-card.js'
import { type Decimal, formatDecimal, multiplyDecimals } from '../lib/decimal.js'
import { formatNanoUsd } from '../lib/nano-usd.js'
import type { Usage } from '../metering/usage.js'
import { CANNOT, type Given, OK, type PricesIo, PricesProblem, type Subcommand } from './prices-common.js'
import { parseUsage } from './prices-usage.js'
import { wrapLine } from './wrap-line.js'

/** `thinwire prices explain MODEL`: which entry is a model's, its rates, and what a usage costs. */
export const EXPLAIN: Subcommand = {
  options: { upstream: { type: 'string' }, usage: { type: 'string' } },
  check: ({ rest }) => (rest.length === 1 ? null : 'explain takes the name of one model'),
  run: explain,
}

interface Question {
  readonly model: string
  readonly upstream: string | null
  readonly usage: Usage | null
}

function explain({ values, rest }: Given, io: PricesIo): number {
  const config = values.config === undefined ? undefined : String(values.config)
  const usage = values.usage === undefined ? null : parseUsage(String(values.usage))
  const upstream = values.upstream === undefined ? null : String(values.upstream)
  const question = { model: rest[0] ?? '', upstream, usage }
  const prices = Prices.open(io.setting(config))
  if (prices === null) throw new PricesProblem('ledger.prices is false: records have no cost')
  if (upstream !== null) {
    const { upstreams } = io.load(config)
    if (!upstreams.some(({ name }) => name === upstream)) {
      const names = upstreams.map(({ name }) => name).join(', ')
      throw new PricesProblem(`no such upstream; the config has ${names || 'none'}`)
    }
    prices.follow(upstreams)
  }
  const price = prices.find(question.model, question.model, upstream)
  const answer = price === null ? null : bill(price, question, prices)
  if (values.json === true) io.out.write(`${JSON.stringify(toJson(price, answer, question, prices))}\n`)
  else if (price === null || answer === null) io.out.write(describeMissing(question, prices, io.load(config)))
  else io.out.write(describe(price, answer, question))
  return answer === null || (usage !== null && answer.cost === null) ? CANNOT : OK
}

interface Answer {
  /** The rates at every size of prompt, or, with a usage, those that apply. Null: not known for its tier. */
  readonly cards: readonly RateCard[] | null
  /** Of each pass, and of the request itself; empty without a usage. */
  readonly bills: readonly Bill[]
  /** US dollars; null if it is not known, or no usage was given. */
  readonly cost: string | null
}

function bill(price: Price, { model, upstream, usage }: Question, prices: Prices): Answer {
  const circumstances = { region: prices.contextOf(upstream).region, at: null }
  if (usage === null) return { cards: price.select(null, circumstances), bills: [], cost: null }
  const cards = price.select(usage.details?.tier ?? null, circumstances)
  const found = (name: string): Price | null => prices.find(name, null, upstream)
  const bills = createPassBills(price, usage, circumstances, found)
  const { nano } = prices.charge(usage, { answered: model, requested: model, upstream, at: null })
  return {
    cards,
    bills: bills.filter((one): one is Bill => one !== null),
    cost: nano === null ? null : formatNanoUsd(nano),
  }
}

const LABEL = 11

function describe(
  price: Price,
  { cards, bills, cost }: Answer,
  { model, upstream, usage }: Question,
): string {
  const { source, name, builtIn } = price.origin
  const place = upstream === null ? '' : ` at the upstream ${upstream}`
  const table = builtIn ? `the built-in table (${source.split(' ')[1]})` : source
  let text = wrapLine('', `${model}${place}`) + wrapLine('entry'.padEnd(LABEL), `${name} of ${table}`)
  if (usage === null) {
    const { services, factors } = price.readEntry()
    const tiers = [...services.keys(), ...factors.keys()].filter((tier) => tier !== '')
    text += wrapLine('tier'.padEnd(LABEL), `standard; it has others: ${tiers.join(', ') || 'none'}`)
    if (price.readEntry().offPeak !== null)
      text += wrapLine('hours'.padEnd(LABEL), 'the dearer ones; at others it costs less')
    const sizes = [...(cards ?? [])].reverse()
    for (const card of sizes) text += `\n${listCard(card, sizes.length)}`
    return text
  }
  const tier = usage.details?.tier ?? 'standard'
  if (cards === null)
    return text + wrapLine('tier'.padEnd(LABEL), `${tier}, for which the entry has no rates`)
  text += wrapLine('tier'.padEnd(LABEL), tier)
  const passes = usage.details?.passes ?? []
  for (const [i, one] of bills.entries()) {
    const pass = passes[i] === undefined ? '' : `pass ${i + 1}, ${passes[i].model ?? model}`
    text += listBill(one, passes.length > 0 && pass === '' ? 'once' : pass)
  }
  const why = cost === null ? 'Not known: a number of tokens, or a rate or the model of some of them.' : ''
  return `${text}\n${row(['sum', '', '', cost ?? 'unknown'])}${why === '' ? '' : wrapLine('', why)}`
}

const WIDTHS = [20, 15, 18, 22] as const

function row(cells: readonly string[]): string {
  const [name = '', ...numbers] = cells
  const rest = numbers.map((cell, i) => cell.padStart(WIDTHS[i + 1] ?? 0)).join('')
  return `${`${name.padEnd(WIDTHS[0])}${rest}`.trimEnd()}\n`
}

/** The rates of one size of prompt that are not those of another kind. @param sizes how many there are */
function listCard({ above, own, rates }: RateCard, sizes: number): string {
  const head = above > 0 ? describeSize(above).trim() : sizes > 1 ? 'other prompts' : 'prompts of any size'
  let text = row([head, 'USD', 'for'])
  for (const [i, kind] of KINDS.entries()) {
    const isDerived = kind === 'cacheWriteHour' && own.cacheWrite !== undefined
    const rate = own[kind] ?? (isDerived ? rates[i] : undefined) ?? null
    const { name, per } = describeKind(kind)
    if (rate !== null) text += row([name, formatRate(kind, rate), per === '1' ? 'one' : '1M tokens'])
  }
  return text
}

function listBill({ card, counts }: Bill, title: string): string {
  const lines = KINDS.flatMap((kind, i) => {
    const count = counts[i] ?? 0
    const rate = card.rates[i] ?? null
    if (count === 0 || (kind === 'request' && rate?.digits === 0n)) return []
    const { name, per } = describeKind(kind)
    const price = rate === null ? 'unknown' : `${formatRate(kind, rate)} / ${per}`
    return [row([name, groupDigits(count), price, rate === null ? 'unknown' : multiply(rate, count)])]
  })
  if (lines.length === 0) return ''
  const head = title === '' ? '' : wrapLine('', title)
  return `\n${head}${row([describeSize(card.above).trim(), 'number', 'USD', 'USD'])}${lines.join('')}`
}

function multiply(rate: Decimal, count: number): string {
  return formatDecimal(multiplyDecimals(rate, { digits: BigInt(count), scale: 0 }))
}

function describeMissing({ model, upstream }: Question, prices: Prices, config: DestinationsConfig): string {
  const alias = upstream === null ? config.aliases.find(({ name }) => name === model) : undefined
  if (alias !== undefined) {
    const targets = alias.targets.map((target) => `${target.model ?? model} --upstream ${target.upstream}`)
    return (
      wrapLine(
        '',
        `${model} is a model of the config, without a price of its own: the model that answers decides.`,
      ) + targets.map((target) => wrapLine('', `thinwire prices explain ${target}`)).join('')
    )
  }
  const tried = listTriedNames(model, prices.contextOf(upstream)).join(', ')
  return wrapLine('', `${model} has no price: its records have no cost.`) + wrapLine('looked for ', tried)
}

function toJson(
  price: Price | null,
  answer: Answer | null,
  { model, upstream }: Question,
  prices: Prices,
): object {
  if (price === null || answer === null)
    return { model, upstream, entry: null, tried: listTriedNames(model, prices.contextOf(upstream)) }
  const { name: entry, source, provider } = price.origin
  const cards = answer.bills.length > 0 ? answer.bills.map(({ card }) => card) : (answer.cards ?? [])
  return {
    ...{ model, upstream, entry, source, provider },
    rates: [...new Set(cards)].map(({ above, rates }) => ({
      above,
      ...Object.fromEntries(
        KINDS.map((kind, i) => [kind, rates[i] ? formatDecimal(rates[i] as Decimal) : null]),
      ),
    })),
    bills: answer.bills.map(({ card, counts }) => ({
      above: card.above,
      counts: Object.fromEntries(KINDS.flatMap((kind, i) => (counts[i] ? [[kind, counts[i]]] : []))),
    })),
    cost_usd: answer.cost === null ? null : Number(answer.cost),
  }
}

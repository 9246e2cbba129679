import { addDecimals, type Decimal, roundDecimal, scaleUp } from '../lib/decimal.js'
import type { NanoUsd } from '../lib/nano-usd.js'
import type { Usage } from '../metering/usage.js'
import { type Circumstances, type Price, pickCard } from './price.js'
import { KINDS } from './price-fields.js'
import type { RateCard } from './rate-card.js'

const REQUEST = KINDS.indexOf('request')
const OUTPUT = KINDS.indexOf('output')
const ANYWHERE: Circumstances = { region: null, at: null }
const AUDIO = [KINDS.indexOf('audioInput'), KINDS.indexOf('audioOutput')] as const

/** The rates that apply to a request, and how much of each kind it had, in the order of `KINDS`. */
export interface Bill {
  readonly card: RateCard
  readonly counts: readonly number[]
}

/**
 * Finds the rates for a usage, and splits its tokens into kinds.
 * @returns null if the tokens or the rates of the tier are not known
 */
export function createBill(price: Price, usage: Usage, circumstances: Circumstances): Bill | null {
  const { prompt, details } = usage
  if (prompt === null) return null
  const cards = price.select(details === null ? null : details.tier, circumstances)
  const card = cards === null ? undefined : pickCard(cards, prompt)
  if (card === undefined) return null
  const counts = splitTokens(usage, prompt, card)
  return counts === null ? null : { card, counts }
}

/** @returns null if the tokens of the answer are not known */
function splitTokens(usage: Usage, prompt: number, card: RateCard): number[] | null {
  const { details } = usage
  // Embeddings have no completion tokens.
  const completion = usage.completion ?? (card.rates[OUTPUT]?.digits === 0n ? 0 : null)
  if (completion === null) return null
  const cached = Math.min(usage.cached ?? 0, prompt)
  const written = Math.min(usage.cacheWritten ?? 0, prompt - cached)
  const reasoning = Math.min(usage.reasoning ?? 0, completion)
  let text = prompt - cached - written
  let answer = completion - reasoning
  if (details === null) return [text, cached, written, 0, 0, 0, answer, reasoning, 0, 0, 1, 0]
  const hour = Math.min(details.cacheWrittenHour ?? 0, written)
  // What is cached counts as text as far as it can: no API says which tokens of the prompt were cached.
  const audioIn = Math.min(details.audioPrompt ?? 0, text)
  const imageIn = Math.min(details.imagePrompt ?? 0, text - audioIn)
  const audioOut = Math.min(details.audioCompletion ?? 0, answer)
  const imageOut = Math.min(details.imageCompletion ?? 0, answer - audioOut)
  text -= audioIn + imageIn
  answer -= audioOut + imageOut
  const short = written - hour
  const searches = details.searches ?? 0
  return [text, cached, short, hour, audioIn, imageIn, answer, reasoning, audioOut, imageOut, 1, searches]
}

/**
 * Computes what a response costs: each pass at the rates of its model, exact, and rounded once to a nano-dollar.
 * @param findPass the price of another model that wrote a pass
 * @returns null if the tokens or the price of one of them are not known
 */
export function computeCost(
  price: Price,
  usage: Usage,
  circumstances: Circumstances = ANYWHERE,
  findPass: (model: string) => Price | null = () => null,
): NanoUsd | null {
  const { details } = usage
  if (details !== null && details.passes !== null) return sumPasses(price, usage, circumstances, findPass)
  const bill = createBill(price, usage, circumstances)
  if (bill === null || !isKnown(price, bill)) return null
  return addUp(bill)
}

/** The built-in prices are those of text: audio has prices of its own. */
function isKnown({ origin }: Price, { counts }: Bill): boolean {
  return !origin.builtIn || AUDIO.every((kind) => counts[kind] === 0)
}

function addUp({ card, counts }: Bill): NanoUsd | null {
  const { units, scale } = card
  if (units !== null) {
    let total = 0
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i] as number
      if (count === 0) continue
      const unit = units[i] as number
      if (unit < 0) return null
      total += count * unit
    }
    // No part is larger than the sum: if that is a safe integer, all of them were exact.
    if (Number.isSafeInteger(total)) return roundUnits(total, scale)
  }
  const exact = addExactly({ card, counts })
  return exact === null ? null : roundToNanos(exact)
}

/** Rounds to nano-dollars, half up, with whole numbers alone. */
function roundUnits(units: number, scale: number): number {
  if (scale === 9) return units
  const unit = 10 ** (scale - 9)
  const rest = units % unit
  return (units - rest) / unit + (rest * 2 >= unit ? 1 : 0)
}

/** The sum over all kinds in US dollars; null if a rate is not known. */
export function addExactly({ card, counts }: Bill): Decimal | null {
  let digits = 0n
  for (const [i, count] of counts.entries()) {
    if (count === 0) continue
    const rate = card.rates[i] ?? null
    if (rate === null) return null
    // A whole number for a count of any upstream; an error here would end the relay.
    digits += scaleUp(rate, card.scale) * BigInt(Math.round(count))
  }
  return { digits, scale: card.scale }
}

/** Rounds an amount of US dollars to nano-dollars, half up. */
export function roundToNanos(usd: Decimal): NanoUsd {
  const nano = roundDecimal(usd, 9)
  return nano <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(nano) : nano
}

/**
 * The bills of the passes, and last of what the response has once: its request, and its searches. One bill if it has no
 * passes. A bill is null if its tokens or its rates are not known; the others are left out then.
 */
export function createPassBills(
  price: Price,
  usage: Usage,
  circumstances: Circumstances,
  findPass: (model: string) => Price | null,
): (Bill | null)[] {
  const { details } = usage
  if (details === null || details.passes === null) return [createBill(price, usage, circumstances)]
  const bills: (Bill | null)[] = []
  for (const { model, usage: tokens } of details.passes) {
    const own = model === null ? price : findPass(model)
    const { cacheWrittenHour = null, audioPrompt = null, audioCompletion = null } = tokens.details ?? {}
    const { imagePrompt = null, imageCompletion = null } = tokens.details ?? {}
    const tier = tokens.details?.tier ?? details.tier
    const rest = { cacheWrittenHour, audioPrompt, audioCompletion, imagePrompt, imageCompletion, tier }
    const pass = { ...tokens, details: { ...rest, searches: null, costNano: null, passes: null } }
    const bill = own === null ? null : createBill(own, pass, circumstances)
    if (bill === null || own === null || !isKnown(own, bill)) return [null]
    bills.push({ card: bill.card, counts: bill.counts.map((count, i) => (i === REQUEST ? 0 : count)) })
  }
  const once = { prompt: usage.prompt ?? 0, cached: null, cacheWritten: null, completion: 0, reasoning: null }
  const { card } = createBill(price, { ...once, details }, circumstances) ?? {}
  const counts = KINDS.map((kind) =>
    kind === 'request' ? 1 : kind === 'search' ? (details.searches ?? 0) : 0,
  )
  bills.push(card === undefined ? null : { card, counts })
  return bills
}

function sumPasses(
  price: Price,
  usage: Usage,
  circumstances: Circumstances,
  findPass: (model: string) => Price | null,
): NanoUsd | null {
  let sum: Decimal = { digits: 0n, scale: 9 }
  for (const bill of createPassBills(price, usage, circumstances, findPass)) {
    const part = bill === null ? null : addExactly(bill)
    if (part === null) return null
    sum = addDecimals(sum, part)
  }
  return roundToNanos(sum)
}

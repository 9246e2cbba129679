import { type Decimal, equalDecimals, multiplyDecimals, scaleUp } from '../lib/decimal.js'
import { KINDS, type Kind } from './price-fields.js'

/** US dollars for one token, search or request of each kind that has a rate of its own. */
export type OwnRates = Readonly<Partial<Record<Kind, Decimal>>>

/** All rates of one model at one prompt size and one service tier. */
export class RateCard {
  /** The rates apply to prompts with more tokens than this. */
  readonly above: number
  /** In the order of `KINDS`; null if the rate is not known. */
  readonly rates: readonly (Decimal | null)[]
  /** The kinds that have a rate of their own; the others take that of another kind. */
  readonly own: OwnRates
  /** One dollar has ten to the power of this many units. At least 9: a nano-dollar is no fraction of a unit. */
  readonly scale: number
  /** The rates in units: whole numbers, -1 if not known. Null if one of them is too large for a number. */
  readonly units: readonly number[] | null

  constructor(above: number, own: OwnRates) {
    this.above = above
    this.own = own
    this.rates = resolveRates(own)
    this.scale = this.rates.reduce((most, rate) => Math.max(most, rate?.scale ?? 0), 9)
    const units = this.rates.map((rate) => (rate === null ? -1 : Number(scaleUp(rate, this.scale))))
    this.units = units.every(Number.isSafeInteger) ? units : null
  }

  /** The rates of all tokens, times a factor. Requests and searches cost the same. */
  multiply(factor: Decimal): RateCard {
    const own: Partial<Record<Kind, Decimal>> = {}
    for (const [i, kind] of KINDS.entries()) {
      const rate = this.rates[i] ?? null
      if (rate === null) continue
      own[kind] = kind === 'request' || kind === 'search' ? rate : multiplyDecimals(rate, factor)
    }
    return new RateCard(this.above, own)
  }
}

const NOTHING: Decimal = { digits: 0n, scale: 0 }
const TWO: Decimal = { digits: 2n, scale: 0 }

/** A kind without a rate of its own has the rate of the kind that it is a part of. */
function resolveRates(own: OwnRates): (Decimal | null)[] {
  const input = own.input ?? null
  const output = own.output ?? own.imageOutput ?? null
  const all: Record<Kind, Decimal | null> = {
    input,
    output,
    cacheRead: own.cacheRead ?? input,
    cacheWrite: own.cacheWrite ?? input,
    cacheWriteHour: own.cacheWriteHour ?? findHourRate(own) ?? input,
    audioInput: own.audioInput ?? input,
    audioOutput: own.audioOutput ?? output,
    imageInput: own.imageInput ?? input,
    imageOutput: own.imageOutput ?? output,
    reasoning: own.reasoning ?? output,
    request: own.request ?? NOTHING,
    // A search is no token: without a rate, its cost is not known.
    search: own.search ?? null,
  }
  return KINDS.map((kind) => all[kind])
}

/** Only Anthropic's API has cache writes that are kept for an hour: they cost twice the price of input. */
function findHourRate({ input, cacheWrite }: OwnRates): Decimal | null {
  return input === undefined || cacheWrite === undefined ? null : multiplyDecimals(input, TWO)
}

/**
 * The rates of a larger prompt or of another service tier: those that it names, and for the rest those below. A rate
 * that only repeats what holds without it (reasoning as output, an hour as twice the input) follows the new rates.
 */
export function overlayRates(below: OwnRates, above: OwnRates): OwnRates {
  const { reasoning, output, cacheWriteHour, ...rest } = below
  const hour = findHourRate(below)
  const keepsReasoning =
    reasoning !== undefined && !(output !== undefined && equalDecimals(reasoning, output))
  const keepsHour = cacheWriteHour !== undefined && !(hour !== null && equalDecimals(cacheWriteHour, hour))
  return {
    ...rest,
    ...(output === undefined ? {} : { output }),
    ...(keepsReasoning ? { reasoning } : {}),
    ...(keepsHour ? { cacheWriteHour } : {}),
    ...above,
  }
}

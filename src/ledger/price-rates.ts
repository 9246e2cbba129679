import { type Decimal, formatDecimal, multiplyDecimals } from '../lib/decimal.js'
import type { Price } from './price.js'
import type { PriceEntry } from './price-entry.js'
import { KINDS, type Kind } from './price-fields.js'

const WORDS: Readonly<Record<Kind, string>> = {
  input: 'input',
  cacheRead: 'cache read',
  cacheWrite: 'cache write',
  cacheWriteHour: 'cache write, 1 h',
  audioInput: 'audio input',
  imageInput: 'image input',
  output: 'output',
  reasoning: 'reasoning',
  audioOutput: 'audio output',
  imageOutput: 'image output',
  request: 'request',
  search: 'search',
}

const MILLION: Decimal = { digits: 1_000_000n, scale: 0 }

/** What a kind is called, and what its rate is for. */
export function describeKind(kind: Kind): { readonly name: string; readonly per: '1M' | '1' } {
  return { name: WORDS[kind], per: kind === 'request' || kind === 'search' ? '1' : '1M' }
}

/** A rate as people read it: US dollars for a million tokens, or for one request or search. */
export function formatRate(kind: Kind, rate: Decimal): string {
  return formatDecimal(describeKind(kind).per === '1' ? rate : multiplyDecimals(rate, MILLION))
}

/** Formats a whole number with a comma at every third digit. */
export function groupDigits(count: number | bigint): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** Prompts with more tokens than so many, in words; empty for prompts of any size. */
export function describeSize(above: number): string {
  return above === 0 ? '' : ` above ${groupDigits(above)} tokens`
}

/** Every rate and factor of an entry by what it is for, such as `input above 200,000 tokens, priority`. */
function listRates({ services, ranges, factors, offPeak }: PriceEntry): Map<string, string> {
  const listed = new Map<string, string>()
  for (const [service, sizes] of [...services, ['', ranges ?? new Map()] as const])
    for (const [above, rates] of [...sizes].sort(([a], [b]) => a - b))
      for (const kind of KINDS) {
        const rate = rates[kind]
        const tier = service === '' ? '' : `, ${service}`
        if (rate !== undefined)
          listed.set(`${WORDS[kind]}${describeSize(above)}${tier}`, formatRate(kind, rate))
      }
  for (const kind of KINDS) {
    const rate = offPeak?.rates[kind]
    if (rate !== undefined) listed.set(`${WORDS[kind]}, off peak`, formatRate(kind, rate))
  }
  for (const [word, factor] of factors) listed.set(`factor for ${word}`, formatDecimal(factor))
  return listed
}

/** A rate that differs; null where there is none. US dollars for a million tokens, or for one request or search. */
export interface RateChange {
  readonly rate: string
  readonly old: string | null
  readonly new: string | null
}

/** What another price file changes. */
export interface PriceChanges {
  readonly added: readonly { readonly model: string; readonly rates: Readonly<Record<string, string>> }[]
  readonly removed: readonly string[]
  readonly changed: readonly { readonly model: string; readonly rates: readonly RateChange[] }[]
  /** Number of models whose rates stay as they are. */
  readonly same: number
}

/** Compares the prices in use with others. */
export function comparePrices(
  now: ReadonlyMap<string, Price>,
  next: ReadonlyMap<string, Price>,
): PriceChanges {
  const added: PriceChanges['added'][number][] = []
  const changed: PriceChanges['changed'][number][] = []
  let same = 0
  for (const [model, price] of next) {
    const before = now.get(model)
    const rates = listRates(price.readEntry())
    if (before === undefined) {
      added.push({ model, rates: Object.fromEntries(rates) })
      continue
    }
    const differences = compareRates(listRates(before.readEntry()), rates)
    if (differences.length === 0) same++
    else changed.push({ model, rates: differences })
  }
  const removed = [...now.keys()].filter((model) => !next.has(model))
  return { added, removed, changed, same }
}

function compareRates(old: ReadonlyMap<string, string>, next: ReadonlyMap<string, string>): RateChange[] {
  const changes: RateChange[] = []
  for (const rate of new Set([...old.keys(), ...next.keys()])) {
    const [was = null, is = null] = [old.get(rate), next.get(rate)]
    if (was !== is) changes.push({ rate, old: was, new: is })
  }
  return changes
}

/**
 * A whole number from 0 up: a bigint where it is beyond 2^53, so that sums are exact in any order. A sum of money is
 * one of nano-dollars, as a nano-dollar is the last digit of a cost in the ledger.
 */
export type Whole = number | bigint

/** Adds two numbers; null is unknown, and adds nothing. */
export function addWhole(sum: Whole | null, value: Whole | null): Whole | null {
  if (value === null) return sum
  if (sum === null) return value
  if (typeof sum === 'number' && typeof value === 'number') {
    const added = sum + value
    if (added <= Number.MAX_SAFE_INTEGER) return added
  }
  return BigInt(sum) + BigInt(value)
}

/** Formats for JSON: a bigint is a text. */
export function formatWhole(value: Whole | null): string {
  return typeof value === 'bigint' ? `"${value}"` : String(value)
}

/** Reads what `formatWhole` has written. */
export function parseWhole(value: number | string | null): Whole | null {
  return typeof value === 'string' ? BigInt(value) : value
}

/** The nearest number; null stays null. */
export function toNumber(value: Whole | null): number | null {
  return value === null ? null : Number(value)
}

const NANO = 1_000_000_000

/** Below this many dollars, the product of a number and a billion is less than half a nano-dollar off. */
const MAX_EXACT_USD = 1_000_000

/** Converts US dollars with up to nine decimals. */
export function toNanoUsd(usd: number): Whole {
  if (usd < MAX_EXACT_USD) return Math.round(usd * NANO)
  const nano = BigInt(Math.trunc(usd)) * BigInt(NANO) + BigInt(Math.round((usd % 1) * NANO))
  return nano <= Number.MAX_SAFE_INTEGER ? Number(nano) : nano
}

/** Converts to US dollars: the nearest number. */
export function toUsd(nano: Whole | null): number | null {
  if (nano === null) return null
  if (typeof nano === 'number') return nano / NANO
  return Number(`${nano / BigInt(NANO)}.${String(nano % BigInt(NANO)).padStart(9, '0')}`)
}

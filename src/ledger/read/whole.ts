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

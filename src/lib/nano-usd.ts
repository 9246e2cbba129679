import { formatDecimal, parseDecimal, roundDecimal } from './decimal.js'

/**
 * Money in whole billionths of a US dollar (nano-dollars). Sums of integers are exact. A number where it is a safe
 * integer (below nine million dollars), else a bigint.
 */
export type NanoUsd = number | bigint

const NANOS = 1_000_000_000

/** Whole dollars above this lose nano-dollars as a JSON number: a double has 53 bits. */
const MAX_EXACT = 2 ** 51 / NANOS

/**
 * Reads an amount of US dollars, such as `cost_usd` of a record.
 * @param usd a number of JSON, or its text. A text of any length is exact, a number up to two million dollars
 * @returns null if it is not an amount; fractions of a nano-dollar are rounded, half up
 */
export function parseNanoUsd(usd: number | string): NanoUsd | null {
  if (typeof usd === 'number') {
    if (!(usd >= 0) || !Number.isFinite(usd)) return null
    if (usd <= MAX_EXACT) return Math.round(usd * NANOS)
  }
  const decimal = parseDecimal(usd)
  return decimal === null ? null : roundDecimal(decimal, 9)
}

/** Formats an amount in US dollars as a decimal number without an exponent, exactly: `0.0000622`. */
export function formatNanoUsd(nano: NanoUsd): string {
  // As numbers and not as bigints: most responses have such an amount in their headers, and each record one.
  const whole = typeof nano === 'number' ? nano : nano < NANOS ? Number(nano) : null
  if (whole === null) return formatDecimal({ digits: BigInt(nano), scale: 9 })
  const nanos = whole % NANOS
  const dollars = String((whole - nanos) / NANOS)
  if (nanos === 0) return dollars
  const fraction = String(nanos)
  let end = fraction.length
  while (fraction.charCodeAt(end - 1) === 48) end--
  return `${dollars}.${ZEROS[fraction.length]}${fraction.slice(0, end)}`
}

/** The zeros before a fraction of so many digits. */
const ZEROS = Array.from({ length: 10 }, (_, digits) => '0'.repeat(9 - digits))

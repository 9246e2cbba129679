/**
 * A decimal number that is not negative, exactly: `digits` times ten to the power of -`scale`. Binary numbers cannot
 * hold prices: 0.1 + 0.2 is not 0.3.
 */
export interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

const NUMBER = /^(\d{1,60})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * Reads a decimal number. A number is read by its shortest text, which is how it stood in the JSON file.
 * @returns null if it is not one, or negative
 */
export function parseDecimal(value: string | number): Decimal | null {
  const [, whole, fraction = '', exponent = '0'] = NUMBER.exec(String(value)) ?? []
  if (whole === undefined) return null
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : shorten({ digits, scale })
}

/** Multiplies two numbers. */
export function multiplyDecimals(one: Decimal, other: Decimal): Decimal {
  return shorten({ digits: one.digits * other.digits, scale: one.scale + other.scale })
}

/** Adds two numbers. */
export function addDecimals(one: Decimal, other: Decimal): Decimal {
  const scale = Math.max(one.scale, other.scale)
  return shorten({ digits: scaleUp(one, scale) + scaleUp(other, scale), scale })
}

/** Whether two numbers are equal. */
export function equalDecimals(one: Decimal, other: Decimal): boolean {
  const scale = Math.max(one.scale, other.scale)
  return scaleUp(one, scale) === scaleUp(other, scale)
}

/** The digits that a number has at a larger scale. */
export function scaleUp({ digits, scale }: Decimal, to: number): bigint {
  return digits * 10n ** BigInt(to - scale)
}

/** Rounds to a scale, half up, and returns the digits. */
export function roundDecimal({ digits, scale }: Decimal, to: number): bigint {
  if (scale <= to) return scaleUp({ digits, scale }, to)
  const unit = 10n ** BigInt(scale - to)
  return (digits + unit / 2n) / unit
}

/** Formats a number without an exponent and without zeros at its end. */
export function formatDecimal(decimal: Decimal): string {
  const { digits, scale } = shorten(decimal)
  if (scale === 0) return String(digits)
  const text = String(digits).padStart(scale + 1, '0')
  return `${text.slice(0, -scale)}.${text.slice(-scale)}`
}

/** Removes zeros at the end of the fraction. */
function shorten(decimal: Decimal): Decimal {
  let { digits, scale } = decimal
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale--
  }
  return { digits, scale }
}

/** The functions below format numbers in few characters, so that a table fits a terminal. An unknown number is "-". */
const UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const

/** Formats a count in at most five characters: 999, 1.2k, 34.5M. */
export function shortenNumber(value: number | null): string {
  if (value === null) return '-'
  let scaled = value
  for (const unit of UNITS) {
    const text = unit === '' || scaled >= 99.95 ? String(Math.round(scaled)) : scaled.toFixed(1)
    // A number that would round up to 1000 is 1.0 of the next unit.
    if (Number(text) < 1_000) return `${text}${unit}`
    scaled /= 1_000
  }
  return value.toExponential(0).replace('+', '')
}

/**
 * Formats a sum of money in at most seven characters.
 * @param isPartial some of the cost is unknown: adds a "+"
 */
export function formatCost(usd: number | null, isPartial: boolean): string {
  if (usd === null) return '-'
  return `${formatAmount(usd)}${isPartial ? '+' : ''}`
}

function formatAmount(usd: number): string {
  if (usd >= 999.995) return shortenNumber(usd)
  if (usd >= 0.1 || usd === 0) return usd.toFixed(2)
  return usd >= 0.0001 ? usd.toFixed(4) : '<.0001'
}

/** Formats milliseconds in at most five characters: 120us, 1.2ms, 12ms, 1.2s, 30m, 5h. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return '-'
  if (ms < 0.9995) return `${Math.round(ms * 1_000)}us`
  if (ms < 9.95) return `${ms.toFixed(1)}ms`
  if (ms < 999.5) return `${Math.round(ms)}ms`
  if (ms < 99_950) return `${(ms / 1_000).toFixed(1)}s`
  if (ms < 999_500) return `${Math.round(ms / 1_000)}s`
  if (ms < 5_970_000) return `${Math.round(ms / 60_000)}m`
  const hours = Math.round(ms / 3_600_000)
  return hours < 10_000 ? `${hours}h` : '>10kh'
}

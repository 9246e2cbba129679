/** Milliseconds with three digits behind the point, without trailing zeros; `null` for null. */
export function formatMs(ms: number | null): string {
  if (ms === null) return 'null'
  const us = Math.round(ms * 1_000)
  const whole = Math.trunc(us / 1_000)
  return us < 0 ? String(us / 1_000) : `${whole}${FRACTIONS[us - whole * 1_000]}`
}

/** Making the shortest digits of a fraction anew each time is what most of a line's time would go into. */
const FRACTIONS = Array.from({ length: 1_000 }, (_, us) => (us === 0 ? '' : String(us / 1_000).slice(1)))

let timeMs = 0

let timeShown = ''

/** ISO 8601. Under load many lines have the same. */
export function formatTime(ms: number): string {
  if (ms !== timeMs) {
    timeMs = ms
    timeShown = new Date(ms).toISOString()
  }
  return timeShown
}

/** A text in JSON as it is: printable ASCII without a quote or a backslash. */
const PLAIN = /^[ !#-[\]-~]*$/

export function quoteJson(text: string | null): string {
  if (text === null) return 'null'
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

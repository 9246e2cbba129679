/** Milliseconds with up to three decimals, without trailing zeros; `null` for null. */
export function formatMs(ms: number | null): string {
  if (ms === null) return 'null'
  const us = Math.round(ms * 1_000)
  const whole = Math.trunc(us / 1_000)
  return us < 0 ? String(us / 1_000) : `${whole}${FRACTIONS[us - whole * 1_000]}`
}

/** All fractions as text: formatting one each time would take most of the time of a line. */
const FRACTIONS = Array.from({ length: 1_000 }, (_, us) => (us === 0 ? '' : String(us / 1_000).slice(1)))

let timeMs = Number.NaN

let timeText = ''

/** Unix time in milliseconds as ISO 8601. The last text is kept, as many lines have the same time under load. */
export function formatTime(ms: number): string {
  if (ms !== timeMs) {
    timeMs = ms
    timeText = new Date(ms).toISOString()
  }
  return timeText
}

/** Text that JSON does not escape: printable ASCII without quotes and backslashes. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A JSON string, or `null`. */
export function quoteJson(text: string | null): string {
  if (text === null) return 'null'
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

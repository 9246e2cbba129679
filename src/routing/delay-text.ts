/** Milliseconds of the units in texts and headers of providers. */
const UNITS: readonly (readonly [RegExp, number])[] = [
  [/^(?:ms|milli)/i, 1],
  [/^s/i, 1_000],
  [/^m/i, 60_000],
  [/^h/i, 3_600_000],
  [/^d/i, 86_400_000],
]

const UNIT = '(?:ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)(?![a-z])'
const PART = `\\d{1,9}(?:\\.\\d{1,9})? ?${UNIT}`
const DURATION = new RegExp(`^${PART}(?:,? ?(?:and )?${PART}){0,4}$`, 'i')
const PARTS = new RegExp(`(\\d{1,9}(?:\\.\\d{1,9})?) ?(${UNIT})`, 'gi')

/** "Please try again in 7.5s" (OpenAI, Groq), "Please retry after 26 seconds" (Azure), "retry in 34.07s" (Gemini). */
const ASKED = new RegExp(
  `(?:try again|retry|wait|available again) (?:in |after |for )?(?:about |at least )?(${PART}(?:,? ?(?:and )?${PART}){0,4})`,
  'i',
)

/** An Anthropic account at its own limit of spending: "You will regain access on 2026-01-01 at 00:00 UTC." */
const REGAINED = /regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d) UTC)?/i

/**
 * Parses a duration such as `7.5s`, `1m30s`, `20ms`, `6m0s` or `2 minutes and 5 seconds`.
 * @returns milliseconds; null if it is none
 */
export function parseDurationMs(text: string): number | null {
  return DURATION.test(text) ? addParts(text) : null
}

/**
 * Finds in the message of an error when it may be tried again.
 * @param wallMs Unix time in milliseconds, for a date in the message
 * @returns milliseconds from now; null if it does not say
 */
export function findDelayMs(message: string, wallMs: number): number | null {
  const asked = ASKED.exec(message)?.[1]
  if (asked !== undefined) return addParts(asked)
  const [, day, time = '00:00'] = REGAINED.exec(message) ?? []
  if (day === undefined) return null
  const at = Date.parse(`${day}T${time}:00Z`)
  return Number.isNaN(at) ? null : Math.max(0, at - wallMs)
}

function addParts(text: string): number {
  let ms = 0
  for (const [, count, unit = ''] of text.matchAll(PARTS)) {
    const [, size = 0] = UNITS.find(([name]) => name.test(unit)) ?? []
    ms += Number(count) * size
  }
  return Math.round(ms)
}

import { findHeader, type RawHeaders } from '../http/flat-headers.js'

/**
 * A target is left alone for no longer, whatever it asks for: a quota that is spent until tomorrow may be raised
 * today.
 */
export const COOLDOWN_MAX_MS = 60_000

/** Where it does not say for how long. */
const COOLDOWN_DEFAULT_MS = 1_000

/** These mean "later" also without a header: too many requests, unavailable, and Anthropic's overloaded. */
const LATER: ReadonlySet<number> = new Set([429, 503, 529])

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * For how long a target is to be left alone after an answer: by `retry-after-ms` (Azure OpenAI; the clients of OpenAI
 * and Anthropic read it first), by `retry-after` (RFC 9110, 10.2.3), or a second if it only says that it has too much
 * to do. Of other answers below 500 the header is about the request (413, 3xx), not the target.
 *
 * @param raw the answer's headers, names and values by turns, as bytes (Latin-1) or text
 * @param wallMs Unix time, for a date in an answer that has no `date` of its own
 * @returns milliseconds, 0 for not at all
 */
export function readCooldownMs(
  status: number,
  raw: RawHeaders,
  wallMs: number,
  maxMs: number = COOLDOWN_MAX_MS,
): number {
  if (status !== 429 && status < 500) return 0
  const asked =
    numberOf(readValue(raw, 'retry-after-ms')) ??
    delayOf(readValue(raw, 'retry-after'), readValue(raw, 'date'), wallMs)
  return Math.min(maxMs, asked ?? (LATER.has(status) ? COOLDOWN_DEFAULT_MS : 0))
}

/** Seconds, or a date; that counts from the answer's own, as the upstream's clock need not be ours. */
function delayOf(value: string | null, date: string | null, wallMs: number): number | null {
  const seconds = numberOf(value)
  if (seconds !== null) return seconds * 1_000
  const until = parseHttpDate(value, wallMs)
  return until === null ? null : Math.max(0, until - (parseHttpDate(date, wallMs) ?? wallMs))
}

/** Fractions are not in the RFC, but are sent, and read by the official clients. */
function numberOf(value: string | null): number | null {
  return value !== null && /^\d+(?:\.\d*)?$/.test(value) ? Number(value) : null
}

/**
 * A date in any of the three formats that RFC 9110, 5.6.7 has recipients take. Not `Date.parse`: it reads the third
 * as local time.
 * @param wallMs Unix time, to tell the century of the second
 * @returns Unix time in milliseconds, null if it is none of them
 */
export function parseHttpDate(value: string | null, wallMs: number): number | null {
  if (value === null) return null
  const fields =
    /^\w{3}, (?<day>\d\d) (?<month>\w{3}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/.exec(value) ??
    /^\w{6,9}, (?<day>\d\d)-(?<month>\w{3})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/.exec(value) ??
    /^\w{3} (?<month>\w{3}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/.exec(value)
  const { day = '', month = '', year = '', time = '' } = fields?.groups ?? {}
  const at = MONTHS.indexOf(month)
  if (at === -1) return null
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  return Date.UTC(fullYear(year, wallMs), at, Number(day), hours, minutes, seconds)
}

/** Two digits stand for the year of that end that is no more than 50 years ahead (RFC 9110, 5.6.7). */
function fullYear(year: string, wallMs: number): number {
  if (year.length !== 2) return Number(year)
  const inThisCentury = 2000 + Number(year)
  return inThisCentury > new Date(wallMs).getUTCFullYear() + 50 ? inThisCentury - 100 : inThisCentury
}

/** The value of the first header of this name, less the space around it; null if there is none. */
function readValue(raw: RawHeaders, lower: string): string | null {
  return findHeader(raw, lower)?.trim() ?? null
}

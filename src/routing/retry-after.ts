import { findHeader, type RawHeaders } from '../http/flat-headers.js'
import { readResetMs } from './rate-limit-reset.js'

/**
 * Longest cooldown in milliseconds, whatever the target asks for: a quota for the day may be raised within the
 * day.
 */
export const COOLDOWN_MAX_MS = 60_000

/** Cooldown for a status in `LATER` without a usable header. */
const COOLDOWN_DEFAULT_MS = 1_000

/** These statuses mean "try later" even without a header: too many requests, unavailable, Anthropic's overloaded. */
const LATER: ReadonlySet<number> = new Set([429, 503, 529])

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Longest cooldown in milliseconds that the body of an error gives: it names the limit that was reached, such as that
 * of a day.
 */
const BODY_COOLDOWN_MAX_MS = 600_000

/** Bounds what the body of an error asks for. @returns milliseconds */
export function boundBodyDelay(ms: number): number {
  return Math.min(BODY_COOLDOWN_MAX_MS, ms)
}

/**
 * Reads for how long a target asks to get no requests: from `retry-after-ms` (Azure OpenAI; the clients of OpenAI and
 * Anthropic read it first), else from `retry-after` (RFC 9110, 10.2.3), else for 429 from the headers of its rate
 * limits; else one second for 429, 503 and 529. With other statuses below 500 the header is about the request (413,
 * 3xx) and not about the target.
 *
 * @param raw headers of the response as name, value, name, value; bytes (Latin-1) or text
 * @param wallMs Unix time in milliseconds, used if the response has no `date`
 * @returns milliseconds; 0 for no cooldown
 */
export function readCooldownMs(
  status: number,
  raw: RawHeaders,
  wallMs: number,
  maxMs: number = COOLDOWN_MAX_MS,
): number {
  if (status !== 429 && status < 500) return 0
  const asked = readAskedMs(raw, wallMs) ?? (status === 429 ? readResetMs(raw, wallMs) : null)
  return Math.min(maxMs, asked ?? (LATER.has(status) ? COOLDOWN_DEFAULT_MS : 0))
}

/**
 * Reads how long the client of a response is asked to wait.
 * @param raw headers of the response
 * @param wallMs Unix time in milliseconds
 * @returns milliseconds; null if no header says it
 */
export function readAskedMs(raw: RawHeaders, wallMs: number): number | null {
  return (
    parseNumber(readValue(raw, 'retry-after-ms')) ??
    parseDelayMs(readValue(raw, 'retry-after'), readValue(raw, 'date'), wallMs)
  )
}

/** Parses seconds, or a date. A date counts from the response's own `date`: the clocks of both sides may differ. */
function parseDelayMs(value: string | null, date: string | null, wallMs: number): number | null {
  const seconds = parseNumber(value)
  if (seconds !== null) return seconds * 1_000
  const until = parseHttpDate(value, wallMs)
  return until === null ? null : Math.max(0, until - (parseHttpDate(date, wallMs) ?? wallMs))
}

/** Accepts fractions: the RFC has none, but some upstreams send them and the official clients read them. */
function parseNumber(value: string | null): number | null {
  return value !== null && /^\d+(?:\.\d*)?$/.test(value) ? Number(value) : null
}

/**
 * Parses a date in any of the three formats that a recipient must accept (RFC 9110, 5.6.7). `Date.parse` would read the
 * third one as local time.
 * @param wallMs Unix time in milliseconds, which decides the century of a two-digit year
 * @returns Unix time in milliseconds; null if it has none of the formats
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

/** A two-digit year is at most 50 years ahead (RFC 9110, 5.6.7). */
function fullYear(year: string, wallMs: number): number {
  if (year.length !== 2) return Number(year)
  const inThisCentury = 2000 + Number(year)
  return inThisCentury > new Date(wallMs).getUTCFullYear() + 50 ? inThisCentury - 100 : inThisCentury
}

/** The value of the first header of this name, less the space around it; null if there is none. */
function readValue(raw: RawHeaders, lower: string): string | null {
  return findHeader(raw, lower)?.trim() ?? null
}

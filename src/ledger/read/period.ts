const DAY_MS = 86_400_000

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS }

const DAY = /^\d{4}-\d\d-\d\d$/
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/
const BACK = /^(\d{1,6})([mhdw])$/

/** The format in which the ledger writes times. They can be compared as text. */
const LEDGER_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * Parses a time that a person typed: a day (UTC), a time in ISO 8601 (UTC if it has no zone), or an age: 30m, 24h, 7d,
 * 2w.
 * @param edge whether a day means its start or its end
 * @param now epoch milliseconds
 * @returns epoch milliseconds; null if the text has another format
 */
export function parseTime(text: string, edge: 'start' | 'end', now: number): number | null {
  const [, count, unit] = BACK.exec(text) ?? []
  if (count !== undefined && unit !== undefined) return now - Number(count) * (UNITS_MS[unit] ?? 0)
  if (DAY.test(text)) {
    const start = startOf(text)
    return start === null || edge === 'start' ? start : start + DAY_MS
  }
  const [, day, , zone] = TIME.exec(text) ?? []
  if (day === undefined || startOf(day) === null) return null
  const at = Date.parse(`${text.replace(/[t ]/, 'T').replace('z', 'Z')}${zone === undefined ? 'Z' : ''}`)
  return Number.isNaN(at) ? null : at
}

/** Start of a day. Null for a day that does not exist, such as 30 February, which `Date` would accept. */
function startOf(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00.000Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day) ? at : null
}

/** A time span that includes its start and excludes its end. A bound that is null is open. */
export class Period {
  readonly since: string | null
  readonly until: string | null

  /** @param since epoch milliseconds @param until epoch milliseconds */
  constructor(since: number | null, until: number | null) {
    this.since = since === null ? null : new Date(since).toISOString()
    this.until = until === null ? null : new Date(until).toISOString()
  }

  /** Whether a request of that time is in the period. An unknown time is only in a period without bounds. */
  includes(ts: string | null): boolean {
    const { since, until } = this
    if (since === null && until === null) return true
    const at = ts === null || LEDGER_TIME.test(ts) ? ts : formatIso(ts)
    return at !== null && (since === null || at >= since) && (until === null || at < until)
  }

  /**
   * Whether the file of a day may have requests of the period. A record is in the file of the day on which its request
   * ended, so any later file may have some, as streams can last long. Earlier files have none; one more day is read in
   * case the clock was set back.
   */
  mayBeIn(day: string): boolean {
    if (this.since === null) return true
    const start = startOf(day)
    return start === null || new Date(start + 2 * DAY_MS).toISOString() > this.since
  }
}

function formatIso(ts: string): string | null {
  const at = Date.parse(ts)
  return Number.isNaN(at) ? null : new Date(at).toISOString()
}

const DAY_MS = 86_400_000

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS }

const DAY = /^\d{4}-\d\d-\d\d$/
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/
const BACK = /^(\d{1,6})([mhdw])$/

/** How the ledger writes times: they can be compared as texts. */
const WRITTEN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * A time as people give it: a day (UTC), a time in ISO 8601 (UTC if it has no zone), or how long ago: 30m, 24h, 7d, 2w.
 * @param edge of a day: the period has days whole, from their start or to their end
 * @returns epoch milliseconds; null if it is none of these
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

/** A 30th of February is none, whatever `Date` makes of it. */
function startOf(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00.000Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day) ? at : null
}

/** From one time to another, without the latter; null where it is not bounded. */
export class Period {
  readonly since: string | null
  readonly until: string | null

  constructor(since: number | null, until: number | null) {
    this.since = since === null ? null : new Date(since).toISOString()
    this.until = until === null ? null : new Date(until).toISOString()
  }

  /** Whether a request that came then is in it. Of which it is not known when it came is only in one without bounds. */
  includes(ts: string | null): boolean {
    const { since, until } = this
    if (since === null && until === null) return true
    const at = ts === null || WRITTEN.test(ts) ? ts : iso(ts)
    return at !== null && (since === null || at >= since) && (until === null || at < until)
  }

  /**
   * Whether a file of that day may have requests that are in it. A record is in the file of the day when its request
   * ended, so that later files may have any, however long streams last; earlier ones have none, but for a clock that was
   * set back in between, which gets a day.
   */
  mayBeIn(day: string): boolean {
    if (this.since === null) return true
    const start = startOf(day)
    return start === null || new Date(start + 2 * DAY_MS).toISOString() > this.since
  }
}

function iso(ts: string): string | null {
  const at = Date.parse(ts)
  return Number.isNaN(at) ? null : new Date(at).toISOString()
}

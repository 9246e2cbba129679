import { QUARTER_MS, UTC, type Zone } from './zone.js'

const DAY_MS = 86_400_000

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS }

const DAY = /^\d{4}-\d\d-\d\d$/
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/
const BACK = /^(\d{1,6})([mhdw])$/

/**
 * Parses a time that a person typed: a day, a time in ISO 8601 (of `zone` if it names none), or an age: 30m, 24h, 7d,
 * 2w.
 * @param edge whether a day means its start or its end
 * @param now epoch milliseconds
 * @returns epoch milliseconds; null if the text has another format
 */
export function parseTime(text: string, edge: 'start' | 'end', now: number, zone: Zone = UTC): number | null {
  const [, count, unit] = BACK.exec(text) ?? []
  if (count !== undefined && unit !== undefined) return now - Number(count) * (UNITS_MS[unit] ?? 0)
  if (DAY.test(text)) {
    const start = startOf(text)
    return start === null ? null : zone.findMoment(edge === 'start' ? start : start + DAY_MS)
  }
  const [, day, , offset] = TIME.exec(text) ?? []
  if (day === undefined || startOf(day) === null) return null
  const at = Date.parse(`${text.replace(/[t ]/, 'T').replace('z', 'Z')}${offset === undefined ? 'Z' : ''}`)
  if (Number.isNaN(at)) return null
  return offset === undefined ? zone.findMoment(at) : at
}

/** Parses a month: `2026-11`. @returns its period; null if the text has another format */
export function parseMonth(text: string, zone: Zone): Period | null {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  if (year === undefined || month === undefined) return null
  const start = Date.UTC(Number(year), Number(month) - 1)
  const end = Date.UTC(Number(year), Number(month))
  return new Period(zone.findMoment(start), zone.findMoment(end))
}

/** Start of a day. Null for a day that does not exist, such as 30 February, which `Date` would accept. */
function startOf(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00.000Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day) ? at : null
}

/** A time span that includes its start and excludes its end. A bound that is null is open. */
export class Period {
  /** Epoch milliseconds. */
  readonly since: number | null
  /** Epoch milliseconds. */
  readonly until: number | null

  constructor(since: number | null, until: number | null) {
    this.since = since
    this.until = until
  }

  /** Whether a request of that time is in the period. An unknown time is only in a period without bounds. */
  includes(at: number | null): boolean {
    const { since, until } = this
    if (at === null) return since === null && until === null
    return (since === null || at >= since) && (until === null || at < until)
  }

  /** Whether a quarter of an hour is in the period as a whole or not at all. @param quarter number since the epoch */
  isWhole(quarter: number | null): boolean {
    if (quarter === null) return true
    const start = quarter * QUARTER_MS
    const isCut = (at: number | null): boolean => at !== null && at > start && at < start + QUARTER_MS
    return !isCut(this.since) && !isCut(this.until)
  }

  /**
   * Whether the file of a day may have requests of the period. A record is in the file of the day on which its request
   * ended, so any later file may have some, as streams can last long. Earlier files have none; one more day is read in
   * case the clock was set back.
   */
  mayBeIn(day: string): boolean {
    if (this.since === null) return true
    const start = startOf(day)
    return start === null || start + 2 * DAY_MS > this.since
  }
}

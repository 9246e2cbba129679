import type { PeriodKind } from '../../config/limit-rules.js'
import { type Zone, zoneOf } from '../../ledger/read/zone.js'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** 9999-01-01: names of years have four digits. */
const LAST_MS = Date.UTC(9999, 0)

/** One hour, day, week or month of a time zone. It includes its start and excludes its end. */
export class BudgetPeriod {
  /** Names no other period: `2026-11@Europe/Berlin`. */
  readonly name: string
  /** Epoch milliseconds. */
  readonly start: number
  /** Epoch milliseconds. */
  readonly end: number

  constructor(name: string, start: number, end: number) {
    this.name = name
    this.start = start
    this.end = end
  }

  /** Whether a moment is in it. @param at epoch milliseconds */
  includes(at: number): boolean {
    return at >= this.start && at < this.end
  }
}

/** A time zone, and the period of each kind that was asked for last. */
class Calendar {
  readonly zone: Zone
  readonly last: Record<PeriodKind, BudgetPeriod | null>

  constructor(name: string) {
    this.zone = zoneOf(name)
    this.last = { hour: null, day: null, week: null, month: null }
  }
}

/** By name of the zone. There are some hundred zones. */
const calendars = new Map<string, Calendar>()

/**
 * Finds the period of a moment: `2026-11@Europe/Berlin`, `2026-W48@...` (weeks of ISO 8601, from Monday),
 * `2026-11-29@...`, `2026-11-29T13:00+01:00@...`. Periods of one kind follow each other without a gap. A clock before
 * 1970 or after 9998 is taken for one at that bound.
 * @param zone as in the IANA database
 * @param at epoch milliseconds
 * @throws RangeError if there is no such zone
 */
export function findPeriod(kind: PeriodKind, zone: string, at: number): BudgetPeriod {
  let calendar = calendars.get(zone)
  if (calendar === undefined) {
    calendar = new Calendar(zone)
    calendars.set(zone, calendar)
  }
  const last = calendar.last[kind]
  if (last?.includes(at)) return last
  const bounded = at > 0 ? Math.min(at, LAST_MS) : 0
  if (last?.includes(bounded)) return last
  const found = kind === 'hour' ? findHour(calendar.zone, bounded) : findDays(calendar.zone, kind, bounded)
  calendar.last[kind] = found
  return found
}

/**
 * An hour ends where clocks are changed, too, and its name has the offset: when they go back, an hour comes twice.
 * Lord Howe changes its clocks by half an hour.
 */
function findHour(zone: Zone, at: number): BudgetPeriod {
  const offset = zone.offsetAt(at)
  const start = Math.floor((at + offset) / HOUR_MS) * HOUR_MS - offset
  const end = start + HOUR_MS
  const name = `${zone.formatHour(at).replace(' ', 'T')}@${zone.name}`
  return new BudgetPeriod(
    name,
    zone.offsetAt(start) === offset ? start : findChange(zone, start, at),
    zone.offsetAt(end - 1) === offset ? end : findChange(zone, at, end - 1),
  )
}

/** Finds the first moment with the offset of `late`, after `early`, which has another one. */
function findChange(zone: Zone, early: number, late: number): number {
  const offset = zone.offsetAt(late)
  let [before, after] = [early, late]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (zone.offsetAt(middle) === offset) after = middle
    else before = middle
  }
  return after
}

/** Days, as numbers since the epoch: the first one of a period, and the first one of the next. */
type DaySpan = readonly [first: number, next: number]

/**
 * The days that clocks show are the first guess. It can be wrong by one: where clocks go back over midnight, the last
 * minutes of a day come again, after the next one has begun.
 */
function findDays(zone: Zone, kind: 'day' | 'week' | 'month', at: number): BudgetPeriod {
  let span = spanOf(kind, Math.floor((at + zone.offsetAt(at)) / DAY_MS))
  let [start, end] = [startOfDay(zone, span[0]), startOfDay(zone, span[1])]
  while (at < start) {
    span = spanOf(kind, span[0] - 1)
    end = start
    start = startOfDay(zone, span[0])
  }
  while (at >= end) {
    span = spanOf(kind, span[1])
    start = end
    end = startOfDay(zone, span[1])
  }
  return new BudgetPeriod(`${nameDays(kind, span[0])}@${zone.name}`, start, end)
}

function spanOf(kind: 'day' | 'week' | 'month', day: number): DaySpan {
  if (kind === 'day') return [day, day + 1]
  if (kind === 'week') {
    // The epoch began on a Thursday.
    const monday = day - ((((day + 3) % 7) + 7) % 7)
    return [monday, monday + 7]
  }
  const date = new Date(day * DAY_MS)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  return [Date.UTC(year, month) / DAY_MS, Date.UTC(year, month + 1) / DAY_MS]
}

function nameDays(kind: 'day' | 'week' | 'month', first: number): string {
  if (kind !== 'week') return new Date(first * DAY_MS).toISOString().slice(0, kind === 'day' ? 10 : 7)
  // A week is of the year of its Thursday.
  const thursday = first + 3
  const year = new Date(thursday * DAY_MS).getUTCFullYear()
  const week = Math.floor((thursday - Date.UTC(year, 0) / DAY_MS) / 7) + 1
  return `${year}-W${String(week).padStart(2, '0')}`
}

/** The first midnight of a day, or the moment at which clocks skip it. */
function startOfDay(zone: Zone, day: number): number {
  return zone.findMoment(day * DAY_MS)
}

import { isObject, type JsonObject } from '../json/values.js'

/** Hours of the day in minutes (UTC), the end excluded; past midnight if the end is not after the start. */
interface Hours {
  readonly from: number
  readonly to: number
}

/** Hours on some days of the week. */
interface Window {
  readonly hours: readonly Hours[]
  /** 1 is Monday; null for every day. */
  readonly days: ReadonlySet<number> | null
}

/** When the rates of `off_peak_pricing` hold. */
export interface PriceHours {
  readonly windows: readonly Window[]
  /** Finds the day of the week of a time in epoch milliseconds, where the provider has it. */
  readonly dayAt: (ms: number) => number
}

const DAY_NAMES = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const HOURS = /^\s*([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)\s*$/
const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440

/**
 * Reads the hours of `off_peak_pricing`: `hours_utc` for every day, `windows` for some days of the week.
 * @returns null if they are in another form
 */
export function readPriceHours(rule: JsonObject): PriceHours | null {
  const zone = rule.weekday_timezone ?? 'UTC'
  const listed: unknown[] = Array.isArray(rule.windows) ? rule.windows : []
  const always = rule.hours_utc === undefined ? [] : [{ hours_utc: rule.hours_utc }]
  const windows = [...always, ...listed].map(readWindow)
  const dayAt = typeof zone === 'string' ? createDayFinder(zone) : null
  if (dayAt === null || windows.length === 0) return null
  const read = windows.filter((window): window is Window => window !== null)
  return read.length === windows.length ? { windows: read, dayAt } : null
}

function readWindow(window: unknown): Window | null {
  if (!isObject(window)) return null
  const { hours_utc: given, weekdays } = window
  const texts: unknown[] = Array.isArray(given) ? given : [given]
  const hours = texts.flatMap((text) => {
    const [, ...parts] = typeof text === 'string' ? (HOURS.exec(text) ?? []) : []
    const [fromHour, fromMinute, toHour, toMinute] = parts.map(Number)
    if (fromHour === undefined || fromMinute === undefined || toHour === undefined || toMinute === undefined)
      return []
    return [{ from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute }]
  })
  if (hours.length === 0 || hours.length < texts.length) return null
  if (weekdays === undefined || weekdays === null) return { hours, days: null }
  const days = Array.isArray(weekdays) ? (weekdays as unknown[]).map(readDay) : [0]
  return days.includes(0) ? null : { hours, days: new Set(days) }
}

/** @returns 0 if it is not a day of the week */
function readDay(day: unknown): number {
  if (typeof day === 'string') return DAY_NAMES.indexOf(day.trim().toLowerCase().slice(0, 3)) + 1
  return typeof day === 'number' && Number.isInteger(day) && day >= 1 && day <= 7 ? day : 0
}

/** @returns null if there is no such time zone */
function createDayFinder(timeZone: string): PriceHours['dayAt'] | null {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone, weekday: 'short' })
    return (ms) => readDay(format.format(ms))
  } catch {
    return null
  }
}

/** Whether the rates of `off_peak_pricing` hold at a time in epoch milliseconds. */
export function isOffPeak({ windows, dayAt }: PriceHours, ms: number): boolean {
  const minute = Math.floor(ms / MINUTE_MS) % DAY_MINUTES
  return windows.some(
    ({ hours, days }) =>
      hours.some(({ from, to }) =>
        from < to ? minute >= from && minute < to : minute >= from || minute < to,
      ) &&
      (days === null || days.has(dayAt(ms))),
  )
}

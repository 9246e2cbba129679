/** Numbers and moments as text, with their units. An unknown value is an en dash. All of it is pure. */

const UNKNOWN = '–'

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const

/** A count: 950, 12,345, 1.23M. */
export function formatCount(value: number | null): string {
  if (value === null) return UNKNOWN
  if (Math.abs(value) < 99_999.5) return WHOLE.format(value)
  return formatShort(value)
}

/** A count in few characters: 950, 12.3k, 1.23M. */
export function formatShort(value: number | null): string {
  if (value === null) return UNKNOWN
  let scaled = value
  for (const unit of UNITS) {
    const size = Math.abs(scaled)
    if (size < 999.5 || unit === 'P') return `${trimZeros(scaled, unit === '' ? 1 : digitsFor(size))}${unit}`
    scaled /= 1_000
  }
  return String(value)
}

/** A rate, such as requests a second: 0.017, 1.5, 12.3k. One that is low is not zero. */
export function formatRate(value: number | null): string {
  if (value === null || value === 0 || value >= 0.995) return formatShort(value)
  return value < 0.001 ? '<0.001' : String(Number(value.toPrecision(2)))
}

/** What a number of a chart is of: `second`, `minute`, `5 min`, `hour`, `6 h`. */
export function formatStep(stepMs: number): string {
  return STEPS[stepMs] ?? formatMs(stepMs)
}

const STEPS: Readonly<Record<number, string>> = {
  1000: 'second',
  60000: 'minute',
  3600000: 'hour',
  86400000: 'day',
}

/** Nano-dollars: $12.34, $0.0042, $1,234. */
export function formatMoney(nano: number | null): string {
  if (nano === null) return UNKNOWN
  const usd = nano / 1e9
  const size = Math.abs(usd)
  if (size >= 99_999.5) return `$${formatShort(usd)}`
  if (size >= 999.5) return `$${WHOLE.format(usd)}`
  if (size >= 0.1 || size === 0) return `$${usd.toFixed(2)}`
  return size >= 0.0001 ? `$${usd.toFixed(4)}` : '<$0.0001'
}

/** Milliseconds: 850 µs, 12.3 ms, 1.25 s, 2.5 min, 3 h, 12 d. */
export function formatMs(ms: number | null): string {
  if (ms === null) return UNKNOWN
  if (ms < 0.9995) return `${Math.round(ms * 1_000)} µs`
  if (ms < 999.5) return `${trimZeros(ms, digitsFor(ms))} ms`
  if (ms < 119_500) return `${trimZeros(ms / 1_000, digitsFor(ms / 1_000))} s`
  return formatLong(ms, true)
}

/** @param isExact small numbers have a digit behind the point: an axis of 2.5 minutes must not say 3 */
function formatLong(ms: number, isExact: boolean): string {
  const [unit, name] =
    ms < 7_170_000
      ? ([60_000, 'min'] as const)
      : ms < 172_000_000
        ? ([3_600_000, 'h'] as const)
        : ([86_400_000, 'd'] as const)
  return `${trimZeros(ms / unit, isExact && ms / unit < 9.95 ? 1 : 0)} ${name}`
}

export function formatUs(us: number | null): string {
  return formatMs(us === null ? null : us / 1_000)
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return UNKNOWN
  if (bytes < 1_000) return `${Math.round(bytes)} B`
  return `${formatShort(bytes).replace(/[a-zA-Z]$/, ' $&')}B`
}

/** A part of a whole as a percentage; unknown without a whole. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return UNKNOWN
  const percent = (100 * part) / whole
  return percent > 0 && percent < 0.1 ? '<0.1 %' : `${trimZeros(percent, percent < 9.95 ? 1 : 0)} %`
}

/** How long ago a moment is, or how far ahead: `12 s ago`, `in 3 h`. */
export function formatAgo(at: number | null, now: number): string {
  if (at === null) return UNKNOWN
  const past = now - at
  if (Math.abs(past) < 1_500) return 'now'
  const size = Math.round(Math.abs(past) / 1_000) * 1_000
  const text = size < 119_500 ? formatMs(Math.max(1_000, size)) : formatLong(size, false)
  return past > 0 ? `${text} ago` : `in ${text}`
}

/** Formats moments in the relay's zone. */
export class Times {
  readonly zone: string
  private readonly clock: Intl.DateTimeFormat
  private readonly dated: Intl.DateTimeFormat
  private readonly days: Intl.DateTimeFormat

  constructor(zone: string) {
    const known = isZone(zone) ? zone : 'UTC'
    this.zone = known
    const make = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
      new Intl.DateTimeFormat('en-GB', { timeZone: known, hourCycle: 'h23', ...options })
    this.clock = make({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
    this.dated = make({ year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
    this.days = make({ year: 'numeric', month: 'short', day: 'numeric' })
  }

  /** `14:03:05` */
  formatClock(at: number | null): string {
    return at === null ? UNKNOWN : this.clock.format(at)
  }

  /** `3 Jan 2026, 14:03` */
  formatMoment(at: number | null): string {
    return at === null ? UNKNOWN : this.dated.format(at)
  }

  /** `3 Jan 2026` */
  formatDay(at: number | null): string {
    return at === null ? UNKNOWN : this.days.format(at)
  }
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

/** Three significant digits. */
function digitsFor(size: number): number {
  return size < 9.995 ? 2 : size < 99.95 ? 1 : 0
}

function trimZeros(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

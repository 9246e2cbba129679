const MINUTE_MS = 60_000

/** The step of a rollup. The offset of every time zone of today is a multiple of it. */
export const QUARTER_MS = 15 * MINUTE_MS

const DAY_MS = 86_400_000

/** Offsets that are kept. */
const MAX_KEPT = 50_000

/** A time zone: the days, hours and months that a person there sees. */
export class Zone {
  /** As in the IANA database: `Europe/Berlin`. */
  readonly name: string
  /** Null for UTC. */
  private readonly format: Intl.DateTimeFormat | null
  /** Offsets by quarter of an hour; NaN where the offset changes within the quarter. */
  private readonly offsets: Map<number, number>

  /** @throws RangeError if there is no such zone */
  constructor(name: string) {
    this.name = name
    this.format =
      name === 'UTC'
        ? null
        : new Intl.DateTimeFormat('en-US', {
            timeZone: name,
            hourCycle: 'h23',
            year: 'numeric',
            month: 'numeric',
            day: 'numeric',
            hour: 'numeric',
            minute: 'numeric',
            second: 'numeric',
          })
    this.offsets = new Map()
  }

  /** Milliseconds that clocks are ahead of UTC. @param at epoch milliseconds */
  offsetAt(at: number): number {
    if (this.format === null) return 0
    const kept = this.findQuarterOffset(Math.floor(at / QUARTER_MS))
    return Number.isNaN(kept) ? this.computeOffset(at) : kept
  }

  /** Whether a quarter of an hour (UTC) is within one hour of this zone. @param quarter number since the epoch */
  isUniform(quarter: number): boolean {
    return this.format === null || this.findQuarterOffset(quarter) % QUARTER_MS === 0
  }

  /** Formats the day: `2026-03-01`. */
  formatDay(at: number): string {
    return this.toLocal(at).slice(0, 10)
  }

  /** Formats the month: `2026-03`. */
  formatMonth(at: number): string {
    return this.toLocal(at).slice(0, 7)
  }

  /**
   * Formats the hour: `2026-03-01 09:00`, with the offset if the zone is not UTC: when clocks go back, an hour comes
   * twice.
   */
  formatHour(at: number): string {
    const hour = this.toLocal(at).slice(0, 13).replace('T', ' ')
    return this.format === null ? `${hour}:00` : `${hour}:00${this.formatOffset(at)}`
  }

  /** Formats how far clocks are ahead of UTC: `+05:45`. */
  formatOffset(at: number): string {
    const minutes = Math.round(this.offsetAt(at) / MINUTE_MS)
    const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
    const pad = (count: number): string => String(count).padStart(2, '0')
    return `${minutes < 0 ? '-' : '+'}${pad(hours)}:${pad(rest)}`
  }

  /**
   * Finds the moment at which clocks show a time: the first one if it comes twice, and if clocks skip it, the moment
   * at which they do.
   * @param local as if it were UTC, epoch milliseconds
   */
  findMoment(local: number): number {
    const offsets = [this.offsetAt(local - DAY_MS), this.offsetAt(local + DAY_MS)]
    const moments = offsets.map((offset) => local - offset).filter((at) => at + this.offsetAt(at) === local)
    return moments.length === 0 ? local - (offsets[0] as number) : Math.min(...moments)
  }

  private toLocal(at: number): string {
    return new Date(at + this.offsetAt(at)).toISOString()
  }

  private findQuarterOffset(quarter: number): number {
    const kept = this.offsets.get(quarter)
    if (kept !== undefined) return kept
    const [first, last] = [quarter * QUARTER_MS, (quarter + 1) * QUARTER_MS - 1].map((at) =>
      this.computeOffset(at),
    )
    const offset = first === last ? (first as number) : Number.NaN
    if (this.offsets.size >= MAX_KEPT) this.offsets.clear()
    this.offsets.set(quarter, offset)
    return offset
  }

  private computeOffset(at: number): number {
    const parts: Record<string, number> = {}
    for (const { type, value } of this.format?.formatToParts(at) ?? []) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000
  }
}

/** Finds a time zone by its name; null if there is none. */
export function findZone(name: string): Zone | null {
  try {
    return new Zone(name)
  } catch {
    return null
  }
}

/** Coordinated universal time. */
export const UTC = new Zone('UTC')

/** By name. There are some hundred zones, and making one takes longer than most of what it is for. */
const zones = new Map([['UTC', UTC]])

/** The one zone of a name. @throws RangeError if there is none */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name)
  if (zone === undefined) {
    zone = new Zone(name)
    zones.set(name, zone)
  }
  return zone
}

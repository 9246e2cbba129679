import { QUARTER_MS, type Zone } from '../ledger/read/zone.js'

const DAY_MS = 86_400_000

/** Starts that are kept. */
const MAX_KEPT = 20_000

/** Days and months in a time zone. */
export class Calendar {
  readonly zone: Zone
  /** Start of the day by quarter of an hour: days begin with one, nearly everywhere and always. */
  private readonly starts: Map<number, number>

  constructor(zone: Zone) {
    this.zone = zone
    this.starts = new Map()
  }

  /** When the day of a moment began. */
  startOfDay(at: number): number {
    const quarter = Math.floor(at / QUARTER_MS)
    const known = this.starts.get(quarter)
    if (known !== undefined) return known
    const start = this.findStart(quarter * QUARTER_MS, 0)
    if (this.starts.size >= MAX_KEPT) this.starts.clear()
    this.starts.set(quarter, start)
    return start
  }

  /** When the day after that of a moment begins. */
  endOfDay(at: number): number {
    return this.findStart(at, 1)
  }

  /** When the month of a moment began, and when it ends. */
  monthOf(at: number): { readonly from: number; readonly to: number } {
    const local = new Date(at + this.zone.offsetAt(at))
    const [year, month] = [local.getUTCFullYear(), local.getUTCMonth()]
    return {
      from: this.zone.findMoment(Date.UTC(year, month)),
      to: this.zone.findMoment(Date.UTC(year, month + 1)),
    }
  }

  /** Milliseconds from full hours UTC to those of the zone. */
  hourPhaseAt(at: number): number {
    const hour = 3_600_000
    return ((-this.zone.offsetAt(at) % hour) + hour) % hour
  }

  private findStart(at: number, days: number): number {
    const local = at + this.zone.offsetAt(at)
    return this.zone.findMoment(Math.floor(local / DAY_MS) * DAY_MS + days * DAY_MS)
  }
}

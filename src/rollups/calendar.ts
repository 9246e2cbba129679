import { QUARTER_MS, type Zone } from '../ledger/read/zone.js'

const DAY_MS = 86_400_000

/** Starts that are kept. */
const MAX_KEPT = 20_000

/** Days around now whose clocks are looked at. */
const DAYS_BEFORE = 92
const DAYS_AFTER = 400

/** The slots that stand for hours. */
export interface HourSlots {
  readonly slotMs: number
  /** Slots begin at this moment and multiples of their length from it. */
  readonly phaseMs: number
}

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

  /**
   * Finds slots of an hour, or of a part of it, of which the days of the zone are whole numbers: in the 90 days before
   * a moment and for more than a year from then on. On Lord Howe Island the summer time is half an hour.
   */
  findHours(at: number): HourSlots {
    const offsets: number[] = []
    for (let day = -DAYS_BEFORE; day <= DAYS_AFTER; day++) offsets.push(this.zone.offsetAt(at + day * DAY_MS))
    const [first = 0] = offsets
    const slotMs = [4, 2]
      .map((quarters) => quarters * QUARTER_MS)
      .find((ms) => offsets.every((one) => (one - first) % ms === 0))
    const length = slotMs ?? QUARTER_MS
    return { slotMs: length, phaseMs: ((-first % length) + length) % length }
  }

  private findStart(at: number, days: number): number {
    const local = at + this.zone.offsetAt(at)
    return this.zone.findMoment(Math.floor(local / DAY_MS) * DAY_MS + days * DAY_MS)
  }
}

import { zoneOf } from '../ledger/read/zone.js'
import { Calendar, type HourSlots } from './calendar.js'
import type { Cell } from './cell.js'
import { keyOfCode } from './layout.js'
import { Ring } from './ring.js'
import type { RollupBatch, RollupRow } from './row.js'
import { SeriesBook } from './series-book.js'
import { DIMENSIONS } from './shapes.js'
import { TagSums } from './tag-sums.js'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** How far back the rings reach; a little more is kept. */
export const SECONDS_MS = 5 * MINUTE_MS
export const MINUTES_MS = 48 * HOUR_MS
export const HOURS_MS = 90 * 24 * HOUR_MS

/** Charts begin with a full slot, which may be of several together, and views are asked for a moment later. */
const SPARE_SLOTS = 20

/** Most series, with names that are not `OTHER`. */
const MAX_SERIES = 2_000

/** Most bytes of the packed slots of each ring. */
const MAX_BYTES = { seconds: 4 * 1024 ** 2, minutes: 24 * 1024 ** 2, hours: 32 * 1024 ** 2 } as const

/** Most sums by tag. */
const MAX_TAGS = 20_000

/** Most keys whose last request is known. */
const MAX_KEYS = 20_000

/** Milliseconds of one addition for the making of room. */
const TRIM_MS = 4

const KEY_AT = DIMENSIONS.indexOf('key')

export type RingName = 'seconds' | 'minutes' | 'hours'

export interface StoreOptions {
  /** IANA name of the zone in which days and months begin. */
  readonly zone: string
  /** Epoch milliseconds; not given: the system's clock. */
  readonly now?: () => number
  /** The slots that stand for hours; not given: as the days of the zone need them. */
  readonly hours?: HourSlots
  readonly maxSeries?: number
  readonly maxBytes?: Partial<Readonly<Record<RingName, number>>>
  readonly maxTags?: number
}

/** The sums themselves: three rings over the same series, and what stands beside them. */
export class Store {
  readonly now: () => number
  readonly calendar: Calendar
  readonly book: SeriesBook
  readonly rings: Readonly<Record<RingName, Ring>>
  readonly tags: TagSums
  /** When the last request of a key ended. */
  readonly seenKeys: Map<string, number>
  /** Changes with each addition. */
  version: number
  /** How to make another one like it. */
  readonly settings: Omit<StoreOptions, 'now'>
  private keepsSeries: boolean

  constructor({ now = Date.now, ...settings }: StoreOptions) {
    const { zone, maxSeries = MAX_SERIES, maxBytes, maxTags = MAX_TAGS } = settings
    this.now = now
    this.calendar = new Calendar(zoneOf(zone))
    // Hours begin with those of the zone, so that days are whole hours where it is half an hour off.
    const hours = settings.hours ?? this.calendar.findHours(now())
    this.settings = { ...settings, hours }
    this.book = new SeriesBook(maxSeries)
    const bytes = { ...MAX_BYTES, ...maxBytes }
    const ring = ({ slotMs, phaseMs }: HourSlots, spanMs: number, maxBytes: number): Ring =>
      new Ring({ slotMs, phaseMs, maxBytes, slots: spanMs / slotMs + SPARE_SLOTS }, this.book)
    this.rings = {
      seconds: ring({ slotMs: SECOND_MS, phaseMs: 0 }, SECONDS_MS, bytes.seconds),
      minutes: ring({ slotMs: MINUTE_MS, phaseMs: 0 }, MINUTES_MS, bytes.minutes),
      hours: ring(hours, HOURS_MS, bytes.hours),
    }
    this.tags = new TagSums(maxTags, this.calendar, now)
    this.seenKeys = new Map()
    this.version = 0
    this.keepsSeries = false
  }

  /** Whether the numbers of series stay what they are, for a while. */
  keepSeries(keeps: boolean): void {
    this.keepsSeries = keeps
  }

  add({ second, rows }: RollupBatch): void {
    this.version++
    const now = this.now()
    if (!this.keepsSeries) this.book.reclaim(this.oldestStart, now)
    for (const row of rows) {
      const series = this.book.find(row.names)
      this.addRow('seconds', second, series, row, now)
      this.addRow('minutes', row.minute, series, row, now)
      this.addRow('hours', row.minute, series, row, now)
      this.addBeside(series, row.names[KEY_AT] ?? '', row)
    }
    this.trim()
  }

  /** The cell of a series at a moment. @returns null if that is too long ago */
  cellAt(name: RingName, at: number, series: number, now: number): Cell | null {
    const ring = this.rings[name]
    return ring.cellOf(ring.numberOf(at), series, ring.numberOf(now))
  }

  /** Whether a ring reaches back to a moment: a bit more than its span, as a chart begins with a full slot. */
  reaches(name: RingName, at: number, now: number): boolean {
    const ring = this.rings[name]
    return ring.reaches(ring.numberOf(at), ring.numberOf(now))
  }

  /** A request of a key ended. */
  see(key: string, at: number): void {
    if (key === '') return
    const before = this.seenKeys.get(key)
    if (before !== undefined && before >= at) return
    // In the order of the last request, so that the first ones can go.
    this.seenKeys.delete(key)
    this.seenKeys.set(key, at)
    if (this.seenKeys.size <= MAX_KEYS) return
    const [first] = this.seenKeys.keys()
    if (first !== undefined) this.seenKeys.delete(first)
  }

  /** Makes room where there is too little, for a moment. */
  trim(): void {
    const until = performance.now() + TRIM_MS
    const isTimeUp = (): boolean => performance.now() >= until
    for (const ring of Object.values(this.rings)) if (!ring.trim(isTimeUp)) return
  }

  /** Adds a row to one ring. */
  addRow(name: RingName, at: number, series: number, { pairs, codes }: RollupRow, now: number): void {
    const cell = this.cellAt(name, at, series, now)
    if (cell === null) return
    cell.addPairs(pairs)
    for (const [code, count] of codes) cell.add(keyOfCode(code), count)
  }

  /** Adds what stands beside the rings. */
  addBeside(series: number, key: string, row: Pick<RollupRow, 'minute' | 'lastAt' | 'tags'>): void {
    this.see(key, row.lastAt)
    if (row.tags.length === 0) return
    for (const { tags, costNano, tokens, requests } of row.tags)
      this.tags.add(row.minute, series, tags, costNano, tokens, requests)
  }

  private get oldestStart(): number {
    return Math.min(...Object.values(this.rings).map(({ oldestStart }) => oldestStart ?? Infinity))
  }
}

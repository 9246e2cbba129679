import type { TimeRange } from './query.js'
import type { Ring } from './ring.js'
import { MINUTES_MS, SECONDS_MS, type Store } from './store.js'

/** Most slots of a series. */
const MOST_SLOTS = 400

/** Slots that are put together: parts of an hour, of a day, or some days. */
const STEPS = [1, 2, 3, 5, 6, 10, 12, 15, 20, 24, 30, 48, 60, 120, 240, 480, 720, 1_440]

/** A query may be asked a moment after it was made. */
const SLACK_MS = 5_000

/** The slots of a ring that a range of time covers, some of them put together. */
export interface Slots {
  readonly ring: Ring
  /** Start of the first one, epoch milliseconds. */
  readonly from: number
  readonly stepMs: number
  readonly count: number
  /** Number of the first slot of the ring, and how many of them are in one step. */
  readonly first: number
  readonly perStep: number
}

/**
 * Chooses the ring with the shortest slots that reaches back far enough.
 * @param isSum what is asked for is one sum of all slots: they are not put together, so that the range that they cover
 * begins and ends within one slot of what was asked for
 */
export function chooseSlots({ rings, calendar, now }: Store, { from, to }: TimeRange, isSum: boolean): Slots {
  const at = now()
  const age = at - from - SLACK_MS
  const ring = age <= SECONDS_MS ? rings.seconds : age <= MINUTES_MS ? rings.minutes : rings.hours
  const end = Math.max(from + 1, Math.min(to, at + ring.slotMs))
  // From where the ring can have something, so that a wrong range takes no time.
  const start = Math.max(from, at - ring.size * ring.slotMs)
  if (isSum) {
    const first = ring.numberOf(start)
    const count = Math.max(1, Math.ceil((end - ring.startOf(first)) / ring.slotMs))
    return { ring, from: ring.startOf(first), stepMs: ring.slotMs, count, first, perStep: 1 }
  }
  const wanted = (end - start) / ring.slotMs / (MOST_SLOTS - 1)
  const perStep = STEPS.find((one) => one >= wanted) ?? (STEPS.at(-1) as number)
  const stepMs = perStep * ring.slotMs
  // Steps of hours begin with those of the zone: one of them with the day.
  const offset = ring === rings.hours ? calendar.zone.offsetAt(end) : 0
  const alignedFrom = Math.floor((start + offset) / stepMs) * stepMs - offset
  const first = ring.numberOf(alignedFrom)
  const count = Math.max(1, Math.min(MOST_SLOTS, Math.ceil((end - ring.startOf(first)) / stepMs)))
  return { ring, from: ring.startOf(first), stepMs, count, first, perStep }
}

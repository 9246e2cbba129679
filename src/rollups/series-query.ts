import { createSums, Grouping, readSlotLatencies } from './group-sums.js'
import { KEY } from './layout.js'
import { Pace } from './pace.js'
import type { RollupQuery } from './query.js'
import {
  COUNTS,
  type CountName,
  type Dimension,
  OTHER,
  type Series,
  type SeriesGroup,
  type SlotLatencies,
} from './shapes.js'
import { chooseSlots, type Slots } from './slots.js'
import type { Store } from './store.js'

/** Most groups; all others are in `OTHER`. */
const MOST_GROUPS = 20

/** Counts over time, by one dimension or of all requests. */
export async function querySeries(store: Store, query: RollupQuery, by: Dimension | null): Promise<Series> {
  const pace = await Pace.begin()
  const slots = chooseSlots(store, query.range, false)
  const grouping = new Grouping(store.book, query.filter, by)
  const names = by === null ? [''] : await findLargest(slots, grouping, pace)
  const shown = new Set(names)
  const drafts = new Map(names.map((name) => [name, new GroupDraft(name, slots.count)]))
  const draftOf = (series: number): GroupDraft | null => {
    const name = grouping.groupOf(series)
    if (name === null) return null
    return drafts.get(shown.has(name) ? name : OTHER) ?? null
  }
  for (let slot = 0; slot < slots.count; slot++) {
    for (let i = 0; i < slots.perStep; i++) {
      const number = slots.first + slot * slots.perStep + i
      slots.ring.sumUp(number, (series) => draftOf(series)?.openSums() ?? null)
      if (pace.isTimeUp) await pace.rest()
    }
    for (const draft of drafts.values()) draft.close(slot)
  }
  const groups = [...drafts.values()].map((draft) => draft.finish())
  return { from: slots.from, stepMs: slots.stepMs, slots: slots.count, groups }
}

/** The names of the groups with the most requests, the largest first, and `OTHER` if there are more. */
async function findLargest(slots: Slots, grouping: Grouping, pace: Pace): Promise<string[]> {
  const requests = new Map<string, number>()
  for (let number = slots.first; number < slots.first + slots.count * slots.perStep; number++) {
    slots.ring.countRequests(number, (series, count) => {
      const name = grouping.groupOf(series)
      if (name !== null) requests.set(name, (requests.get(name) ?? 0) + count)
    })
    if (pace.isTimeUp) await pace.rest()
  }
  const names = [...requests].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name)
  if (names.length <= MOST_GROUPS) return names
  const largest = names.filter((name) => name !== OTHER).slice(0, MOST_GROUPS - 1)
  return [...largest, OTHER]
}

/** What is known of one group so far. */
class GroupDraft {
  private readonly name: string
  private readonly slots: number
  private readonly counts: Map<CountName, number[]>
  private readonly latencies: SlotLatencies[]
  /** Of the slot that is summed up. */
  private readonly sums: Float64Array
  private isEmpty: boolean

  constructor(name: string, slots: number) {
    this.name = name
    this.slots = slots
    this.counts = new Map()
    this.latencies = []
    this.sums = createSums()
    this.isEmpty = true
  }

  openSums(): Float64Array {
    this.isEmpty = false
    return this.sums
  }

  close(slot: number): void {
    if (this.isEmpty) {
      this.latencies.push(NO_LATENCIES)
      return
    }
    for (const name of COUNTS) {
      const count = this.sums[KEY[name]] as number
      if (count === 0) continue
      let counts = this.counts.get(name)
      if (counts === undefined) {
        counts = new Array<number>(this.slots).fill(0)
        this.counts.set(name, counts)
      }
      counts[slot] = count
    }
    this.latencies.push(readSlotLatencies(this.sums))
    this.sums.fill(0)
    this.isEmpty = true
  }

  finish(): SeriesGroup {
    return { name: this.name, counts: Object.fromEntries(this.counts), latencies: this.latencies }
  }
}

const NO_LATENCIES: SlotLatencies = { firstByteMs: null, firstTokenMs: null, totalMs: null, addedUs: null }

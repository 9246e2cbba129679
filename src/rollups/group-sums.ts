import { DURATIONS, findQuantiles } from './buckets.js'
import { KEY, KEYS, keyOfBucket } from './layout.js'
import { formatOwner } from './owner.js'
import type { Filter } from './query.js'
import type { SeriesBook } from './series-book.js'
import {
  COUNTS,
  type Counts,
  DIMENSIONS,
  type Dimension,
  type Latencies,
  type Quantiles,
  type SlotLatencies,
} from './shapes.js'

const TEAM_AT = DIMENSIONS.indexOf('team')
const USER_AT = DIMENSIONS.indexOf('user')

/** What a series belongs to by a dimension. @param at index of the dimension @param names of the series */
export function nameOfGroup(at: number, names: readonly string[]): string {
  const name = names[at] ?? ''
  return at === USER_AT ? formatOwner(names[TEAM_AT] ?? '', name) : name
}

/** Which series a filter lets through, and to which group they belong. Answers are kept by the number of the series. */
export class Grouping {
  private readonly book: SeriesBook
  private readonly filter: readonly (readonly [at: number, names: ReadonlySet<string>])[]
  private readonly at: number
  private readonly known: (string | null | undefined)[]

  /** @param by null: all are one group, without a name */
  constructor(book: SeriesBook, filter: Filter, by: Dimension | null) {
    this.book = book
    this.filter = DIMENSIONS.flatMap((dimension, i) => {
      const names = filter[dimension]
      return names === undefined ? [] : [[i, new Set(names)] as const]
    })
    this.at = by === null ? -1 : DIMENSIONS.indexOf(by)
    this.known = []
  }

  /** @returns null if the filter keeps it out */
  groupOf(series: number): string | null {
    const known = this.known[series]
    if (known !== undefined) return known
    const names = this.book.namesOf(series)
    // A person can be asked for with the team and without.
    const passes = this.filter.every(
      ([i, wanted]) => wanted.has(nameOfGroup(i, names)) || wanted.has(names[i] ?? ''),
    )
    const group = passes ? (this.at === -1 ? '' : nameOfGroup(this.at, names)) : null
    this.known[series] = group
    return group
  }
}

export function createSums(): Float64Array {
  return new Float64Array(KEYS)
}

export function readCounts(sums: Float64Array): Counts {
  return Object.fromEntries(COUNTS.map((name) => [name, sums[KEY[name]] as number])) as unknown as Counts
}

export function addSums(to: Float64Array, from: Float64Array): void {
  for (let i = 0; i < KEYS; i++) to[i] = (to[i] as number) + (from[i] as number)
}

export function readLatencies(sums: Float64Array): Latencies {
  const none: Quantiles = { count: 0, p50: null, p99: null }
  const read = (duration: number): Quantiles =>
    findQuantiles(sums, keyOfBucket(duration, 0), duration) ?? none
  return Object.fromEntries(DURATIONS.map((name, i) => [name, read(i)])) as unknown as Latencies
}

export function readSlotLatencies(sums: Float64Array): SlotLatencies {
  const read = (duration: number): readonly [number, number] | null => {
    const found = findQuantiles(sums, keyOfBucket(duration, 0), duration)
    return found === null ? null : [found.p50, found.p99]
  }
  return Object.fromEntries(DURATIONS.map((name, i) => [name, read(i)])) as unknown as SlotLatencies
}

import { DIMENSIONS, type Dimension, OTHER } from './shapes.js'

/** Names of a series, in the order of `DIMENSIONS`. */
export type SeriesNames = readonly string[]

/** Beyond `max`, this share more is kept for series with `OTHER` in them. */
const SPARE_SHARE = 1 / 4

/** Dimensions of which a client can make up names come into `OTHER` ahead of others with as many names. */
const FOLDED_FIRST: readonly number[] = (['model', 'key', 'user', 'team', 'end', 'upstream'] as const).map(
  (name) => DIMENSIONS.indexOf(name),
)

/** What stays of a series in cells that are too many. */
const KEPT: ReadonlySet<Dimension> = new Set(['team', 'upstream', 'end'])

interface Series {
  readonly names: SeriesNames
  /** The end of the latest slot that has it. */
  newest: number
}

/**
 * Numbers the series, and bounds them. When it is half full, a new name of the dimension that has the most comes into
 * `OTHER`: a client that makes up model names leaves the other half to others. When it is full, each new series is put
 * to one that is there.
 */
export class SeriesBook {
  private readonly max: number
  private readonly most: number
  private readonly numbers: Map<string, number>
  private readonly series: (Series | null)[]
  private readonly free: number[]
  /** For each dimension: how many series have a name. */
  private readonly counts: readonly Map<string, number>[]
  private reclaimedAt: number

  /** @param max series without `OTHER` in them */
  constructor(max: number) {
    this.max = max
    this.most = max + Math.ceil(max * SPARE_SHARE) + 1
    this.numbers = new Map()
    this.series = []
    this.free = []
    this.counts = DIMENSIONS.map(() => new Map())
    this.reclaimedAt = Number.NEGATIVE_INFINITY
  }

  /** Number of series. */
  get size(): number {
    return this.numbers.size
  }

  /** One more than the highest number of a series. */
  get end(): number {
    return this.series.length
  }

  namesOf(number: number): SeriesNames {
    return this.series[number]?.names ?? ALL_OTHER
  }

  /** Numbers that `find` may not give to another series before the slots until then are gone. */
  touch(number: number, until: number): void {
    const series = this.series[number]
    if (series != null && until > series.newest) series.newest = until
  }

  /** Finds the series of some names, or the one that stands for it. */
  find(names: SeriesNames): number {
    const known = this.numbers.get(keyOf(names))
    if (known !== undefined) return known
    if (this.size < this.max / 2) return this.add(names)
    const order = this.orderByNames()
    const [first = 0] = order
    if (this.size < this.max) {
      if (this.counts[first]?.has(names[first] ?? '') === true) return this.add(names)
      const folded = foldOne(names, first)
      return this.numbers.get(keyOf(folded)) ?? this.add(folded)
    }
    let folded = names
    for (const dimension of order) {
      folded = foldOne(folded, dimension)
      const found = this.numbers.get(keyOf(folded))
      if (found !== undefined) return found
      // The last place is for what has no name at all.
      if (this.size < this.most - 1) return this.add(folded)
    }
    return this.add(ALL_OTHER)
  }

  /** The series that stands for one in cells that are too many: by team, upstream and end. */
  fold(number: number): number {
    const names = this.namesOf(number)
    return this.find(names.map((name, i) => (KEPT.has(DIMENSIONS[i] as Dimension) ? name : OTHER)))
  }

  /**
   * Forgets series that no slot has any more, at most once a minute, when it is half full.
   * @param before no slot from before this moment is there
   */
  reclaim(before: number, now: number): void {
    if (this.size < this.max / 2 || Math.abs(now - this.reclaimedAt) < 60_000) return
    this.reclaimedAt = now
    for (const [number, series] of this.series.entries()) {
      if (series === null || series.newest >= before) continue
      this.series[number] = null
      this.free.push(number)
      this.numbers.delete(keyOf(series.names))
      for (const [i, name] of series.names.entries()) {
        const counts = this.counts[i] as Map<string, number>
        const left = (counts.get(name) ?? 1) - 1
        if (left === 0) counts.delete(name)
        else counts.set(name, left)
      }
    }
  }

  private add(names: SeriesNames): number {
    const number = this.free.pop() ?? this.series.length
    this.series[number] = { names, newest: Number.NEGATIVE_INFINITY }
    this.numbers.set(keyOf(names), number)
    for (const [i, name] of names.entries()) {
      const counts = this.counts[i] as Map<string, number>
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return number
  }

  /** Dimensions, the one with the most names first. */
  private orderByNames(): number[] {
    return [...FOLDED_FIRST].sort((a, b) => (this.counts[b]?.size ?? 0) - (this.counts[a]?.size ?? 0))
  }
}

const ALL_OTHER: SeriesNames = DIMENSIONS.map(() => OTHER)

function keyOf(names: SeriesNames): string {
  return names.join('\0')
}

function foldOne(names: SeriesNames, dimension: number): SeriesNames {
  return names.map((name, i) => (i === dimension ? OTHER : name))
}

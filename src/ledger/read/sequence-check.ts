/** Numbers that one writer lacks, both ends included. */
export interface Gap {
  readonly writer: string
  readonly from: number
  readonly to: number
}

/** The numbers of one writer: ranges without gaps, ascending. There are few of them. */
type Ranges = { from: number; to: number }[]

/**
 * Finds repeated and missing records by their writers and numbers. It keeps one range of numbers for each writer and
 * one more for each gap, however many records there are.
 */
export class SequenceCheck {
  private readonly writers: Map<string, Ranges>
  /** Last numbers that are known from elsewhere, by writer. */
  private readonly lasts: Map<string, number>

  constructor() {
    this.writers = new Map()
    this.lasts = new Map()
  }

  /** Tells the last number of a writer, so that records that are missing at its end are found too. */
  expect(writer: string, last: number): void {
    this.lasts.set(writer, last)
  }

  /** Whether any record of a writer was added. */
  knows(writer: string): boolean {
    return this.writers.has(writer)
  }

  /** Whether a number is missing, of a writer that has others. */
  isMissing(writer: string, seq: number): boolean {
    const ranges = this.writers.get(writer) ?? []
    return !ranges.some(({ from, to }) => from <= seq && seq <= to)
  }

  /** Adds a record. @returns false if it was added before */
  add(writer: string, seq: number): boolean {
    let ranges = this.writers.get(writer)
    if (ranges === undefined) {
      ranges = []
      this.writers.set(writer, ranges)
    }
    return insert(ranges, seq)
  }

  /**
   * Missing numbers of every writer, from 1 up to its last record. Records that are missing after the last one are
   * detected only if `expect` has told of them.
   */
  get gaps(): Gap[] {
    const gaps: Gap[] = []
    for (const writer of new Set([...this.writers.keys(), ...this.lasts.keys()])) {
      let next = 1
      for (const { from, to } of this.writers.get(writer) ?? []) {
        if (from > next) gaps.push({ writer, from: next, to: from - 1 })
        next = to + 1
      }
      const last = this.lasts.get(writer) ?? 0
      if (last >= next) gaps.push({ writer, from: next, to: last })
    }
    return gaps
  }

  /** The numbers of each writer as ranges, both ends included: `[from, to, from, to]`. */
  get ranges(): [string, number[]][] {
    return [...this.writers].map(([writer, ranges]) => [writer, ranges.flatMap(({ from, to }) => [from, to])])
  }

  /** Whether a record of these ranges was added before. @param ranges ascending, as `ranges` has them */
  hasAny(writer: string, ranges: readonly number[]): boolean {
    const known = this.writers.get(writer) ?? []
    let at = 0
    for (let i = 0; i < ranges.length; i += 2) {
      while (at < known.length && (known[at] as { to: number }).to < (ranges[i] as number)) at++
      if (at < known.length && (known[at] as { from: number }).from <= (ranges[i + 1] as number)) return true
    }
    return false
  }

  /** Adds all records of ranges, of which none was added before. */
  addRanges(writer: string, added: readonly number[]): void {
    const ranges = [...(this.writers.get(writer) ?? [])]
    for (let i = 0; i < added.length; i += 2)
      ranges.push({ from: added[i] as number, to: added[i + 1] as number })
    ranges.sort((a, b) => a.from - b.from)
    const joined: Ranges = []
    for (const range of ranges) {
      const last = joined.at(-1)
      if (last !== undefined && last.to === range.from - 1) last.to = range.to
      else joined.push(range)
    }
    this.writers.set(writer, joined)
  }

  /** Number of writers, which are starts of relays. */
  get writerCount(): number {
    return this.writers.size
  }
}

function insert(ranges: Ranges, seq: number): boolean {
  // Searched from the end, as records nearly always come in order.
  let i = ranges.length - 1
  while (i >= 0 && (ranges[i] as { from: number }).from > seq) i--
  const below = ranges[i]
  if (below !== undefined && seq <= below.to) return false
  const above = ranges[i + 1]
  const joinsBelow = below !== undefined && below.to === seq - 1
  const joinsAbove = above !== undefined && above.from === seq + 1
  if (joinsBelow && joinsAbove) {
    below.to = above.to
    ranges.splice(i + 1, 1)
  } else if (joinsBelow) below.to = seq
  else if (joinsAbove) above.from = seq
  else ranges.splice(i + 1, 0, { from: seq, to: seq })
  return true
}

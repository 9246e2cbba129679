/** Numbers that are missing of one writer, both ends included. */
export interface Gap {
  readonly writer: string
  readonly from: number
  readonly to: number
}

/** The numbers of one writer that were seen: ranges without a gap, ascending, of which there are few. */
type Ranges = { from: number; to: number }[]

/**
 * Which records were there already, by their writers and numbers. What it keeps is one range of numbers for each writer, and
 * one more for each gap, however many records there are.
 */
export class SequenceCheck {
  private readonly writers: Map<string, Ranges>

  constructor() {
    this.writers = new Map()
  }

  /** @returns whether it was not there yet */
  add(writer: string, seq: number): boolean {
    let ranges = this.writers.get(writer)
    if (ranges === undefined) {
      ranges = []
      this.writers.set(writer, ranges)
    }
    return include(ranges, seq)
  }

  /**
   * Numbers that were not seen, of every writer: they begin with 1. Whether any are missing behind a writer's last record,
   * nothing can tell.
   */
  get gaps(): Gap[] {
    const gaps: Gap[] = []
    for (const [writer, ranges] of this.writers) {
      let next = 1
      for (const { from, to } of ranges) {
        if (from > next) gaps.push({ writer, from: next, to: from - 1 })
        next = to + 1
      }
    }
    return gaps
  }

  get writerCount(): number {
    return this.writers.size
  }
}

function include(ranges: Ranges, seq: number): boolean {
  // Nearly always the one that comes next.
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

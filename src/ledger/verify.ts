/** What was found in one file. */
export interface FileReport {
  readonly name: string
  records: number
  /** Lines that are no record: what a crash or a full disk has left of one. */
  torn: number
  /** Records that were there already, after a crash in the middle of a write. */
  duplicates: number
}

/** Numbers that are missing of one writer, both ends included. */
export interface Gap {
  readonly writer: string
  readonly from: number
  readonly to: number
}

/** The numbers of one writer that were seen: ranges without a gap, ascending, of which there are few. */
type Ranges = { from: number; to: number }[]

/**
 * Reads a ledger line by line, and tells what is missing in it. What it keeps is one range of numbers for each writer, and
 * one more for each gap, however long the files are.
 */
export class Verifier {
  readonly files: FileReport[]
  private readonly writers: Map<string, Ranges>

  constructor() {
    this.files = []
    this.writers = new Map()
  }

  /** The lines that follow are of this file. */
  begin(name: string): FileReport {
    const file = { name, records: 0, torn: 0, duplicates: 0 }
    this.files.push(file)
    return file
  }

  /** @param line without its end */
  push(file: FileReport, line: string): void {
    // Put there ahead of a line, where it was not known how the one before had ended.
    if (line === '') return
    const found = identify(line)
    if (found === null) {
      file.torn++
      return
    }
    let ranges = this.writers.get(found.writer)
    if (ranges === undefined) {
      ranges = []
      this.writers.set(found.writer, ranges)
    }
    if (include(ranges, found.seq)) file.records++
    else file.duplicates++
  }

  /**
   * Numbers that no file has, of every writer: they begin with 1. Whether any are missing behind a writer's last record,
   * nothing in the files can tell.
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

function identify(line: string): { writer: string; seq: number } | null {
  try {
    const { writer, seq } = JSON.parse(line) as { writer?: unknown; seq?: unknown }
    return typeof writer === 'string' && Number.isSafeInteger(seq) && (seq as number) > 0
      ? { writer, seq: seq as number }
      : null
  } catch {
    return null
  }
}

/** @returns whether it was not there yet */
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

import * as assert from 'uvu/assert'

const RUNS = 4

/** More runs of the larger size than of the smaller one: what disturbs it has more time to. */
const LARGE_RUNS = 10

/** A machine that is busy for seconds spoils all runs of one series: work that grows too fast fails in each. */
const SERIES = 3

/** Times shorter than this say nothing, in microseconds. */
const SHORTEST = 3_000

/**
 * Asserts that work grows with its size and not with the square of it, by CPU time: the least of several runs, as the
 * garbage collector and a busy machine only add to it. Four times the size may take five times the time; 16 times would
 * be quadratic. Where the first step misses that, the next one decides, from four times the size to 16 times. Eight times
 * the time is enough there: tables that have outgrown the caches cost up to seven (measured with one `Map`, machine busy).
 * @param prepare makes the input of a size outside of the time
 */
export function assertGrowsLinearly<Input>(
  what: string,
  size: number,
  prepare: (size: number) => Input,
  work: (input: Input) => void,
): void {
  const measure = (count: number): number => {
    const input = prepare(count)
    const before = process.cpuUsage()
    work(input)
    return process.cpuUsage(before).user
  }
  const failed: string[] = []
  for (let series = 0; series < SERIES; series++) {
    const times = findGrowth(size, measure)
    if (times === null) return
    failed.push(`${times.join(' us, four times as much: ')} us`)
  }
  assert.unreachable(`${what}: ${failed.join('; again: ')}`)
}

/** @returns null if the time grows with the size; else the times, in microseconds */
function findGrowth(size: number, measure: (count: number) => number): readonly number[] | null {
  const times = [measureLeast(() => measure(size), RUNS, 0)]
  for (const [step, most] of [
    [4, 5],
    [16, 8],
  ] as const) {
    const limit = most * Math.max(times.at(-1) as number, SHORTEST)
    const time = measureLeast(() => measure(step * size), LARGE_RUNS, limit)
    if (time < limit) return null
    times.push(time)
  }
  return times
}

/** The least of so many runs, or the first one that is below the limit. */
function measureLeast(measure: () => number, runs: number, limit: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs && least >= limit; run++) least = Math.min(least, measure())
  return least
}

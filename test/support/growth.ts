import * as assert from 'uvu/assert'

const RUNS = 4

/**
 * More runs of the largest size than of the smaller ones: what disturbs it has more time to, and it has the last word.
 * What misses the first step by more than chance misses it again, so that it is soon given up.
 */
const STEPS = [
  { times: 4, most: 5, runs: 3 },
  { times: 16, most: 8, runs: 10 },
] as const

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
  const measure = (input: Input): number => {
    const before = process.cpuUsage()
    work(input)
    return process.cpuUsage(before).user
  }
  const failed: string[] = []
  for (let series = 0; series < SERIES; series++) {
    const times = findGrowth(size, (count) => {
      const create = createInputs(() => prepare(count))
      return () => measure(create())
    })
    if (times === null) return
    failed.push(`${times.join(' us, four times as much: ')} us`)
  }
  assert.unreachable(`${what}: ${failed.join('; again: ')}`)
}

/**
 * Inputs that are alike, one for each run: bytes are made once and copied, as making them may cost more than the work,
 * and leaves garbage to it. A buffer of its own, as an outline is remembered for its buffer.
 */
function createInputs<Input>(prepare: () => Input): () => Input {
  const first = prepare()
  return Buffer.isBuffer(first) ? () => Buffer.from(first) as Input & Buffer : prepare
}

/** @returns null if the time grows with the size; else the times, in microseconds */
function findGrowth(size: number, prepare: (count: number) => () => number): readonly number[] | null {
  const times = [measureLeast(prepare(size), RUNS, 0)]
  for (const step of STEPS) {
    const limit = step.most * Math.max(times.at(-1) as number, SHORTEST)
    const time = measureLeast(prepare(step.times * size), step.runs, limit)
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

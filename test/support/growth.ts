import * as assert from 'uvu/assert'

const RUNS = 4

/**
 * Asserts that work grows with its size and not with the square of it, by CPU time: the least of several runs, as the
 * garbage collector and a busy machine only add to it. Eight times the size may take 40 times the time.
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
  let few = Number.POSITIVE_INFINITY
  for (let run = 0; run < RUNS; run++) few = Math.min(few, measure(size))
  // 64 times the time would be quadratic. Very short times say nothing.
  const limit = 40 * Math.max(few, 3_000)
  let many = Number.POSITIVE_INFINITY
  for (let run = 0; run < RUNS && many >= limit; run++) many = Math.min(many, measure(8 * size))
  assert.ok(many < limit, `${what}: ${few} us, eight times as much: ${many} us`)
}

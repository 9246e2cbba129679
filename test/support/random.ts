/**
 * What random tests begin with: the same in each run, so that what failed fails again. It is printed where a test fails.
 * To try another one: `TEST_SEED=7 node dist/test/run.js PART-OF-PATH`.
 */
export const SEED = Number(process.env.TEST_SEED ?? 1)

process.on('exit', (code) => {
  if (code !== 0) process.stderr.write(`to have the same random numbers again: TEST_SEED=${SEED}\n`)
})

/** The same numbers each time, from 0 up to 1: a small generator of pseudo-random ones (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** So many bytes that look like nothing in particular. */
export function randomBytes(count: number): Buffer {
  const random = randomFrom(SEED)
  const words = Uint32Array.from({ length: Math.ceil(count / 4) }, () => random() * 2 ** 32)
  return Buffer.from(words.buffer, 0, count)
}

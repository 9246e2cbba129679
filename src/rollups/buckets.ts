/**
 * Buckets of durations: each reaches a third further than the one before, so that a value taken from the middle of its
 * bucket is off by 14.6 % at most. 64 of them span eight powers of ten.
 */
export const BUCKETS = 64

const GROWTH = 1.34
const PER_LOG = 1 / Math.log(GROWTH)

/** The durations that are measured, in the order of their buckets, with the upper end of the first bucket. */
export const DURATIONS = ['firstByteMs', 'firstTokenMs', 'totalMs', 'addedUs'] as const

export type DurationName = (typeof DURATIONS)[number]

/** Tenths of a millisecond up to three hours; microseconds up to 100 seconds. */
const SMALLEST: readonly number[] = [0.1, 0.1, 0.1, 1]

/** @param duration index in `DURATIONS` */
export function bucketOf(duration: number, value: number): number {
  const share = value / (SMALLEST[duration] as number)
  if (!(share > 1)) return 0
  const bucket = Math.ceil(Math.log(share) * PER_LOG)
  return bucket < BUCKETS ? bucket : BUCKETS - 1
}

/** The value that stands for a bucket, to three digits. */
export function valueOf(duration: number, bucket: number): number {
  const smallest = SMALLEST[duration] as number
  if (bucket === 0) return smallest
  return Number(((2 * smallest * GROWTH ** bucket) / (GROWTH + 1)).toPrecision(3))
}

/**
 * Finds quantiles by nearest rank.
 * @param counts of the buckets, from `at` on
 * @returns null if nothing was counted
 */
export function findQuantiles(
  counts: Float64Array,
  at: number,
  duration: number,
): { readonly count: number; readonly p50: number; readonly p99: number } | null {
  let count = 0
  for (let i = 0; i < BUCKETS; i++) count += counts[at + i] as number
  if (count === 0) return null
  const [half, most] = [Math.max(1, Math.ceil(count * 0.5)), Math.max(1, Math.ceil(count * 0.99))]
  let passed = 0
  let p50 = -1
  for (let i = 0; i < BUCKETS; i++) {
    passed += counts[at + i] as number
    if (p50 < 0 && passed >= half) p50 = i
    if (passed >= most) return { count, p50: valueOf(duration, p50), p99: valueOf(duration, i) }
  }
  return null
}

/** Largest relative error of a quantile. */
const MAX_ERROR = 0.01

/**
 * Ratio of the upper end of a bucket to its lower end; the value reported for a bucket is off by at most `MAX_ERROR`.
 */
const GROWTH = (1 + MAX_ERROR) / (1 - MAX_ERROR)
const LOG_GROWTH = Math.log(GROWTH)

/** The ledger writes times with three decimals. Smaller values are reported as the smallest value that was added. */
const SMALLEST = 0.001
const LARGEST = 1e12
const LOWEST = bucketOf(SMALLEST) - 1

/** Buckets are allocated in groups of this size, as values arrive. */
const GROUP = 32

/**
 * Computes quantiles of values from 0 up, in memory that does not grow with their number. Values are counted in
 * buckets that each reach 2 % further than the one before, so that a quantile is within 1 % of the value at its rank.
 * A power of ten has 115 buckets, allocated only between the smallest and the largest value: a few hundred for the
 * usual times, and never more than 1,760.
 */
export class Histogram {
  private counts: Float64Array
  /** Bucket that `counts[0]` counts. */
  private first: number
  private count: number
  private min: number
  private max: number

  constructor() {
    this.counts = new Float64Array(0)
    this.first = 0
    this.count = 0
    this.min = Number.POSITIVE_INFINITY
    this.max = Number.NEGATIVE_INFINITY
  }

  /** Counts a value; ignores negative values and NaN. */
  add(value: number): void {
    if (!(value >= 0)) return
    const bucket = value < SMALLEST ? LOWEST : bucketOf(Math.min(value, LARGEST))
    const { first, counts } = this
    if (bucket < first || bucket >= first + counts.length) this.widen(bucket)
    const at = bucket - this.first
    this.counts[at] = (this.counts[at] as number) + 1
    this.count++
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  /**
   * @param q from 0 to 1
   * @returns the value that this share of all values does not exceed (nearest rank); null if there are none
   */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    let left = Math.max(1, Math.ceil(q * this.count))
    for (let at = 0; at < this.counts.length; at++) {
      left -= this.counts[at] as number
      if (left > 0) continue
      const bucket = this.first + at
      return bucket === LOWEST ? this.min : Math.min(this.max, Math.max(this.min, middleOf(bucket)))
    }
    return this.max
  }

  private widen(bucket: number): void {
    const { counts, first } = this
    const step = Math.floor(bucket / GROUP) * GROUP
    const from = counts.length === 0 ? step : Math.min(first, step)
    const to = counts.length === 0 ? step + GROUP : Math.max(first + counts.length, step + GROUP)
    this.counts = new Float64Array(to - from)
    this.counts.set(counts, counts.length === 0 ? 0 : first - from)
    this.first = from
  }
}

/** Bucket i counts values above GROWTH ** (i - 1) and up to GROWTH ** i. */
function bucketOf(value: number): number {
  return Math.ceil(Math.log(value) / LOG_GROWTH)
}

/** The value with the same relative distance to both ends of a bucket. */
function middleOf(bucket: number): number {
  return (2 * GROWTH ** bucket) / (GROWTH + 1)
}

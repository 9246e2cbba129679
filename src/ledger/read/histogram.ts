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

/**
 * Computes quantiles of values from 0 up, in memory that does not grow with their number. Values are counted in
 * buckets that each reach 2 % further than the one before, so that a quantile is within 1 % of the value at its rank.
 * A power of ten has 115 buckets. Only those with values are kept: a few hundred for the usual times, and never more
 * than 1,760. Two histograms can be merged, with the same result as if one had counted all values.
 */
export class Histogram {
  /** Ascending. */
  private readonly buckets: number[]
  private readonly counts: number[]
  private count: number
  private min: number
  private max: number

  constructor() {
    this.buckets = []
    this.counts = []
    this.count = 0
    this.min = Number.POSITIVE_INFINITY
    this.max = Number.NEGATIVE_INFINITY
  }

  /** Counts a value; ignores negative values and NaN. */
  add(value: number): void {
    if (!(value >= 0)) return
    this.addCount(value < SMALLEST ? LOWEST : bucketOf(Math.min(value, LARGEST)), 1)
    this.widen(value, value)
  }

  /** Adds the values of another histogram, as its `pack` has returned them. */
  merge(packed: Packed): void {
    if (packed === 0) return
    this.widen(packed[0] as number, packed[1] as number)
    for (let at = 2; at < packed.length; at += 2)
      this.addCount(packed[at] as number, packed[at + 1] as number)
  }

  /** All that is known of the values, as numbers for JSON. */
  pack(): Packed {
    if (this.count === 0) return 0
    const packed = [this.min, this.max]
    for (let at = 0; at < this.buckets.length; at++)
      packed.push(this.buckets[at] as number, this.counts[at] as number)
    return packed
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
      const bucket = this.buckets[at] as number
      return bucket === LOWEST ? this.min : Math.min(this.max, Math.max(this.min, middleOf(bucket)))
    }
    return this.max
  }

  private widen(min: number, max: number): void {
    if (min < this.min) this.min = min
    if (max > this.max) this.max = max
  }

  private addCount(bucket: number, count: number): void {
    const { buckets, counts } = this
    let low = 0
    let high = buckets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((buckets[middle] as number) < bucket) low = middle + 1
      else high = middle
    }
    if (buckets[low] === bucket) counts[low] = (counts[low] as number) + count
    else {
      buckets.splice(low, 0, bucket)
      counts.splice(low, 0, count)
    }
    this.count += count
  }
}

/** The smallest and the largest value, then buckets and their counts in turn; 0 for no values. */
export type Packed = readonly number[] | 0

/** The values of a histogram, each within `MAX_ERROR`, and how many of them there are. */
export function listValues(packed: Packed): (readonly [value: number, count: number])[] {
  if (packed === 0) return []
  const values: (readonly [number, number])[] = []
  for (let at = 2; at < packed.length; at += 2) {
    const bucket = packed[at] as number
    values.push([bucket === LOWEST ? (packed[0] as number) : middleOf(bucket), packed[at + 1] as number])
  }
  return values
}

/** Bucket i counts values above GROWTH ** (i - 1) and up to GROWTH ** i. */
function bucketOf(value: number): number {
  return Math.ceil(Math.log(value) / LOG_GROWTH)
}

/** The value with the same relative distance to both ends of a bucket. */
function middleOf(bucket: number): number {
  return (2 * GROWTH ** bucket) / (GROWTH + 1)
}

/** How far a quantile may be from the value that stands there, in proportion to it. */
const ERROR = 0.01

/** What a bucket's upper end is of its lower end: the value between them that is told is off by no more than `ERROR`. */
const GROWTH = (1 + ERROR) / (1 - ERROR)
const LOG_GROWTH = Math.log(GROWTH)

/** The ledger's times have three digits behind the point: what is smaller is told as the smallest value there was. */
const SMALLEST = 0.001
const LARGEST = 1e12
const LOWEST = bucketOf(SMALLEST) - 1

/** Buckets are made in groups of so many, as values come. */
const STEP = 32

/**
 * Quantiles of values from 0 up, in memory that does not grow with their number: they are counted in buckets, each of which
 * reaches 2 % further than the one before, so that a quantile is within 1 % of the value at its rank. There are 115 buckets
 * to a power of ten, made only between the smallest and the largest value: a few hundred for times that people wait, and
 * never more than 1,760.
 */
export class Histogram {
  private counts: Float64Array
  /** Bucket that `counts[0]` is for. */
  private first: number
  private count: number
  private least: number
  private most: number

  constructor() {
    this.counts = new Float64Array(0)
    this.first = 0
    this.count = 0
    this.least = Number.POSITIVE_INFINITY
    this.most = Number.NEGATIVE_INFINITY
  }

  add(value: number): void {
    if (!(value >= 0)) return
    const bucket = value < SMALLEST ? LOWEST : bucketOf(Math.min(value, LARGEST))
    const { first, counts } = this
    if (bucket < first || bucket >= first + counts.length) this.widen(bucket)
    const at = bucket - this.first
    this.counts[at] = (this.counts[at] as number) + 1
    this.count++
    if (value < this.least) this.least = value
    if (value > this.most) this.most = value
  }

  /**
   * @param q from 0 to 1
   * @returns the value that this part of all values do not exceed (nearest rank); null if there are none
   */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    let left = Math.max(1, Math.ceil(q * this.count))
    for (let at = 0; at < this.counts.length; at++) {
      left -= this.counts[at] as number
      if (left > 0) continue
      const bucket = this.first + at
      return bucket === LOWEST ? this.least : Math.min(this.most, Math.max(this.least, middleOf(bucket)))
    }
    return this.most
  }

  private widen(bucket: number): void {
    const { counts, first } = this
    const step = Math.floor(bucket / STEP) * STEP
    const from = counts.length === 0 ? step : Math.min(first, step)
    const to = counts.length === 0 ? step + STEP : Math.max(first + counts.length, step + STEP)
    this.counts = new Float64Array(to - from)
    this.counts.set(counts, counts.length === 0 ? 0 : first - from)
    this.first = from
  }
}

/** Bucket i holds what is above GROWTH ** (i - 1), and no more than GROWTH ** i. */
function bucketOf(value: number): number {
  return Math.ceil(Math.log(value) / LOG_GROWTH)
}

/** As far from the lower end, in proportion, as from the upper one. */
function middleOf(bucket: number): number {
  return (2 * GROWTH ** bucket) / (GROWTH + 1)
}

/** Times that quantiles are taken of: enough for a p95 that rests on six of them, and as old as the traffic is thin. */
const KEPT = 128

/** What one time weighs in the mean: as in TCP's estimate of a round trip (RFC 6298, 2.3). */
const WEIGHT = 1 / 8

/**
 * A target that was slow, and so is not asked, is believed to be half as slow after so long: else nobody would ever
 * look.
 */
const HALF_LIFE_MS = 30_000

/**
 * A target's recent times to the first byte: exact quantiles of the last 128 of them, and a decaying mean. What one
 * more costs does not grow with their number: one value leaves an ordered array and one is put in.
 *
 * ```
 * recent  | 310 | 290 | 905 | 300 |     as they came, the oldest at `oldest` once it is full
 * ordered | 290 | 300 | 310 | 905 |     the same
 * ```
 */
export class LatencyWindow {
  private readonly recent: Float64Array
  private readonly ordered: Float64Array
  /** How many there are, up to `KEPT`. */
  count: number
  private oldest: number
  private mean: number
  private observedAt: number

  constructor() {
    this.recent = new Float64Array(KEPT)
    this.ordered = new Float64Array(KEPT)
    this.count = 0
    this.oldest = 0
    this.mean = 0
    this.observedAt = 0
  }

  observe(now: number, ms: number): void {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) return
    this.mean = this.count === 0 ? ms : this.mean + (ms - this.mean) * WEIGHT
    this.observedAt = now
    if (this.count === KEPT) this.forget(this.recent[this.oldest] as number)
    this.recent[this.oldest] = ms
    this.oldest = (this.oldest + 1) % KEPT
    const at = this.placeOf(ms)
    this.ordered.copyWithin(at + 1, at, this.count)
    this.ordered[at] = ms
    this.count++
  }

  /**
   * @param q from 0 to 1
   * @returns the recent time that this part of all do not exceed (nearest rank); null if there is none
   */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    return this.ordered[Math.max(0, Math.ceil(q * this.count) - 1)] as number
  }

  /** The decaying mean, the less the longer nothing was heard; null if nothing ever was. */
  expected(now: number): number | null {
    if (this.count === 0) return null
    return this.mean * 0.5 ** (Math.max(0, now - this.observedAt) / HALF_LIFE_MS)
  }

  private forget(ms: number): void {
    const at = this.placeOf(ms)
    this.ordered.copyWithin(at, at + 1, this.count)
    this.count--
  }

  /** The first place in the order whose time is no less; the end if there is none. */
  private placeOf(ms: number): number {
    let from = 0
    let to = this.count
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.ordered[middle] as number) < ms) from = middle + 1
      else to = middle
    }
    return from
  }
}

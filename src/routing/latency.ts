/** Size of the window: enough for a p95 that rests on the six slowest times. */
const WINDOW = 128

/** Weight of one time in the mean, as in TCP's estimate of the round trip (RFC 6298, 2.3). */
const WEIGHT = 1 / 8

/**
 * A slow target gets no requests and so no new times. Its expected time is therefore halved this often: otherwise
 * the relay would never find out that it has recovered.
 */
const HALF_LIFE_MS = 30_000

/**
 * Recent times of a target to the first byte: exact quantiles of the last 128 of them, and a decaying mean. Adding a
 * time has a fixed cost: one value leaves the sorted array and one is inserted.
 *
 * ```
 * recent  | 310 | 290 | 905 | 300 |     in the order of arrival; if full, the oldest is at `oldest`
 * ordered | 290 | 300 | 310 | 905 |     the same times, sorted
 * ```
 */
export class LatencyWindow {
  private readonly recent: Float64Array
  private readonly ordered: Float64Array
  /** Number of times in the window. */
  count: number
  private oldest: number
  private mean: number
  private observedAt: number

  constructor() {
    this.recent = new Float64Array(WINDOW)
    this.ordered = new Float64Array(WINDOW)
    this.count = 0
    this.oldest = 0
    this.mean = 0
    this.observedAt = 0
  }

  /**
   * Adds a time; anything but a finite number from 0 up is ignored.
   * @param now `performance.now()`
   */
  observe(now: number, ms: number): void {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) return
    this.mean = this.count === 0 ? ms : this.mean + (ms - this.mean) * WEIGHT
    this.observedAt = now
    if (this.count === WINDOW) this.forget(this.recent[this.oldest] as number)
    this.recent[this.oldest] = ms
    this.oldest = (this.oldest + 1) % WINDOW
    const at = this.indexOf(ms)
    this.ordered.copyWithin(at + 1, at, this.count)
    this.ordered[at] = ms
    this.count++
  }

  /**
   * The quantile by the nearest rank.
   * @param q from 0 to 1
   * @returns milliseconds; null if the window is empty
   */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    return this.ordered[Math.max(0, Math.ceil(q * this.count) - 1)] as number
  }

  /** The mean in milliseconds, halved for every 30 seconds without a new time; null if there has been none. */
  expected(now: number): number | null {
    if (this.count === 0) return null
    return this.mean * 0.5 ** (Math.max(0, now - this.observedAt) / HALF_LIFE_MS)
  }

  private forget(ms: number): void {
    const at = this.indexOf(ms)
    this.ordered.copyWithin(at, at + 1, this.count)
    this.count--
  }

  /** Index of the first sorted time that is at least `ms`; `count` if there is none. */
  private indexOf(ms: number): number {
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

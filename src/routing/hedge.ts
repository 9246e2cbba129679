/** This share of the requests of a route may be hedged: about as many are slower than the p95. */
const HEDGE_SHARE = 0.05

/** Upper bound of the saved hedges: if a target turns slow after a quiet time, at most this many go out at once. */
const SAVED_MAX = 10

/** One hedge costs this many parts. Shares are counted in whole parts because integers add up exactly. */
const HEDGE_PARTS = 1_000_000

/** With fewer measured times than this, the p95 is just the slowest of them. */
const TIMES_MIN = 20

/** A second request is not worth its cost if the first target is usually faster than this. */
const DELAY_MIN_MS = 50

/**
 * Limits the hedging of one route: at no time have there been more hedges than a fixed share of the requests so far
 * (Dean and Barroso, The Tail at Scale, 2013; the p95 below is theirs, too). It is a token bucket that is filled by
 * requests and not by time: if all targets are slow, hedging does not add to their load without limit.
 */
export class HedgeBudget {
  /** Hedges granted since the start. */
  taken: number
  /** Hedges refused since the start. */
  denied: number
  /** Parts that each request adds. */
  private readonly perRequest: number
  /** Parts available now. */
  private saved: number

  /** @param share from 0 to 1 */
  constructor(share: number = HEDGE_SHARE) {
    this.taken = 0
    this.denied = 0
    this.perRequest = Math.floor(share * HEDGE_PARTS)
    this.saved = 0
  }

  /** Counts a request that may be hedged. */
  count(): void {
    this.saved = Math.min(SAVED_MAX * HEDGE_PARTS, this.saved + this.perRequest)
  }

  /** Takes one hedge from the budget. @returns whether there was one */
  take(): boolean {
    if (this.saved < HEDGE_PARTS) {
      this.denied++
      return false
    }
    this.saved -= HEDGE_PARTS
    this.taken++
    return true
  }
}

/** Recent times of a target to the first byte, in milliseconds; see `LatencyWindow`. */
export interface FirstByteTimes {
  readonly count: number
  quantile(q: number): number | null
}

/**
 * Finds the time without a first byte after which a second target may be tried: the p95 of the first target.
 *
 * A caller that cancels the slower of the two attempts should `observe` how long it had waited for it. If only the
 * winners were observed, the p95 would sink with every hedge.
 * @returns milliseconds; null if too few times have been measured
 */
export function findHedgeDelayMs(times: FirstByteTimes): number | null {
  if (times.count < TIMES_MIN) return null
  return Math.max(DELAY_MIN_MS, times.quantile(0.95) ?? DELAY_MIN_MS)
}

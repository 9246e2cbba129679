/** Of the requests of a route, so many may be asked a second time: about what a p95 is late for. */
const HEDGE_SHARE = 0.05

/** Hedges that a quiet while saves up: when a target then turns slow, no more than these go out at once. */
const SAVED_MAX = 10

/** Shares are counted in whole parts, which add up exactly. */
const WHOLE = 1_000_000

/** Of fewer times a p95 is the slowest one. */
const LEAST_TIMES = 20

/** A target that is as quick as that is not worth a second request. */
const LEAST_MS = 50

/**
 * How much hedging a route may do: at no time were there more hedges than the share of the requests so far (Dean and
 * Barroso, The Tail at Scale, 2013, who also have the p95 below). A token bucket that requests fill, not time: when
 * all targets are slow there is no flood.
 */
export class HedgeBudget {
  /** Since the start. */
  taken: number
  /** Wished for, and not granted. */
  denied: number
  private readonly perRequest: number
  private saved: number

  /** @param share from 0 to 1 */
  constructor(share: number = HEDGE_SHARE) {
    this.taken = 0
    this.denied = 0
    this.perRequest = Math.floor(share * WHOLE)
    this.saved = 0
  }

  /** A request of the route has come that may be hedged. */
  count(): void {
    this.saved = Math.min(SAVED_MAX * WHOLE, this.saved + this.perRequest)
  }

  /** @returns whether a second target may be asked now; it is then paid for */
  take(): boolean {
    if (this.saved < WHOLE) {
      this.denied++
      return false
    }
    this.saved -= WHOLE
    this.taken++
    return true
  }
}

/** A target's recent times to the first byte; see `Latency`. */
export interface FirstByteTimes {
  readonly count: number
  quantile(q: number): number | null
}

/**
 * After how long without a byte a second target may be asked: the first one's own p95.
 *
 * Who then breaks off the slower of the two should `observe` how long it had been waited for. If only winners were,
 * the p95 would sink with every hedge.
 * @returns milliseconds; null while too little is known
 */
export function findHedgeDelayMs(times: FirstByteTimes): number | null {
  if (times.count < LEAST_TIMES) return null
  return Math.max(LEAST_MS, times.quantile(0.95) ?? LEAST_MS)
}

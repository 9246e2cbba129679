import type { Rate } from '../config/limit-rules.js'

const MINUTE_MS = 60_000

/** Sums of fractions are inexact; that many requests or tokens do not matter. */
const SLACK = 1e-6

/**
 * What was used of a rate, as the moment at which all of it is back: the generic cell rate algorithm (GCRA). One number
 * is enough, and time gives back without a timer. In any time of t minutes at most `burst + perMinute * t` passes.
 */
export class RateCount {
  /** All of the burst is there again then: `performance.now()`. */
  private wholeAt: number
  /** The rate by which `wholeAt` was computed. */
  private perMinute: number

  constructor(rate: Rate) {
    this.wholeAt = 0
    this.perMinute = rate.perMinute
  }

  /** Milliseconds until all of the burst is there again. */
  resetMs(rate: Rate, now: number): number {
    if (rate.perMinute !== this.perMinute) this.convert(rate, now)
    return Math.max(0, this.wholeAt - now)
  }

  /** How much is used at a moment, in requests or tokens: up to the burst, and above it after a correction. */
  used(rate: Rate, now: number): number {
    return toAmount(rate, this.resetMs(rate, now))
  }

  /** Milliseconds after which `cost` fits; 0 if it does now. A cost above the burst is reduced to it. */
  waitMs(rate: Rate, cost: number, now: number): number {
    const excess = this.used(rate, now) + Math.min(cost, rate.burst) - rate.burst
    return excess <= SLACK ? 0 : Math.ceil(toMs(rate, excess))
  }

  /**
   * Counts `cost`, all of it.
   * @returns `wholeAt` after it, for `giveBack`
   */
  add(rate: Rate, cost: number, now: number): number {
    this.wholeAt = now + this.resetMs(rate, now) + toMs(rate, cost)
    return this.wholeAt
  }

  /**
   * Gives back a part of what `add` has counted. What time has given back already is not given back twice, or more than
   * the rate could pass: no more is left of that cost than `after - now`, as the cost was the last one counted then.
   * @param after what `add` returned
   */
  giveBack(rate: Rate, cost: number, after: number, now: number): void {
    const most = Math.min(this.resetMs(rate, now), after - now)
    if (most > 0) this.wholeAt -= Math.min(toMs(rate, cost), most)
  }

  /** Another rate: as much is used as before. */
  private convert(rate: Rate, now: number): void {
    this.wholeAt = now + (Math.max(0, this.wholeAt - now) * this.perMinute) / rate.perMinute
    this.perMinute = rate.perMinute
  }
}

/** What is left of a burst, in whole requests or tokens. */
export function remainingOf(rate: Rate, used: number): number {
  return Math.max(0, Math.floor(rate.burst - used + SLACK))
}

/** What is used of a burst, in whole requests or tokens. */
export function wholeUsed(used: number): number {
  return Math.ceil(used - SLACK)
}

function toMs(rate: Rate, amount: number): number {
  return (amount * MINUTE_MS) / rate.perMinute
}

function toAmount(rate: Rate, ms: number): number {
  return (ms * rate.perMinute) / MINUTE_MS
}

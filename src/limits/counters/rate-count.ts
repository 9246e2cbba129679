import type { Rate } from '../../config/limit-rules.js'

const MINUTE_MS = 60_000

/** A hundred years. What takes longer to come back has no date: calendars of computers end. */
export const LONGEST_MS = 100 * 365 * 24 * 60 * MINUTE_MS

/** Sums of fractions are inexact; a thousandth of a request or of a token does not matter. */
const SLACK = 1e-3

/**
 * What was used of a rate, as the moment at which all of it is back: the generic cell rate algorithm (GCRA). One number
 * is enough, and time gives back without a timer. In any time of t minutes at most `burst + perMinute * t` passes.
 */
export class RateCount {
  /** All of the burst is there again then: `performance.now()`. */
  private wholeAt: number
  /**
   * The least that `wholeAt` can be if each request had counted from its start what it used in the end: what was given
   * back late is all subtracted here.
   */
  private least: number
  /** Milliseconds that were to be given back so far. */
  private asked: number
  /** The rate by which `wholeAt` was computed. */
  private perMinute: number

  constructor(rate: Rate) {
    this.wholeAt = 0
    this.least = 0
    this.asked = 0
    this.perMinute = rate.perMinute
  }

  /** Milliseconds until all of the burst is there again; at most `LONGEST_MS`. */
  resetMs(rate: Rate, now: number): number {
    return Math.min(LONGEST_MS, this.restMs(rate, now))
  }

  /** How much is used at a moment, in requests or tokens: up to the burst, and above it after a correction. */
  used(rate: Rate, now: number): number {
    return toAmount(rate, this.restMs(rate, now))
  }

  /**
   * Milliseconds after which `cost` fits, at most `LONGEST_MS`; 0 if it does now. A cost above the burst is reduced to
   * it.
   */
  waitMs(rate: Rate, cost: number, now: number): number {
    const excess = this.used(rate, now) + Math.min(cost, rate.burst) - rate.burst
    return excess <= SLACK ? 0 : Math.min(LONGEST_MS, Math.ceil(toMs(rate, excess)))
  }

  /**
   * Counts `cost`, all of it.
   * @returns a mark for `giveBack`
   */
  add(rate: Rate, cost: number, now: number): number {
    const ms = toMs(rate, cost)
    this.wholeAt = now + this.restMs(rate, now) + ms
    this.least = Math.max(this.least, now) + ms
    return this.least + this.asked
  }

  /** Counts what a request used above what `add` has counted for it. */
  addExcess(rate: Rate, cost: number, now: number): void {
    this.wholeAt = now + this.restMs(rate, now) + toMs(rate, cost)
  }

  /**
   * Gives back a part of what `add` has counted, but not what time has given back meanwhile: else more than the rate
   * would pass. At least that much of it is left: what would be if nothing else had been counted, or what was counted
   * in all then, less all that was to be given back since.
   * @param cost to give back
   * @param counted by `add`
   * @param mark what `add` returned
   * @param since when `add` was called
   */
  giveBack(rate: Rate, cost: number, counted: number, mark: number, since: number, now: number): void {
    const reset = this.restMs(rate, now)
    const ms = toMs(rate, cost)
    const left = Math.max(since + toMs(rate, counted), mark - this.asked) - now
    this.asked += ms
    this.least -= ms
    const most = Math.min(reset, left, ms)
    if (most > 0) this.wholeAt -= most
  }

  private restMs(rate: Rate, now: number): number {
    if (rate.perMinute !== this.perMinute) this.convert(rate, now)
    return Math.max(0, this.wholeAt - now)
  }

  /** Another rate: as much is used as before. */
  private convert(rate: Rate, now: number): void {
    const factor = this.perMinute / rate.perMinute
    this.wholeAt = now + Math.max(0, this.wholeAt - now) * factor
    this.least = now + Math.max(0, this.least - now) * factor
    this.perMinute = rate.perMinute
  }
}

/** What is left of a burst, in whole requests or tokens. */
export function remainingOf(rate: Rate, used: number): number {
  return Math.max(0, Math.floor(rate.burst - used + SLACK))
}

/** What is used of a burst, in whole requests or tokens. */
export function wholeUsed(used: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(used - SLACK))
}

function toMs(rate: Rate, amount: number): number {
  return (amount * MINUTE_MS) / rate.perMinute
}

function toAmount(rate: Rate, ms: number): number {
  return (ms * rate.perMinute) / MINUTE_MS
}

import type { Budget } from '../../config/limit-rules.js'
import type { Whole } from '../../ledger/read/whole.js'
import type { BudgetPeriod } from './period.js'

/** A period is kept for so long after its end, in case the clock is set back to it. */
const KEPT_MS = 6 * 3_600_000

/** Periods of the future that are kept: the clock was ahead, and may come to them again. */
const MAX_AHEAD = 8

/** What was spent and what is held in one period. */
export class BudgetCount {
  readonly unit: Budget['unit']
  readonly kind: Budget['period']
  readonly period: BudgetPeriod
  /** Nano-dollars, or tokens. */
  spent: Whole
  /** Held for requests in flight. */
  held: number
  /** Requests that hold more than nothing: a connection that only waits is in nobody's way. */
  holders: number
  /** Counts of other periods. */
  next: BudgetCount | null
  /**
   * `performance.now()` at which it is over, as the last sweep has found that was within it: the clock may be ahead
   * since then, by a month, for a day. NaN before the first sweep.
   */
  private overAt: number

  constructor(budget: Budget, period: BudgetPeriod, next: BudgetCount | null) {
    this.unit = budget.unit
    this.kind = budget.period
    this.period = period
    this.spent = 0
    this.held = 0
    this.holders = 0
    this.next = next
    this.overAt = Number.NaN
  }

  /** One that holds nothing, as an open WebSocket, is in nobody's way. */
  hold(tokens: number, nano: number): void {
    const amount = this.unit === 'usd' ? nano : tokens
    if (amount === 0) return
    this.holders += 1
    this.held += amount
  }

  unhold(tokens: number, nano: number): void {
    const amount = this.unit === 'usd' ? nano : tokens
    if (amount === 0) return
    this.holders -= 1
    // Sums beyond 2^53 are inexact.
    this.held = this.holders === 0 ? 0 : Math.max(0, this.held - amount)
  }

  /**
   * Drops the counts of this list that nobody needs any more.
   * @param now `performance.now()`: by a clock that is wrong, a period only seems to be over
   * @returns the first count that is left
   */
  static sweep(first: BudgetCount | null, now: number, at: number): BudgetCount | null {
    let ahead = 0
    let [head, last]: [BudgetCount | null, BudgetCount | null] = [null, null]
    for (let count = first; count !== null; count = count.next) {
      if (count.period.start > at) ahead += 1
      if (!count.isNeeded(now, at) || (count.holders === 0 && count.period.start > at && ahead > MAX_AHEAD))
        continue
      if (last === null) head = count
      else last.next = count
      last = count
    }
    if (last !== null) last.next = null
    return head
  }

  private isNeeded(now: number, at: number): boolean {
    if (this.holders > 0) return true
    if (this.spent === 0) return false
    const { start, end } = this.period
    const leftMs = Math.min(end - at, end - start)
    if (leftMs > 0 || Number.isNaN(this.overAt)) this.overAt = now + Math.max(0, leftMs)
    return leftMs > 0 || now - this.overAt < KEPT_MS
  }
}

/** What of a budget is not spent; what is held is in it. Never below 0. */
export function leftOf(budget: Budget, spent: Whole): number {
  // An amount is below 2^53.
  return typeof spent === 'number' ? Math.max(0, budget.amount - spent) : 0
}

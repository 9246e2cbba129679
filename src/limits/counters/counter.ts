import type { LimitRule } from '../../config/limit-rules.js'
import { BudgetCount } from './budget-count.js'
import { findPeriod } from './period.js'
import { RateCount } from './rate-count.js'

/** Most counters have one budget or none. */
const NO_COUNTS: (BudgetCount | null)[] = []

/** All that is counted for one rule and one owner. */
export class Counter {
  /** As it was at the last use; null once the counter is forgotten, so that no claim goes on with it. */
  rule: LimitRule | null
  readonly owner: string
  requests: RateCount | null
  tokens: RateCount | null
  inFlight: number
  /** For each budget of the rule its period that was asked for last, with others behind it. */
  private counts: (BudgetCount | null)[]
  /** Of budgets that the rule has no more: it may have them again. */
  private spare: BudgetCount[] | null

  constructor(rule: LimitRule, owner: string) {
    this.rule = rule
    this.owner = owner
    this.requests = rule.requests === null ? null : new RateCount(rule.requests)
    this.tokens = rule.tokens === null ? null : new RateCount(rule.tokens)
    this.inFlight = 0
    this.counts = rule.budgets.length === 0 ? NO_COUNTS : rule.budgets.map(() => null)
    this.spare = null
  }

  /** Goes on with the same rule with other amounts. What is counted stays. */
  adopt(rule: LimitRule): void {
    const known = [...this.counts, ...(this.spare ?? [])].filter((count) => count !== null)
    this.counts = rule.budgets.map(
      ({ unit, period }) => known.find((count) => count.unit === unit && count.kind === period) ?? null,
    )
    const spare = known.filter((count) => !this.counts.includes(count))
    this.spare = spare.length === 0 ? null : spare
    if (rule.requests !== null) this.requests ??= new RateCount(rule.requests)
    if (rule.tokens !== null) this.tokens ??= new RateCount(rule.tokens)
    this.rule = rule
  }

  /** The count of a budget in the period of a moment. @param i which budget of `rule` @param at epoch milliseconds */
  countAt(rule: LimitRule, i: number, at: number): BudgetCount {
    const first = this.counts[i] as BudgetCount | null
    return first?.period.includes(at) ? first : this.turnTo(rule, i, at)
  }

  /** Appends the counts of all budgets in their periods of a moment. */
  listCounts(at: number, to: BudgetCount[]): void {
    if (this.rule === null) return
    for (let i = 0; i < this.counts.length; i++) to.push(this.countAt(this.rule, i, at))
  }

  /** The same as `countAt`, without making one. */
  findAt(rule: LimitRule, i: number, at: number): BudgetCount | null {
    const { period } = findPeriodOf(rule, i, at)
    let count = this.counts[i] as BudgetCount | null
    while (count !== null && count.period.start !== period.start) count = count.next
    return count
  }

  /** Forgets what was spent of a budget, in all periods. */
  forget(unit: BudgetCount['unit'], kind: BudgetCount['kind']): void {
    for (const first of [...this.counts, ...(this.spare ?? [])])
      for (let count = first; count !== null; count = count.next)
        if (count.unit === unit && count.kind === kind) count.spent = 0
  }

  /** Forgets what is not needed. @returns whether anything is left */
  sweep(now: number, at: number): boolean {
    let isUsed = this.inFlight > 0
    for (let i = 0; i < this.counts.length; i++) {
      this.counts[i] = BudgetCount.sweep(this.counts[i] as BudgetCount | null, now, at)
      if (this.counts[i] !== null) isUsed = true
    }
    if (this.spare !== null) {
      const spare = this.spare.map((count) => BudgetCount.sweep(count, now, at))
      this.spare = spare.filter((count) => count !== null)
      if (this.spare.length > 0) isUsed = true
      else this.spare = null
    }
    const { rule } = this
    if (rule === null) return false
    return isUsed || isRunning(this.requests, rule.requests, now) || isRunning(this.tokens, rule.tokens, now)
  }

  /** Puts the count of that period first. */
  private turnTo(rule: LimitRule, i: number, at: number): BudgetCount {
    const first = this.counts[i] as BudgetCount | null
    const { budget, period } = findPeriodOf(rule, i, at)
    let before: BudgetCount | null = null
    let count = first
    while (count !== null && count.period.start !== period.start) {
      before = count
      count = count.next
    }
    if (count === null) count = new BudgetCount(budget, period, first)
    else if (before !== null) {
      before.next = count.next
      count.next = first
    }
    this.counts[i] = count
    return count
  }
}

function findPeriodOf(rule: LimitRule, i: number, at: number) {
  const budget = rule.budgets[i] as LimitRule['budgets'][number]
  return { budget, period: findPeriod(budget.period, rule.timezone, at) }
}

/** A rate that the rule has no more gives back nothing that anyone could use. */
function isRunning(count: RateCount | null, rate: LimitRule['requests'], now: number): boolean {
  return count !== null && rate !== null && count.resetMs(rate, now) > 0
}

import type { Budget, LimitRule } from '../config/limit-rules.js'
import type { LimitClaim, LimitTicket } from '../exchange/limit-ticket.js'
import type {
  KnownRules,
  LimitCrossing,
  LimitEstimate,
  LimitState,
  LimitStore,
  LimitUse,
  LimitVerdict,
  RestoredUse,
} from './store.js'

/** A store that tells whether its counters have changed. */
export class WatchedStore implements LimitStore {
  /** Counts up with each change. */
  changes: number
  private readonly store: LimitStore

  constructor(store: LimitStore) {
    this.changes = 0
    this.store = store
  }

  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict {
    this.changes++
    return this.store.check(claims, estimate, now, at)
  }

  renew(ticket: LimitTicket, now: number): void {
    this.store.renew(ticket, now)
  }

  release(ticket: LimitTicket): void {
    this.changes++
    this.store.release(ticket)
  }

  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    now: number,
    at: number,
    reportsAll?: boolean,
  ): readonly LimitCrossing[] {
    this.changes++
    return this.store.settle(ticket, claims, use, now, at, reportsAll)
  }

  cancel(ticket: LimitTicket, now: number): void {
    this.changes++
    this.store.cancel(ticket, now)
  }

  restore(claim: LimitClaim, use: RestoredUse, at: number, budgets?: readonly Budget[]): void {
    this.changes++
    this.store.restore(claim, use, at, budgets)
  }

  forget(rule: LimitRule, budget: Budget): void {
    this.changes++
    this.store.forget(rule, budget)
  }

  sweep(rules: KnownRules, now: number, at: number): void {
    this.store.sweep(rules, now, at)
  }

  read(claim: LimitClaim, now: number, at: number): LimitState[] {
    return this.store.read(claim, now, at)
  }

  list(): Iterable<LimitClaim> {
    return this.store.list()
  }
}

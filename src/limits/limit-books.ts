import type { LimitRule, LimitRulesConfig } from '../config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../exchange/limit-ticket.js'
import type { RequestSummary } from '../exchange/summary.js'
import type { LimitFigures, RefusalCount } from '../observe/limit-metrics.js'
import type { Log } from '../observe/log.js'
import type {
  KnownRules,
  LimitCrossing,
  LimitEstimate,
  LimitState,
  LimitStore,
  LimitUse,
  LimitVerdict,
} from './counters/store.js'
import { LimitRestorer, type RestorerParts } from './replay/restorer.js'
import type { LimitAlerts } from './reports/alerts.js'
import { readAmounts } from './reports/limit-figures.js'
import { type ObservedExcess, type RefusalKind, RefusalTally } from './reports/refusal-tally.js'

/** What of a summary is settled: it gets what was reached (`reachedLimits`), now or later. */
export type SettledSummary = Pick<RequestSummary, 'reachedLimits'> & {
  readonly request: Pick<RequestSummary['request'], 'id' | 'receivedAt'>
}

/** The rules that there are. */
export interface FollowedRules {
  /** Of the config and of all keys, by their ids. */
  readonly byId: ReadonlyMap<string, LimitRule>
  /** False: there may be others, which keys bring along. */
  readonly isComplete: boolean
}

/**
 * What requests have used, and what is reported of it: in the memory of this process, or in the primary's for all
 * workers.
 * @see LimitStore for what the calls of a request do
 */
export interface LimitBooks {
  /** The answer may come later: then the ticket `isPending`, and `whenChecked` waits for it. */
  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict
  /** @param onVerdict called with the answer, unless there is another `onVerdict` by then */
  whenChecked(ticket: LimitTicket, onVerdict: (verdict: LimitVerdict) => void): void
  renew(ticket: LimitTicket, now: number): void
  /** @param isOver the request is over, and its summary follows */
  release(ticket: LimitTicket, isOver: boolean): void
  cancel(ticket: LimitTicket, now: number): void
  /** Counts what a request has used, and reports what it has crossed. */
  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    summary: SettledSummary,
  ): void
  /** The same of a request whose relay, or worker, was killed. @param id of the request */
  settleRecovered(id: string, claims: readonly LimitClaim[], use: LimitUse, at: number): void
  /** A rule has refused a request. */
  refuse(rule: Pick<LimitRule, 'name' | 'observe'>, kind: RefusalKind): void
  /** Rules that only observe would have refused a request. @param claims of it */
  observe(excesses: readonly ObservedExcess[], claims: readonly LimitClaim[], now: number): void
  observeModel(rule: LimitRule, now: number): void
  /** Requests are counted on these rules from now on. Budgets that are new are restored. */
  follow(rules: FollowedRules): void
  reconfigure(alerts: LimitRulesConfig['alerts']): void
  /** @param flush has all summaries that were gathered settled */
  flushBy(flush: () => void): void
  /** Whether the budgets have all that the ledger says. */
  readonly isRestored: boolean
  /** The states of counters, or a promise of them. */
  read(claims: readonly LimitClaim[]): ReadStates | Promise<ReadStates>
  /** Counters of these rules that there are here, each with its rule as it is now. */
  listClaims(): Iterable<LimitClaim>
  readonly refusals: Iterable<RefusalCount>
  /** @param rules of the config */
  readFigures(rules: readonly LimitRule[]): Promise<LimitFigures>
  /** @param now `performance.now()` */
  tick(now: number): void
  close(): Promise<void>
  endNow(): void
}

export interface ReadStates {
  /** When they were read: epoch milliseconds. */
  readonly at: number
  /** By claim. */
  readonly states: readonly (readonly LimitState[])[]
}

export interface MemoryBooksParts {
  readonly store: LimitStore
  readonly log: Pick<Log, 'warn' | 'info'>
  /** From which budgets are restored; null: there is none. */
  readonly ledger: RestorerParts['ledger'] | null
  readonly alerts: LimitAlerts
  /** Rules that others count on, which are not among those that are followed; not given: none. */
  readonly others?: KnownRules
}

/** Milliseconds between two sweeps of counters. */
const SWEEP_MS = 1_000

/** The books of one process, in its memory. */
export class MemoryLimitBooks implements LimitBooks {
  readonly store: LimitStore
  private readonly alerts: LimitAlerts
  private readonly tally: RefusalTally
  private readonly restorer: LimitRestorer | null
  private readonly known: KnownRules
  private followed: FollowedRules
  /** `performance.now()` */
  private sweptAt: number

  constructor({ store, log, ledger, alerts, others }: MemoryBooksParts) {
    this.store = store
    this.alerts = alerts
    this.tally = new RefusalTally(log)
    const onCrossed = (crossings: readonly LimitCrossing[]): void => void alerts.report(crossings)
    this.restorer = ledger === null ? null : new LimitRestorer({ store, ledger, log, onCrossed })
    this.followed = { byId: new Map(), isComplete: true }
    this.known = { has: (id) => this.followed.byId.has(id) || others?.has(id) === true }
    this.sweptAt = performance.now()
  }

  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict {
    return this.store.check(claims, estimate, now, at)
  }

  whenChecked(ticket: LimitTicket, onVerdict: (verdict: LimitVerdict) => void): void {
    onVerdict({ ticket, observed: [] })
  }

  renew(ticket: LimitTicket, now: number): void {
    this.store.renew(ticket, now)
  }

  release(ticket: LimitTicket): void {
    this.store.release(ticket)
  }

  cancel(ticket: LimitTicket, now: number): void {
    this.store.cancel(ticket, now)
  }

  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    summary: SettledSummary,
  ): void {
    const reached = this.count(ticket, claims, use, performance.now(), summary.request.receivedAt)
    if (reached !== null) summary.reachedLimits = reached
  }

  settleRecovered(_id: string, claims: readonly LimitClaim[], use: LimitUse, at: number): void {
    this.count(null, claims, use, performance.now(), at)
  }

  /**
   * @param now `performance.now()`
   * @returns what was reached; null for nothing
   */
  count(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    now: number,
    at: number,
  ): string | null {
    // What is deferred is summed up.
    const crossings = this.store.settle(ticket, claims, use, now, at, !this.isRestored)
    if (crossings.length === 0) return null
    const reported = this.restorer?.defer(crossings) ?? crossings
    return reported.length === 0 ? null : this.alerts.report(reported)
  }

  refuse(rule: Pick<LimitRule, 'name' | 'observe'>, kind: RefusalKind): void {
    this.tally.refuse(rule, kind)
  }

  observe(excesses: readonly ObservedExcess[], claims: readonly LimitClaim[], now: number): void {
    this.tally.observe(excesses, claims, now)
  }

  observeModel(rule: LimitRule, now: number): void {
    this.tally.observeModel(rule, now)
  }

  follow(rules: FollowedRules): void {
    this.followed = rules
    this.restorer?.follow(rules.byId.values())
  }

  /** @returns undefined if there is none */
  findRule(id: string): LimitRule | undefined {
    return this.followed.byId.get(id)
  }

  /** @param budgets names of those that lack something: see `nameBudget` */
  restoreAgain(budgets: readonly string[]): void {
    this.restorer?.restoreAgain(budgets)
  }

  reconfigure(alerts: LimitRulesConfig['alerts']): void {
    this.alerts.reconfigure(alerts)
  }

  flushBy(): void {
    // Whoever checks says how, each time.
  }

  get isRestored(): boolean {
    return this.restorer?.isRestored !== false
  }

  read(claims: readonly LimitClaim[]): ReadStates {
    const [now, at] = [performance.now(), Date.now()]
    return { at, states: claims.map((claim) => this.store.read(claim, now, at)) }
  }

  /** A rule that is gone counts no more: what its counters still have is not what the ledger says. */
  *listClaims(): Generator<LimitClaim> {
    const { byId, isComplete } = this.followed
    for (const claim of this.store.list()) {
      const rule = byId.get(claim.rule.id)
      if (rule === claim.rule || !isComplete) yield claim
      else if (rule !== undefined) yield new LimitClaim(rule, claim.owner)
    }
  }

  get refusals(): Iterable<RefusalCount> {
    return this.tally.list()
  }

  async readFigures(rules: readonly LimitRule[]): Promise<LimitFigures> {
    const { store } = this
    const current: Pick<LimitStore, 'list' | 'read'> = {
      list: () => this.listClaims(),
      read: (claim, now, at) => store.read(claim, now, at),
    }
    const amounts = await readAmounts(current, rules)
    return { ...amounts, refusals: this.tally.list(), alerts: this.alerts.counts }
  }

  tick(now: number): void {
    this.alerts.tick(now)
    this.tally.tick(now)
    if (now - this.sweptAt < SWEEP_MS) return
    this.sweptAt = now
    this.restorer?.tick(Date.now())
    if (this.followed.isComplete) this.store.sweep(this.known, now, Date.now())
  }

  close(): Promise<void> {
    this.tally.flush(performance.now())
    this.restorer?.close()
    return this.alerts.close()
  }

  endNow(): void {
    this.tally.flush(performance.now())
    this.alerts.endNow()
  }
}

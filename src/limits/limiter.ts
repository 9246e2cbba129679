import type { KeyRecord } from '../access/keyring.js'
import { findOnlyKey, type LimitRule, type LimitRulesConfig } from '../config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../exchange/limit-ticket.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Prices } from '../ledger/prices.js'
import type { Entry } from '../ledger/read/entry.js'
import { isRecorded } from '../ledger/record.js'
import type { RecordCounter } from '../ledger/write/bookkeeper.js'
import type { LimitFigures, RefusalCount } from '../observe/limit-metrics.js'
import type { Log } from '../observe/log.js'
import type { LimitCrossing, LimitState, LimitStore, LimitUse } from './counters/store.js'
import type { EstimatedBody } from './estimate.js'
import { joinNames, type LimitCheck, PASSED, refuse } from './limit-check.js'
import { LimitRestorer, type RestorerParts } from './replay/restorer.js'
import type { LimitAlerts } from './reports/alerts.js'
import { readAmounts } from './reports/limit-figures.js'
import { RefusalTally } from './reports/refusal-tally.js'
import { type PricedTarget, RequestCosts } from './request-costs.js'
import { describeKey, type KeyReport } from './responses/key-report.js'
import { describeRefusal } from './responses/refusal.js'
import { type CompiledRule, LimitMatcher } from './rules/matcher.js'
import { describeEntry, type LimitedRequest } from './rules/subject.js'

/** Milliseconds between two sweeps of counters, and after which what was found for keys is looked for again. */
const SWEEP_MS = 1_000
const FORGET_MS = 60_000

/** What the limits work with. */
export interface LimiterParts {
  readonly store: LimitStore
  /** Null if costs are switched off. */
  readonly prices: Prices | null
  readonly log: Pick<Log, 'warn' | 'info'>
  /** The rules of all keys, a list for each key that has some; null: each key brings its own along. */
  readonly listKeyRules: () => Iterable<readonly LimitRule[]> | null
  /** From which budgets are restored; null: there is none. */
  readonly ledger: RestorerParts['ledger'] | null
  readonly alerts: LimitAlerts
}

/**
 * Checks requests against the rules of the config and of their keys, and counts what they have used. It is one of the
 * sinks: it sees a summary before the ledger makes a record of it, so that both have the same amounts.
 */
export class Limiter implements SummarySink, RecordCounter {
  readonly store: LimitStore
  /** Counts up when rules have changed. */
  ruleChanges: number
  private readonly costs: RequestCosts
  private readonly listKeyRules: LimiterParts['listKeyRules']
  private readonly alerts: LimitAlerts
  private readonly tally: RefusalTally
  private readonly restorer: LimitRestorer | null
  /** Number of requests that are over, and whose summary has not come. */
  private unsettled: number
  private rules: readonly LimitRule[]
  /** Rules of keys as they are now, by the ids of the keys; null: each key brings its own along. */
  private keyRules: ReadonlyMap<string, readonly LimitRule[]> | null
  /** All rules by their ids, those of keys too. */
  private rulesById: ReadonlyMap<string, LimitRule>
  private matcher: LimitMatcher
  private hasBegun: boolean
  /** `performance.now()` */
  private sweptAt: number
  private forgottenAt: number

  constructor(config: LimitRulesConfig, { store, prices, log, listKeyRules, ledger, alerts }: LimiterParts) {
    this.store = store
    this.costs = new RequestCosts(config.unpriced, prices, log)
    this.listKeyRules = listKeyRules
    this.alerts = alerts
    this.tally = new RefusalTally(log)
    const onCrossed = (crossings: readonly LimitCrossing[]): void => void alerts.report(crossings)
    this.restorer = ledger === null ? null : new LimitRestorer({ store, ledger, log, onCrossed })
    this.unsettled = 0
    this.rules = config.rules
    this.matcher = new LimitMatcher(config.rules)
    this.keyRules = this.readKeyRules()
    this.rulesById = new Map()
    this.ruleChanges = 0
    this.hasBegun = false
    this.sweptAt = performance.now()
    this.forgottenAt = this.sweptAt
  }

  /** Requests from now on follow these rules. What was used so far stays counted. */
  reconfigure(config: LimitRulesConfig): void {
    this.rules = config.rules
    this.matcher = new LimitMatcher(config.rules)
    this.costs.follow(config.unpriced)
    this.alerts.reconfigure(config.alerts)
    this.followRules()
  }

  /** The key file was read again. */
  forgetKeys(): void {
    this.matcher.forgetKeys()
    this.keyRules = this.readKeyRules()
    this.followRules()
  }

  /** Restores what was used so far. Called before the first request. */
  begin(): void {
    this.hasBegun = true
    this.followRules()
  }

  /** Whether the budgets have all that the ledger says. */
  get isRestored(): boolean {
    return this.restorer?.isRestored !== false
  }

  /** What limits a key, and what is left: for its holder. */
  describeKey(key: KeyRecord): KeyReport {
    const { id, env, team, user } = key
    const subject = { key: id, env, team, user, model: null, route: '', tags: null }
    const [now, at] = [performance.now(), Date.now()]
    const claims = this.matcher.claimsOfKey(subject, this.rulesOf(key))
    return describeKey(key, claims, (claim) => this.store.read(claim, now, at), at)
  }

  /** Whether there may be a rule for the requests of a key: a first look that costs nothing. */
  mayLimit(key: KeyRecord | null): boolean {
    return this.matcher.mayMatch(key?.limits ?? null)
  }

  /** See `LimitMatcher.modelRulesOf`. */
  modelRulesOf(request: LimitedRequest): readonly CompiledRule[] {
    return this.matcher.modelRulesOf(request)
  }

  /**
   * The counters that are there, each with its rule as it is now. A rule that is gone counts no more: what its counters
   * still have is not what the ledger says.
   */
  *listClaims(): Generator<LimitClaim> {
    for (const claim of this.store.list()) {
      const rule = this.rulesById.get(claim.rule.id)
      if (rule === claim.rule || this.keyRules === null) yield claim
      else if (rule !== undefined) yield new LimitClaim(rule, claim.owner)
    }
  }

  /** Counts a request that a rule has refused because of its model, before its check. @param name of the rule */
  countBarred(name: string): void {
    this.tally.refuse({ name, observe: false }, 'model')
  }

  /** What rules have refused since the start. */
  get refusals(): Iterable<RefusalCount> {
    return this.tally.list()
  }

  /** The state of each amount of each counter that is there. */
  readAll(): LimitState[] {
    const [now, at] = [performance.now(), Date.now()]
    return [...this.listClaims()].flatMap((claim) => this.store.read(claim, now, at))
  }

  /**
   * Checks a request, and counts it if it may pass.
   * @param body null if it has none
   * @param now `performance.now()`
   * @param settle has all summaries that were gathered counted: what has ended a moment ago may have used less than was
   * estimated, and its client may ask again at once
   */
  check(
    request: LimitedRequest & Pick<RequestFacts, 'method' | 'receivedAt' | 'errorFormat'>,
    body: EstimatedBody | null,
    target: PricedTarget,
    now: number,
    settle: () => void,
  ): LimitCheck {
    const claims = this.matcher.claimsOfRequest(request)
    const barred = this.findObserved(request, now)
    if (claims.length === 0)
      return barred === null ? PASSED : { ticket: null, observed: barred, refusal: null }
    const estimate = this.costs.estimate(request, claims, body, target)
    if ('code' in estimate) {
      this.tally.refuse(estimate.rule, 'model')
      return refuse(estimate)
    }
    let verdict = this.store.check(claims, estimate, now, request.receivedAt)
    if (verdict.ticket === null && this.unsettled > 0) {
      settle()
      verdict = this.store.check(claims, estimate, now, request.receivedAt)
    }
    if (verdict.ticket === null) {
      const { excesses } = verdict
      const refusal = describeRefusal(excesses, request.errorFormat, Date.now())
      this.tally.refuse(refusal.rule, excesses.find(({ rule }) => rule === refusal.rule)?.kind ?? 'budget')
      return refuse(refusal)
    }
    const { ticket, observed } = verdict
    if (observed.length > 0) this.tally.observe(observed, claims, now)
    return { ticket, observed: joinNames(barred, observed), refusal: null }
  }

  /** Names of the rules that only observe, and do not allow the model; null for none. */
  private findObserved(request: LimitedRequest, now: number): string | null {
    const { model } = request
    if (model === null) return null
    const barring = this.matcher.observersOf(request).filter((compiled) => compiled.bars(model))
    for (const { rule } of barring) this.tally.observeModel(rule, now)
    return barring.length === 0 ? null : joinNames(null, barring)
  }

  /** The request is still there. @param now `performance.now()` */
  renew(ticket: LimitTicket | null, now: number): void {
    if (ticket !== null) this.store.renew(ticket, now)
  }

  /** The request is not in flight any more. What it has used is counted when its summary comes. */
  release(ticket: LimitTicket | null): void {
    if (ticket === null || ticket.isReleased) return
    this.store.release(ticket)
    ticket.awaitsSummary = true
    this.unsettled++
  }

  /** The request takes no place among those in flight; it is not over. */
  releasePlaces(ticket: LimitTicket | null): void {
    if (ticket !== null) this.store.release(ticket)
  }

  /** The relay has refused the request after its check: it counts nothing. @param now `performance.now()` */
  cancel(ticket: LimitTicket | null, now: number): void {
    if (ticket !== null) this.store.cancel(ticket, now)
  }

  /** Counts what a request has used. */
  record(summary: RequestSummary): void {
    const { request } = summary
    const ticket = request.ticket === null || request.ticket.isSettled ? null : request.ticket
    const keyRules = this.rulesOf(request.key)
    if (ticket?.awaitsSummary) {
      ticket.awaitsSummary = false
      this.unsettled--
    }
    if (ticket === null && (!this.matcher.mayMatch(keyRules) || !isRecorded(summary))) return
    this.costs.learn(summary)
    const claims = this.matcher.claimsOfSummary(summary, keyRules)
    if (ticket === null && claims.length === 0) return
    this.settle(summary, ticket, claims, this.costs.useOf(summary, claims))
  }

  /** Says what a request that is open is assumed to cost, for its record if the relay is killed. */
  assume(summary: RequestSummary): void {
    const keyRules = this.rulesOf(summary.request.key)
    if (!this.matcher.mayMatch(keyRules)) return
    this.costs.useOf(summary, this.matcher.claimsOfSummary(summary, keyRules))
  }

  /** Counts what a request has used whose relay was killed. */
  countRecovered(entry: Entry): void {
    if (entry.at === null) return
    const keyRules = entry.key === null ? null : (this.keyRules?.get(entry.key) ?? null)
    const claims = this.matcher.claimsOf(describeEntry(entry), keyRules)
    if (claims.length === 0) return
    const tokens = (entry.promptTokens ?? 0) + (entry.completionTokens ?? 0)
    const use: LimitUse = { tokens, nano: entry.cost ?? entry.assumed ?? 0 }
    const crossings = this.store.settle(null, claims, use, performance.now(), entry.at, !this.isRestored)
    const reported = this.restorer?.defer(crossings) ?? crossings
    if (reported.length > 0) this.alerts.report(reported)
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.alerts.tick(now)
    this.tally.tick(now)
    if (now - this.sweptAt < SWEEP_MS) return
    this.sweptAt = now
    this.restorer?.tick(Date.now())
    if (this.keyRules !== null) this.store.sweep(this.rulesById, now, Date.now())
    if (now - this.forgottenAt < FORGET_MS) return
    this.forgottenAt = now
    this.matcher.forgetKeys()
  }

  /** What metrics show. */
  async readFigures(): Promise<LimitFigures> {
    const { store } = this
    const current: Pick<LimitStore, 'list' | 'read'> = {
      list: () => this.listClaims(),
      read: (claim, now, at) => store.read(claim, now, at),
    }
    const amounts = await readAmounts(current, this.rules)
    return { ...amounts, refusals: this.tally.list(), alerts: this.alerts.counts }
  }

  /** Sends what waits for the webhook of alerts. */
  close(): Promise<void> {
    this.tally.flush(performance.now())
    this.restorer?.close()
    return this.alerts.close()
  }

  /** The same at an end that waits for nothing. */
  endNow(): void {
    this.tally.flush(performance.now())
    this.alerts.endNow()
  }

  private settle(
    summary: RequestSummary,
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
  ): void {
    if (ticket === null && use.tokens === 0 && !use.nano) return
    const { receivedAt } = summary.request
    // What is deferred is summed up.
    const crossings = this.store.settle(ticket, claims, use, performance.now(), receivedAt, !this.isRestored)
    if (crossings.length === 0) return
    const reported = this.restorer?.defer(crossings) ?? crossings
    if (reported.length > 0) summary.reachedLimits = this.alerts.report(reported)
  }

  /** The rules that a key has now: what it has used is counted by them, whichever it had when the request came. */
  private rulesOf(key: KeyRecord | null): readonly LimitRule[] | null {
    if (key === null) return null
    return this.keyRules === null ? key.limits : (this.keyRules.get(key.id) ?? null)
  }

  private readKeyRules(): ReadonlyMap<string, readonly LimitRule[]> | null {
    const lists = this.listKeyRules()
    if (lists === null) return null
    const byKey = new Map<string, readonly LimitRule[]>()
    for (const rules of lists) {
      const key = rules[0] === undefined ? null : findOnlyKey(rules[0])
      if (key !== null) byKey.set(key, rules)
    }
    return byKey
  }

  private followRules(): void {
    const rules = [this.rules, ...(this.keyRules?.values() ?? [])].flat()
    this.rulesById = new Map(rules.map((rule) => [rule.id, rule]))
    this.ruleChanges++
    if (this.hasBegun) this.restorer?.follow(rules)
  }
}

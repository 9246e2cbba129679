import type { KeyRecord } from '../access/keyring.js'
import { findOnlyKey, type LimitRule, type LimitRulesConfig } from '../config/limit-rules.js'
import type { LimitClaim, LimitTicket } from '../exchange/limit-ticket.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Prices } from '../ledger/prices.js'
import type { Entry } from '../ledger/read/entry.js'
import { isRecorded } from '../ledger/record.js'
import type { RecordCounter } from '../ledger/write/bookkeeper.js'
import type { LimitFigures, RefusalCount } from '../observe/limit-metrics.js'
import type { Log } from '../observe/log.js'
import type { LimitState, LimitUse, LimitVerdict } from './counters/store.js'
import type { EstimatedBody } from './estimate.js'
import type { LimitBooks, ReadStates } from './limit-books.js'
import { joinNames, type LimitCheck, PASSED, refuse } from './limit-check.js'
import { type PricedTarget, RequestCosts } from './request-costs.js'
import { describeKey, type KeyReport } from './responses/key-report.js'
import { describeRefusal, describeUnanswered } from './responses/refusal.js'
import { type CompiledRule, LimitMatcher } from './rules/matcher.js'
import { describeEntry, type LimitedRequest } from './rules/subject.js'

/** Milliseconds after which what was found for keys is looked for again. */
const FORGET_MS = 60_000

/** What the limits work with. */
export interface LimiterParts {
  readonly books: LimitBooks
  /** Null if costs are switched off. */
  readonly prices: Prices | null
  readonly log: Pick<Log, 'warn' | 'info'>
  /** The rules of all keys, a list for each key that has some; null: each key brings its own along. */
  readonly listKeyRules: () => Iterable<readonly LimitRule[]> | null
}

/** A request that is checked. */
type CheckedRequest = LimitedRequest & Pick<RequestFacts, 'method' | 'receivedAt' | 'errorFormat'>

/**
 * Checks requests against the rules of the config and of their keys, and counts what they have used. It is one of the
 * sinks: it sees a summary before the ledger makes a record of it, so that both have the same amounts.
 */
export class Limiter implements SummarySink, RecordCounter {
  readonly books: LimitBooks
  /** Counts up when rules have changed. */
  ruleChanges: number
  private readonly costs: RequestCosts
  private readonly listKeyRules: LimiterParts['listKeyRules']
  /** Number of requests that are over, and whose summary has not come. */
  private unsettled: number
  private rules: readonly LimitRule[]
  /** Rules of keys as they are now, by the ids of the keys; null: each key brings its own along. */
  private keyRules: ReadonlyMap<string, readonly LimitRule[]> | null
  private matcher: LimitMatcher
  private hasBegun: boolean
  /** `performance.now()` */
  private forgottenAt: number

  constructor(config: LimitRulesConfig, { books, prices, log, listKeyRules }: LimiterParts) {
    this.books = books
    this.costs = new RequestCosts(config.unpriced, prices, log)
    this.listKeyRules = listKeyRules
    this.unsettled = 0
    this.rules = config.rules
    this.matcher = new LimitMatcher(config.rules)
    this.keyRules = this.readKeyRules()
    this.ruleChanges = 0
    this.hasBegun = false
    this.forgottenAt = performance.now()
  }

  /** Requests from now on follow these rules. What was used so far stays counted. */
  reconfigure(config: LimitRulesConfig): void {
    this.rules = config.rules
    this.matcher = new LimitMatcher(config.rules)
    this.costs.follow(config.unpriced)
    this.books.reconfigure(config.alerts)
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

  /** @param flush has all summaries that were gathered counted: other processes may ask for it */
  flushBy(flush: () => void): void {
    this.books.flushBy(flush)
  }

  /** Whether the budgets have all that the ledger says. */
  get isRestored(): boolean {
    return this.books.isRestored
  }

  /** What limits a key, and what is left: for its holder. */
  describeKey(key: KeyRecord): KeyReport | Promise<KeyReport> {
    const claims = this.claimsOfKey(key)
    const describe = ({ states, at }: ReadStates): KeyReport =>
      describeKey(key, claims, (claim) => states[claims.indexOf(claim)] ?? [], at)
    const found = this.books.read(claims)
    return found instanceof Promise ? found.then(describe) : describe(found)
  }

  /** The state of each amount that holds for a key. */
  readKey(key: KeyRecord): LimitState[] | Promise<LimitState[]> {
    return this.readClaims(this.claimsOfKey(key))
  }

  /** The state of each amount of these counters. */
  readClaims(claims: readonly LimitClaim[]): LimitState[] | Promise<LimitState[]> {
    const found = this.books.read(claims)
    return found instanceof Promise ? found.then(({ states }) => states.flat()) : found.states.flat()
  }

  private claimsOfKey(key: KeyRecord): readonly LimitClaim[] {
    const { id, env, team, user } = key
    const subject = { key: id, env, team, user, model: null, route: '', tags: null }
    return this.matcher.claimsOfKey(subject, this.rulesOf(key))
  }

  /** Whether there may be a rule for the requests of a key: a first look that costs nothing. */
  mayLimit(key: KeyRecord | null): boolean {
    return this.matcher.mayMatch(key?.limits ?? null)
  }

  /** See `LimitMatcher.modelRulesOf`. */
  modelRulesOf(request: LimitedRequest): readonly CompiledRule[] {
    return this.matcher.modelRulesOf(request)
  }

  /** The counters that there are in this process, each with its rule as it is now. */
  listClaims(): Iterable<LimitClaim> {
    return this.books.listClaims()
  }

  /** Counts a request that a rule has refused because of its model, before its check. @param name of the rule */
  countBarred(name: string): void {
    this.books.refuse({ name, observe: false }, 'model')
  }

  /** What rules have refused since the start. */
  get refusals(): Iterable<RefusalCount> {
    return this.books.refusals
  }

  /** The state of each amount of each counter that there is in this process. */
  readAll(): LimitState[] {
    const found = this.readClaims([...this.listClaims()])
    return found instanceof Promise ? [] : found
  }

  /**
   * Checks a request, and counts it if it may pass. If its ticket `isPending`, `whenChecked` has the outcome.
   * @param body null if it has none
   * @param now `performance.now()`
   * @param settle has all summaries that were gathered counted: what has ended a moment ago may have used less than was
   * estimated, and its client may ask again at once
   */
  check(
    request: CheckedRequest,
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
      this.books.refuse(estimate.rule, 'model')
      return refuse(estimate)
    }
    let verdict = this.books.check(claims, estimate, now, request.receivedAt)
    if (verdict.ticket === null && this.unsettled > 0) {
      settle()
      verdict = this.books.check(claims, estimate, now, request.receivedAt)
    }
    return this.conclude(request, claims, barred, verdict, now)
  }

  /**
   * Waits for the outcome of a check.
   * @param ticket that `isPending`
   * @param observed of the check so far
   * @param onChecked called once, unless there is another listener by then
   */
  whenChecked(
    request: Pick<CheckedRequest, 'errorFormat'>,
    ticket: LimitTicket,
    observed: string | null,
    onChecked: (check: LimitCheck) => void,
  ): void {
    this.books.whenChecked(ticket, (verdict) =>
      onChecked(this.conclude(request, ticket.claims, observed, verdict, performance.now())),
    )
  }

  /** @param barred names of rules that only observe, and do not allow the model; null for none */
  private conclude(
    { errorFormat }: Pick<CheckedRequest, 'errorFormat'>,
    claims: readonly LimitClaim[],
    barred: string | null,
    verdict: LimitVerdict,
    now: number,
  ): LimitCheck {
    if (verdict.ticket === null) {
      const { excesses } = verdict
      if (excesses.length === 0) return this.passUnanswered(claims, barred)
      const refusal = describeRefusal(excesses, errorFormat, Date.now())
      this.books.refuse(refusal.rule, excesses.find(({ rule }) => rule === refusal.rule)?.kind ?? 'budget')
      return refuse(refusal)
    }
    const { ticket, observed } = verdict
    if (observed.length > 0) this.books.observe(observed, claims, now)
    return { ticket, observed: joinNames(barred, observed), refusal: null }
  }

  /** Nobody knows what the counters say: rules that only observe still refuse nothing. */
  private passUnanswered(claims: readonly LimitClaim[], barred: string | null): LimitCheck {
    const refusing = claims.find(({ rule }) => !rule.observe)
    if (refusing === undefined) return { ticket: null, observed: barred, refusal: null }
    this.books.refuse(refusing.rule, 'unanswered')
    return refuse(describeUnanswered(refusing.rule))
  }

  /** Names of the rules that only observe, and do not allow the model; null for none. */
  private findObserved(request: LimitedRequest, now: number): string | null {
    const { model } = request
    if (model === null) return null
    const barring = this.matcher.observersOf(request).filter((compiled) => compiled.bars(model))
    for (const { rule } of barring) this.books.observeModel(rule, now)
    return barring.length === 0 ? null : joinNames(null, barring)
  }

  /** The request is still there. @param now `performance.now()` */
  renew(ticket: LimitTicket | null, now: number): void {
    if (ticket !== null) this.books.renew(ticket, now)
  }

  /** The request is not in flight any more. What it has used is counted when its summary comes. */
  release(ticket: LimitTicket | null): void {
    if (ticket === null || ticket.isReleased) return
    this.books.release(ticket, true)
    ticket.awaitsSummary = true
    this.unsettled++
  }

  /** The request takes no place among those in flight; it is not over. */
  releasePlaces(ticket: LimitTicket | null): void {
    if (ticket !== null) this.books.release(ticket, false)
  }

  /** The relay has refused the request after its check: it counts nothing. @param now `performance.now()` */
  cancel(ticket: LimitTicket | null, now: number): void {
    if (ticket !== null) this.books.cancel(ticket, now)
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
    const use = this.costs.useOf(summary, claims)
    if (ticket === null && use.tokens === 0 && !use.nano) return
    this.books.settle(ticket, claims, use, summary)
  }

  /** Says what a request that is open is assumed to cost, for its record if the relay is killed. */
  assume(summary: RequestSummary): void {
    const keyRules = this.rulesOf(summary.request.key)
    if (!this.matcher.mayMatch(keyRules)) return
    this.costs.useOf(summary, this.matcher.claimsOfSummary(summary, keyRules))
  }

  /** Counts what a request has used whose relay was killed. @param id of the request */
  countRecovered(id: string, entry: Entry): void {
    if (entry.at === null) return
    const claims = this.claimsOfEntry(entry)
    if (claims.length > 0) this.books.settleRecovered(id, claims, readUse(entry), entry.at)
  }

  /** The counters that a record counts on. */
  claimsOfEntry(entry: Entry): readonly LimitClaim[] {
    const keyRules = entry.key === null ? null : (this.keyRules?.get(entry.key) ?? null)
    return this.matcher.claimsOf(describeEntry(entry), keyRules)
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.books.tick(now)
    if (now - this.forgottenAt < FORGET_MS) return
    this.forgottenAt = now
    this.matcher.forgetKeys()
  }

  /** What metrics show. */
  readFigures(): Promise<LimitFigures> {
    return this.books.readFigures(this.rules)
  }

  /** Sends what waits for the webhook of alerts. */
  close(): Promise<void> {
    return this.books.close()
  }

  /** The same at an end that waits for nothing. */
  endNow(): void {
    this.books.endNow()
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
    this.ruleChanges++
    if (!this.hasBegun) return
    const byId = new Map(rules.map((rule) => [rule.id, rule]))
    this.books.follow({ byId, isComplete: this.keyRules !== null })
  }
}

/** What a record says was used. */
export function readUse({ promptTokens, completionTokens, cost, assumed }: Entry): LimitUse {
  return { tokens: (promptTokens ?? 0) + (completionTokens ?? 0), nano: cost ?? assumed ?? 0 }
}

import type { Budget, LimitRule } from '../../config/limit-rules.js'
import type { LimitClaim, LimitTicket } from '../../exchange/limit-ticket.js'
import type { Whole } from '../../ledger/read/whole.js'

/** What a request is expected to use. */
export interface LimitEstimate {
  readonly tokens: number
  /** Nano-dollars. */
  readonly nano: number
}

/** Why a rule refuses a request. */
export interface LimitExcess {
  readonly rule: LimitRule
  /**
   * `requests`, `tokens`: the rate; `concurrent`: too many in flight; `budget`: the period's amount is used up; `held`:
   * what is left of it is held for requests in flight: if they use less, it is enough in a moment.
   */
  readonly kind: 'requests' | 'tokens' | 'concurrent' | 'budget' | 'held'
  /** Null unless the kind is `budget` or `held`. */
  readonly budget: Budget | null
  /** Amount of the budget, or number of places; of a rate, its burst. */
  readonly limit: number
  /** Used so far, without what is held: requests, tokens, requests in flight, nano-dollars. */
  readonly used: Whole
  /** Milliseconds after which the request can pass, as far as is known. */
  readonly retryMs: number
  /** When the period ends, in epoch milliseconds; null unless it is a budget. */
  readonly resetsAt: number | null
}

/** What a check came to. `observed` are rules that only observe, and would have refused. */
export type LimitVerdict =
  | { readonly ticket: LimitTicket; readonly observed: readonly LimitExcess[] }
  /** Every rule that refuses; nothing has been counted. */
  | { readonly ticket: null; readonly excesses: readonly LimitExcess[] }

/** What a request has used at its end. */
export interface LimitUse {
  readonly tokens: number
  /** Nano-dollars, whether from a price or assumed. */
  readonly nano: Whole
}

/** What records of the ledger say was used. */
export interface RestoredUse {
  readonly tokens: Whole
  /** Nano-dollars, whether from a price or assumed. */
  readonly nano: Whole
}

/** The sum of a budget has grown, and may have come to a share that is reported. */
export interface LimitCrossing {
  readonly rule: LimitRule
  readonly owner: string
  readonly budget: Budget
  /** Name of the period: `2026-11@Europe/Berlin`. */
  readonly period: string
  readonly before: Whole
  readonly after: Whole
  readonly resetsAt: number
}

/** The state of one amount of a counter. */
export interface LimitState {
  readonly rule: LimitRule
  readonly owner: string
  readonly kind: 'requests' | 'tokens' | 'concurrent' | 'budget'
  readonly budget: Budget | null
  /** Name of the period; null unless it is a budget. */
  readonly period: string | null
  /** Amount of the budget, or number of places; of a rate, its burst. */
  readonly limit: number
  readonly used: Whole
  /** Held for requests in flight, besides what is used: tokens or nano-dollars. */
  readonly held: number
  /** Milliseconds until a rate is whole again, or until the period ends; 0 for requests in flight. */
  readonly resetMs: number
}

/** What is used of the rates of a counter, in requests and tokens. */
export interface UsedRates {
  readonly requests: number
  readonly tokens: number
}

/** Says which rules there are, by their ids. */
export interface KnownRules {
  has(id: string): boolean
}

/**
 * Where counters live. Calls never wait.
 * @param now `performance.now()`, for rates and for what is held
 * @param at epoch milliseconds, for periods
 */
export interface LimitStore {
  /** Counts up with each change of a counter. */
  readonly changes: number
  /**
   * Reads all counters, and then counts on all of them, or on none. Rules that only observe are counted too, but a rate
   * that would have refused the request is left as it is, as it would be if it did refuse.
   */
  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict
  /** The request is still there: what it holds does not lapse, and is taken again if it has lapsed. */
  renew(ticket: LimitTicket, now: number): void
  /** Gives the places among the requests in flight back. A second call does nothing. */
  release(ticket: LimitTicket): void
  /**
   * Replaces the estimates of a request by what it has used, and releases it. A second call does nothing. What is used
   * counts also if the request was cancelled or has lapsed, as its record says so.
   * @param ticket null for a request that was not checked, and has used something all the same
   * @param claims whose budgets pay, as its record says it
   * @param at when the request arrived: its period pays
   * @param reportsAll whether each budget that has grown is returned; else those may be left out that have not come to
   * another whole percent of their amount
   */
  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    now: number,
    at: number,
    reportsAll?: boolean,
  ): readonly LimitCrossing[]
  /**
   * Gives all back: the request was refused, or answered by the relay itself, after its check. After `settle` it does
   * nothing.
   */
  cancel(ticket: LimitTicket, now: number): void
  /**
   * Gives places and holds back: nobody knows any more what became of the request. What it has counted on rates stays.
   * After `settle` it does nothing, and nothing follows it.
   */
  abandon(ticket: LimitTicket): void
  /**
   * Adds what a record of the ledger says was used to each budget of the claim's rule. Nothing is crossed by it.
   * @param at of the record
   * @param budgets only those of the rule that are in this list
   */
  restore(claim: LimitClaim, use: RestoredUse, at: number, budgets?: readonly Budget[]): void
  /** Takes back what was counted of a request whose record was lost. @param budgets as in `restore` */
  takeBack(claim: LimitClaim, use: RestoredUse, at: number, budgets: readonly Budget[]): void
  /** Adds what another process has counted on the rates of a claim's rule. */
  addRates(claim: LimitClaim, used: UsedRates, now: number): void
  /** Forgets what was spent of a budget, of all owners: it is to be restored. What requests hold of it stays. */
  forget(rule: LimitRule, budget: Budget): void
  /**
   * Forgets what is not used any more: counters of other rules, periods that are over, rates that are whole. Each call
   * visits some thousands of counters, and the next one goes on from there.
   * @param rules ids of all rules that there are, those of keys too
   */
  sweep(rules: KnownRules, now: number, at: number): void
  /** The state of each amount of a counter. */
  read(claim: LimitClaim, now: number, at: number): LimitState[]
  /** The counters that are there, for reports; each with its rule as it was when it was last used. */
  list(): Iterable<LimitClaim>
}

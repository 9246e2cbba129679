import type { Budget, LimitRule } from '../config/limit-rules.js'

/**
 * A counter that a request counts on: of one rule, and for one owner. It is made once and used for many requests, so
 * that the counter is looked up once.
 */
export class LimitClaim {
  readonly rule: LimitRule
  /** Whose counter it is: empty for the pool, else the id of a key, a team, an env, or `TEAM/USER`. */
  readonly owner: string
  /** What the store found for it; only a `LimitStore` reads or changes it. */
  counter: unknown

  constructor(rule: LimitRule, owner: string) {
    this.rule = rule
    this.owner = owner
    this.counter = null
  }
}

/**
 * What is left of the tightest rate or budget of a request, for the headers of its response. Rules that only observe
 * are left out, and what is held for requests in flight is not subtracted from a budget.
 */
export interface LimitLeft {
  readonly rule: LimitRule
  /** Null for a rate. */
  readonly budget: Budget | null
  /** Amount of the budget; of a rate, its burst. */
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until all of it is there again. */
  readonly resetMs: number
}

/**
 * What a request holds of its limits, from the check to its end: places among those in flight, and an estimate of its
 * tokens and its money. Only a `LimitStore` changes it.
 */
export class LimitTicket {
  readonly claims: readonly LimitClaim[]
  /** Estimates that were counted at the start. */
  readonly tokens: number
  /** Nano-dollars. */
  readonly nano: number
  /** When the request arrived, in epoch milliseconds: its period pays. */
  readonly at: number
  /** What it holds lapses then, unless it is renewed: `performance.now()`. */
  heldUntil: number
  /** It was asked for, and the answer has not come. */
  isPending: boolean
  /** Its places among the requests in flight were given back. */
  isReleased: boolean
  /** The estimates were replaced by what was used. */
  isSettled: boolean
  /** The request is over, and its summary has not come. Whoever settles it says so. */
  awaitsSummary: boolean
  /** Null where no rule has such an amount. */
  requestsLeft: LimitLeft | null
  tokensLeft: LimitLeft | null
  /** Nano-dollars. */
  usdLeft: LimitLeft | null

  constructor(claims: readonly LimitClaim[], tokens: number, nano: number, at: number, heldUntil: number) {
    this.claims = claims
    this.tokens = tokens
    this.nano = nano
    this.at = at
    this.heldUntil = heldUntil
    this.isPending = false
    this.isReleased = false
    this.isSettled = false
    this.awaitsSummary = false
    this.requestsLeft = null
    this.tokensLeft = null
    this.usdLeft = null
  }
}

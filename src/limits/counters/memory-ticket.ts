import { type LimitClaim, LimitTicket } from '../../exchange/limit-ticket.js'
import type { BudgetCount } from './budget-count.js'
import type { Counter } from './counter.js'

/** A ticket of the memory store, with the counters that it has changed. */
export class MemoryTicket extends LimitTicket {
  /** By claim. */
  readonly counters: Counter[]
  /** What it holds something of. */
  readonly holds: BudgetCount[]
  /** `performance.now()` at the check. */
  readonly since: number
  /** What was counted on rates. */
  readonly rates: CountedRates[]
  hasPlaces: boolean
  hasHolds: boolean
  /** What it holds is not given back for good. */
  mayHold: boolean
  /** Neighbours in the `TicketQueue`. */
  earlier: MemoryTicket | null
  later: MemoryTicket | null

  /** @param counters by claim */
  constructor(
    claims: readonly LimitClaim[],
    counters: Counter[],
    tokens: number,
    nano: number,
    now: number,
    at: number,
    heldUntil: number,
  ) {
    super(claims, tokens, nano, at, heldUntil)
    this.counters = counters
    this.holds = []
    this.since = now
    this.rates = []
    this.hasPlaces = false
    this.hasHolds = false
    this.mayHold = true
    this.earlier = null
    this.later = null
  }

  /** Whether it is in the queue. */
  get isHolding(): boolean {
    return this.hasPlaces || this.hasHolds
  }

  takePlaces(): void {
    if (this.hasPlaces || this.counters.length === 0) return
    this.hasPlaces = true
    for (const counter of this.counters) counter.inFlight += 1
  }

  returnPlaces(): void {
    if (!this.hasPlaces) return
    this.hasPlaces = false
    for (const counter of this.counters) counter.inFlight -= 1
  }

  /** Finds the counts of its period again: they may have been dropped since its holds have lapsed. */
  findHolds(): void {
    this.holds.length = 0
    for (const counter of this.counters) counter.listCounts(this.at, this.holds)
  }

  takeHolds(): void {
    if (this.hasHolds || this.holds.length === 0) return
    this.hasHolds = true
    for (const count of this.holds) count.hold(this.tokens, this.nano)
  }

  returnHolds(): void {
    if (!this.hasHolds) return
    this.hasHolds = false
    for (const count of this.holds) count.unhold(this.tokens, this.nano)
  }

  /** Replaces the estimate on the rates of tokens by what was used, less or more. */
  correctTokens(tokens: number, now: number): void {
    const used = tokens > 0 ? tokens : 0
    for (const counted of this.rates) {
      const { rule, tokens: count } = this.counters[counted.i] as Counter
      const rate = rule?.tokens
      if (Number.isNaN(counted.tokenMark) || rate === null || rate === undefined || count === null) continue
      const excess = used - counted.tokens
      if (excess > 0) count.addExcess(rate, excess, now)
      else if (excess < 0) count.giveBack(rate, -excess, counted.tokens, counted.tokenMark, this.since, now)
      counted.tokens = used
    }
  }

  /** A counter was forgotten, as its rates were whole: time has given all back. @param i of the counter */
  forgetRates(i: number): void {
    for (const counted of this.rates) {
      if (counted.i !== i) continue
      if (!Number.isNaN(counted.requestMark)) counted.requestMark = 0
      if (!Number.isNaN(counted.tokenMark)) counted.tokenMark = 0
    }
  }

  giveRatesBack(now: number): void {
    this.correctTokens(0, now)
    for (const counted of this.rates) {
      const { rule, requests } = this.counters[counted.i] as Counter
      const rate = rule?.requests
      if (Number.isNaN(counted.requestMark) || rate === null || rate === undefined || requests === null)
        continue
      requests.giveBack(rate, 1, 1, counted.requestMark, this.since, now)
      counted.requestMark = Number.NaN
    }
  }
}

/** What a request has counted on the rates of one counter. */
interface CountedRates {
  /** Of the counter. */
  readonly i: number
  /** What `RateCount.add` returned for the request and for its tokens; NaN if nothing was counted. */
  requestMark: number
  tokenMark: number
  /** Tokens that were counted. */
  tokens: number
}

/**
 * The tickets that hold something, by the time at which it lapses. All hold for the same time, so whoever is renewed
 * goes to the end, and no timer is needed.
 */
export class TicketQueue {
  first: MemoryTicket | null
  private last: MemoryTicket | null

  constructor() {
    this.first = null
    this.last = null
  }

  append(ticket: MemoryTicket): void {
    ticket.earlier = this.last
    if (this.last === null) this.first = ticket
    else this.last.later = ticket
    this.last = ticket
  }

  remove(ticket: MemoryTicket): void {
    const { earlier, later } = ticket
    if (earlier === null) this.first = later
    else earlier.later = later
    if (later === null) this.last = earlier
    else later.earlier = earlier
    ticket.earlier = null
    ticket.later = null
  }
}

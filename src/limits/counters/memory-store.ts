import type { Budget, LimitRule } from '../../config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../exchange/limit-ticket.js'
import { addWhole, type Whole } from '../../ledger/read/whole.js'
import { Counter } from './counter.js'
import { findExcesses, observesExcess } from './excess.js'
import { noteLeft, readStates } from './limit-state.js'
import { MemoryTicket, TicketQueue } from './memory-ticket.js'
import type {
  KnownRules,
  LimitCrossing,
  LimitEstimate,
  LimitExcess,
  LimitState,
  LimitStore,
  LimitUse,
  LimitVerdict,
  RestoredUse,
  UsedRates,
} from './store.js'

/** What a request holds lapses after that time, unless it is renewed. */
export const LEASE_MS = 60_000

/** Counters that one sweep visits: less than a millisecond of work. */
const SWEPT_AT_ONCE = 2_000

const NO_EXCESSES: readonly LimitExcess[] = []
const NO_CROSSINGS: readonly LimitCrossing[] = []

/** Counters in the memory of this process. */
export class MemoryLimitStore implements LimitStore {
  changes: number
  /** By id of the rule, and by owner. */
  private readonly counters: Map<string, Map<string, Counter>>
  private readonly queue: TicketQueue
  /** Where the last sweep has stopped; null before the first and after the last counter. */
  private swept: Iterator<Counter> | null

  constructor() {
    this.changes = 0
    this.counters = new Map()
    this.queue = new TicketQueue()
    this.swept = null
  }

  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict {
    this.lapse(now)
    const tokens = toAmount(estimate.tokens)
    const nano = toAmount(estimate.nano)
    let excesses: LimitExcess[] | null = null
    let observed: LimitExcess[] | null = null
    // Of their length from the start: an array that grows has room for seventeen.
    const counters = new Array<Counter>(claims.length)
    for (let i = 0; i < claims.length; i++) {
      const claim = claims[i] as LimitClaim
      const counter = this.bind(claim)
      counters[i] = counter
      const found = findExcesses(claim.rule, counter, tokens, nano, now, at)
      if (found === null) continue
      if (claim.rule.observe) observed = observed === null ? found : observed.concat(found)
      else excesses = excesses === null ? found : excesses.concat(found)
    }
    if (excesses !== null) return { ticket: null, excesses }
    this.changes++
    const ticket = new MemoryTicket(claims, counters, tokens, nano, now, at, now + LEASE_MS)
    for (let i = 0; i < claims.length; i++) {
      const { rule } = claims[i] as LimitClaim
      const isCounted = observed === null || !observesExcess(observed, rule)
      this.count(ticket, rule, i, isCounted, now)
    }
    ticket.takePlaces()
    ticket.takeHolds()
    if (ticket.isHolding) this.queue.append(ticket)
    return { ticket, observed: observed ?? NO_EXCESSES }
  }

  renew(ticket: LimitTicket, now: number): void {
    if (!(ticket instanceof MemoryTicket)) return
    if (ticket.isReleased && !ticket.mayHold) return
    if (ticket.isHolding) this.queue.remove(ticket)
    else {
      this.changes++
      this.findAgain(ticket)
      ticket.findHolds()
    }
    if (!ticket.isReleased) ticket.takePlaces()
    if (ticket.mayHold) ticket.takeHolds()
    if (!ticket.isHolding) return
    ticket.heldUntil = now + LEASE_MS
    this.queue.append(ticket)
  }

  release(ticket: LimitTicket): void {
    if (!(ticket instanceof MemoryTicket) || ticket.isReleased) return
    ticket.isReleased = true
    this.changes++
    const wasHolding = ticket.isHolding
    ticket.returnPlaces()
    if (wasHolding && !ticket.isHolding) this.queue.remove(ticket)
  }

  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    now: number,
    at: number,
    reportsAll = false,
  ): readonly LimitCrossing[] {
    if (ticket instanceof MemoryTicket) {
      if (ticket.isSettled) return NO_CROSSINGS
      ticket.isSettled = true
      if (!ticket.isHolding) this.findAgain(ticket)
      this.letGo(ticket)
      ticket.correctTokens(use.tokens, now)
    }
    this.lapse(now)
    this.changes++
    let crossings: LimitCrossing[] | null = null
    for (const claim of claims) {
      const { rule, owner } = claim
      if (rule.budgets.length === 0) continue
      const counter = this.bind(claim)
      for (let i = 0; i < rule.budgets.length; i++) {
        const budget = rule.budgets[i] as LimitRule['budgets'][number]
        const added = budget.unit === 'usd' ? use.nano : use.tokens
        if (!(added > 0)) continue
        const count = counter.countAt(rule, i, at)
        const before = count.spent
        count.spent = addWhole(before, added) ?? 0
        if (!reportsAll && !mayCross(budget.amount, before, count.spent)) continue
        const { name, end } = count.period
        crossings ??= []
        crossings.push({ rule, owner, budget, period: name, before, after: count.spent, resetsAt: end })
      }
    }
    return crossings ?? NO_CROSSINGS
  }

  cancel(ticket: LimitTicket, now: number): void {
    if (!(ticket instanceof MemoryTicket) || ticket.isSettled) return
    this.changes++
    if (!ticket.isHolding) this.findAgain(ticket)
    this.letGo(ticket)
    ticket.giveRatesBack(now)
  }

  abandon(ticket: LimitTicket): void {
    if (!(ticket instanceof MemoryTicket) || ticket.isSettled) return
    this.changes++
    if (!ticket.isHolding) this.findAgain(ticket)
    ticket.isSettled = true
    this.letGo(ticket)
  }

  restore(claim: LimitClaim, use: RestoredUse, at: number, budgets = claim.rule.budgets): void {
    this.change(claim, use, at, budgets, (spent, added) => addWhole(spent, added) ?? 0)
  }

  takeBack(claim: LimitClaim, use: RestoredUse, at: number, budgets: readonly Budget[]): void {
    this.change(claim, use, at, budgets, subtractWhole)
  }

  private change(
    claim: LimitClaim,
    use: RestoredUse,
    at: number,
    budgets: readonly Budget[],
    combine: (spent: Whole, amount: Whole) => Whole,
  ): void {
    this.changes++
    const { rule } = claim
    const counter = this.bind(claim)
    for (let i = 0; i < rule.budgets.length; i++) {
      const budget = rule.budgets[i] as LimitRule['budgets'][number]
      const amount = budget.unit === 'usd' ? use.nano : use.tokens
      if (!(amount > 0) || !budgets.includes(budget)) continue
      const count = counter.countAt(rule, i, at)
      count.spent = combine(count.spent, amount)
    }
  }

  addRates(claim: LimitClaim, used: UsedRates, now: number): void {
    this.changes++
    const { requests, tokens } = claim.rule
    const counter = this.bind(claim)
    if (requests !== null && used.requests > 0) counter.requests?.add(requests, used.requests, now)
    if (tokens !== null && used.tokens > 0) counter.tokens?.add(tokens, used.tokens, now)
  }

  forget({ id }: LimitRule, { unit, period }: Budget): void {
    this.changes++
    for (const counter of this.counters.get(id)?.values() ?? []) counter.forget(unit, period)
  }

  sweep(rules: KnownRules, now: number, at: number): void {
    this.lapse(now)
    this.swept ??= this.walk()
    for (let i = 0; i < SWEPT_AT_ONCE; i++) {
      const { value: counter, done } = this.swept.next()
      if (done) {
        this.swept = null
        return
      }
      const { rule, owner } = counter as Counter
      if (rule === null || (rules.has(rule.id) && counter.sweep(now, at))) continue
      const owners = this.counters.get(rule.id)
      owners?.delete(owner)
      if (owners?.size === 0) this.counters.delete(rule.id)
      counter.rule = null
    }
  }

  read(claim: LimitClaim, now: number, at: number): LimitState[] {
    this.lapse(now)
    const { rule, owner } = claim
    const counter = this.counters.get(rule.id)?.get(owner) ?? null
    if (counter !== null && counter.rule !== rule) counter.adopt(rule)
    return readStates(rule, owner, counter, now, at)
  }

  *list(): Iterable<LimitClaim> {
    for (const { rule, owner } of this.walk()) if (rule !== null) yield new LimitClaim(rule, owner)
  }

  private *walk(): Generator<Counter> {
    for (const owners of this.counters.values()) yield* owners.values()
  }

  /** The counter of a claim. The claim keeps it until the rule has other amounts, or the counter is forgotten. */
  private bind(claim: LimitClaim): Counter {
    const kept = claim.counter
    return kept instanceof Counter && kept.rule === claim.rule ? kept : this.lookUp(claim)
  }

  private lookUp(claim: LimitClaim): Counter {
    const counter = this.findCounter(claim)
    if (counter.rule !== claim.rule) counter.adopt(claim.rule)
    claim.counter = counter
    return counter
  }

  /** Finds the counter, or makes one. Its rule may have other amounts than that of the claim. */
  private findCounter({ rule, owner }: LimitClaim): Counter {
    let owners = this.counters.get(rule.id)
    if (owners === undefined) {
      owners = new Map()
      this.counters.set(rule.id, owners)
    }
    let counter = owners.get(owner)
    if (counter === undefined) {
      counter = new Counter(rule, owner)
      owners.set(owner, counter)
    }
    return counter
  }

  /** Finds the counters of a request again: they may have been forgotten since what it held has lapsed. */
  private findAgain(ticket: MemoryTicket): void {
    for (let i = 0; i < ticket.claims.length; i++) {
      if (ticket.counters[i]?.rule !== null) continue
      ticket.counters[i] = this.findCounter(ticket.claims[i] as LimitClaim)
      ticket.forgetRates(i)
    }
  }

  /** @param i of the claim */
  private count(ticket: MemoryTicket, rule: LimitRule, i: number, isCounted: boolean, now: number): void {
    const { requests, tokens } = rule
    const counter = ticket.counters[i] as Counter
    if (isCounted && (requests !== null || tokens !== null)) {
      const counted = tokens === null ? 0 : Math.min(ticket.tokens, tokens.burst)
      ticket.rates.push({
        i,
        requestMark: requests === null ? Number.NaN : (counter.requests?.add(requests, 1, now) ?? Number.NaN),
        tokenMark: tokens === null ? Number.NaN : (counter.tokens?.add(tokens, counted, now) ?? Number.NaN),
        tokens: counted,
      })
    }
    counter.listCounts(ticket.at, ticket.holds)
    if (!rule.observe) noteLeft(ticket, rule, counter, now)
  }

  /** Gives places and holds back. */
  private letGo(ticket: MemoryTicket): void {
    if (ticket.isHolding) this.queue.remove(ticket)
    ticket.isReleased = true
    ticket.mayHold = false
    ticket.returnPlaces()
    ticket.returnHolds()
  }

  /** Gives back what requests hold that nobody renews: whatever has become of them, their places return. */
  private lapse(now: number): void {
    let ticket = this.queue.first
    while (ticket !== null && ticket.heldUntil <= now) {
      this.changes++
      this.queue.remove(ticket)
      ticket.returnPlaces()
      ticket.returnHolds()
      ticket = this.queue.first
    }
  }
}

/** What is left of an amount; never below 0. */
function subtractWhole(spent: Whole, amount: Whole): Whole {
  const left = BigInt(spent) - BigInt(amount)
  if (left <= 0n) return 0
  return left <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(left) : left
}

/** More than the error of a share in a double: what is so near to a whole percent counts as it. */
const SLACK = 1e-9

/**
 * Whether a whole percent of an amount may lie between two others; sometimes it does not. Few requests cross one, and
 * the others need no report.
 */
function mayCross(amount: number, before: Whole, after: Whole): boolean {
  const percent = 100 / amount
  return Math.floor(Number(before) * percent - SLACK) !== Math.floor(Number(after) * percent + SLACK)
}

/** An estimate as a whole number: nothing that is held may be half a nano-dollar, or unknown. */
function toAmount(estimate: number): number {
  return estimate > 0 ? Math.min(Math.ceil(estimate), Number.MAX_SAFE_INTEGER) : 0
}

import type { Budget, LimitRule, Rate } from '../../src/config/limit-rules.js'
import type { LimitClaim } from '../../src/exchange/limit-ticket.js'
import { UTC } from '../../src/ledger/read/zone.js'
import { LEASE_MS } from '../../src/limits/counters/memory-store.js'
import { RateCount } from '../../src/limits/counters/rate-count.js'

/** A request of the model. */
export interface ModelTicket {
  readonly claims: readonly LimitClaim[]
  readonly tokens: number
  readonly nano: number
  /** `performance.now()` at the check. */
  readonly since: number
  readonly at: number
  heldUntil: number
  isReleased: boolean
  /** Settled or cancelled: it holds nothing. */
  isOver: boolean
  isSettled: boolean
  /** What it has counted on rates, by name of the amount. */
  readonly counted: Map<string, { amount: number; mark: number }>
}

/**
 * The rules of limits, written down as plainly as can be, and slow: all that has happened is kept in lists, and every
 * answer is computed from all of it. Only in UTC. Rates are those of the store, as they have tests of their own.
 */
export class LimitModel {
  private readonly tickets: ModelTicket[] = []
  private readonly spent: { rule: string; owner: string; unit: string; period: string; amount: bigint }[] = []
  private readonly rates = new Map<string, RateCount>()
  /** By name, as they are now. */
  private readonly rules = new Map<string, LimitRule>()

  /** A rule has other amounts. */
  reload(rule: LimitRule): void {
    this.rules.set(rule.name, rule)
  }

  /** @returns the kinds of amounts that refuse, by rule; and the ticket, null if one refuses that is not to observe */
  check(
    claims: readonly LimitClaim[],
    tokens: number,
    nano: number,
    now: number,
    at: number,
  ): { ticket: ModelTicket | null; found: string[] } {
    const found = claims.map((claim) => this.findExcesses(claim, tokens, nano, now, at))
    const isRefused = claims.some(({ rule }, i) => !rule.observe && found[i]?.length)
    const shown = claims.flatMap(({ rule }, i) => (isRefused && rule.observe ? [] : (found[i] ?? [])))
    if (isRefused) return { ticket: null, found: shown }
    const ticket: ModelTicket = {
      claims,
      tokens,
      nano,
      since: now,
      at,
      heldUntil: now + LEASE_MS,
      isReleased: false,
      isOver: false,
      isSettled: false,
      counted: new Map(),
    }
    for (const [i, claim] of claims.entries()) {
      if (found[i]?.length) continue
      const { requests, tokens: rate } = claim.rule
      if (requests !== null) this.count(ticket, claim, 'requests', requests, 1, now)
      if (rate !== null) this.count(ticket, claim, 'tokens', rate, Math.min(tokens, rate.burst), now)
    }
    this.tickets.push(ticket)
    return { ticket, found: shown }
  }

  renew(ticket: ModelTicket, now: number): void {
    if (!ticket.isReleased || !ticket.isOver) ticket.heldUntil = now + LEASE_MS
  }

  settle(
    ticket: ModelTicket | null,
    claims: readonly LimitClaim[],
    tokens: number,
    nano: number | bigint,
    now: number,
    at: number,
  ): void {
    if (ticket?.isSettled) return
    if (ticket !== null) {
      this.correct(ticket, tokens, now)
      ticket.isSettled = true
      ticket.isOver = true
      ticket.isReleased = true
    }
    for (const claim of claims) this.restore(claim, tokens, nano, at)
  }

  cancel(ticket: ModelTicket, now: number): void {
    if (ticket.isSettled) return
    ticket.isOver = true
    ticket.isReleased = true
    this.correct(ticket, 0, now)
    for (const claim of ticket.claims) {
      const { requests } = this.rules.get(claim.rule.name) ?? claim.rule
      const name = `requests ${claim.rule.name} ${claim.owner}`
      const counted = ticket.counted.get(name)
      if (requests === null || counted === undefined) continue
      this.rateOf(name, requests).giveBack(requests, 1, 1, counted.mark, ticket.since, now)
      ticket.counted.delete(name)
    }
  }

  restore({ rule, owner }: LimitClaim, tokens: number, nano: number | bigint, at: number): void {
    for (const unit of ['usd', 'tokens'])
      for (const kind of ['hour', 'day', 'week', 'month'])
        this.spent.push({
          rule: rule.id,
          owner,
          unit,
          period: nameOf(kind, at),
          amount: BigInt(unit === 'usd' ? nano : tokens),
        })
  }

  /** The states of a counter: used and held, in the order of the store. */
  read(claim: LimitClaim, now: number, at: number): string[] {
    const { rule } = claim
    const states: string[] = []
    for (const kind of ['requests', 'tokens'] as const) {
      const rate = rule[kind]
      if (rate !== null) states.push(`${kind} ${Math.ceil(this.levelOf(claim, kind, rate, now) - 1e-3)}`)
    }
    if (rule.concurrent !== null) states.push(`concurrent ${this.countPlaces(claim, now)}`)
    for (const budget of rule.budgets)
      states.push(
        `${budget.unit} ${budget.period} ${this.sumSpent(claim, budget, at)} ${this.sumHeld(claim, budget, now, at)[0]}`,
      )
    return states
  }

  private findExcesses(claim: LimitClaim, tokens: number, nano: number, now: number, at: number): string[] {
    const { rule } = claim
    const found: string[] = []
    for (const kind of ['requests', 'tokens'] as const) {
      const rate = rule[kind]
      const cost = kind === 'requests' ? 1 : tokens
      if (rate === null) continue
      if (this.levelOf(claim, kind, rate, now) + Math.min(cost, rate.burst) > rate.burst + 1e-3)
        found.push(`${rule.name} ${kind}`)
    }
    if (rule.concurrent !== null && this.countPlaces(claim, now) >= rule.concurrent)
      found.push(`${rule.name} concurrent`)
    for (const budget of rule.budgets) {
      const left = BigInt(budget.amount) - this.sumSpent(claim, budget, at)
      const [held, holders] = this.sumHeld(claim, budget, now, at)
      const hold = budget.unit === 'usd' ? nano : tokens
      if (left <= 0n) found.push(`${rule.name} budget`)
      else if (holders > 0 && hold > 0 && BigInt(held + hold) > left) found.push(`${rule.name} held`)
    }
    return found
  }

  private countPlaces({ rule, owner }: LimitClaim, now: number): number {
    return this.tickets.filter(
      (ticket) =>
        !ticket.isReleased &&
        ticket.heldUntil > now &&
        ticket.claims.some((claim) => claim.rule.id === rule.id && claim.owner === owner),
    ).length
  }

  private sumSpent({ rule, owner }: LimitClaim, { unit, period }: Budget, at: number): bigint {
    const name = nameOf(period, at)
    return this.spent
      .filter((spent) => spent.rule === rule.id && spent.owner === owner)
      .filter((spent) => spent.unit === unit && spent.period === name)
      .reduce((sum, { amount }) => sum + amount, 0n)
  }

  private sumHeld(claim: LimitClaim, { unit, period }: Budget, now: number, at: number): [number, number] {
    const holders = this.tickets.filter(
      (ticket) =>
        !ticket.isOver &&
        ticket.heldUntil > now &&
        (unit === 'usd' ? ticket.nano : ticket.tokens) > 0 &&
        nameOf(period, ticket.at) === nameOf(period, at) &&
        ticket.claims.some(
          ({ rule, owner }) =>
            rule.id === claim.rule.id &&
            owner === claim.owner &&
            rule.budgets.some((budget) => budget.unit === unit && budget.period === period),
        ),
    )
    const amounts = holders.map(({ nano, tokens }) => (unit === 'usd' ? nano : tokens))
    return [
      amounts.reduce((sum, amount) => sum + amount, 0),
      // What holds nothing is in nobody's way.
      amounts.filter((amount) => amount > 0).length,
    ]
  }

  private rateOf(name: string, rate: Rate): RateCount {
    const count = this.rates.get(name) ?? new RateCount(rate)
    this.rates.set(name, count)
    return count
  }

  private levelOf({ rule, owner }: LimitClaim, kind: string, rate: Rate, now: number): number {
    return this.rateOf(`${kind} ${rule.name} ${owner}`, rate).used(rate, now)
  }

  private count(
    ticket: ModelTicket,
    claim: LimitClaim,
    kind: string,
    rate: Rate,
    amount: number,
    now: number,
  ): void {
    const name = `${kind} ${claim.rule.name} ${claim.owner}`
    ticket.counted.set(name, { amount, mark: this.rateOf(name, rate).add(rate, amount, now) })
  }

  private correct(ticket: ModelTicket, tokens: number, now: number): void {
    for (const claim of ticket.claims) {
      const rate = (this.rules.get(claim.rule.name) ?? claim.rule).tokens
      const name = `tokens ${claim.rule.name} ${claim.owner}`
      const counted = ticket.counted.get(name)
      if (rate === null || counted === undefined) continue
      const { amount, mark } = counted
      const count = this.rateOf(name, rate)
      if (tokens > amount) count.addExcess(rate, tokens - amount, now)
      else count.giveBack(rate, amount - tokens, amount, mark, ticket.since, now)
      counted.amount = tokens
    }
  }
}

/** Any name that a period of UTC shares with no other one. */
function nameOf(kind: string, at: number): string {
  if (kind === 'hour') return UTC.formatHour(at)
  if (kind === 'day') return UTC.formatDay(at)
  if (kind === 'month') return UTC.formatMonth(at)
  const monday = new Date(at)
  monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7))
  return `week of ${UTC.formatDay(monday.getTime())}`
}

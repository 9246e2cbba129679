import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../../src/exchange/limit-ticket.js'
import { LEASE_MS, MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import { LimitModel, type ModelTicket } from '../../support/limit-model.js'
import {
  BASE,
  changeAmounts,
  JUMPS,
  type Operation,
  OWNERS,
  operation,
  ruleEntries,
  toEntry,
} from '../../support/limit-operations.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

/** The store and its model, to which the same happens. */
class Pair {
  private readonly store = new MemoryLimitStore()
  private readonly model = new LimitModel()
  private readonly tickets: { readonly real: LimitTicket; readonly model: ModelTicket }[] = []
  /** By owner and rule. */
  private claims: LimitClaim[][]
  private now = 1_000
  private jump = 0

  constructor(rules: readonly LimitRule[]) {
    this.claims = OWNERS.map((owner) => rules.map((rule) => new LimitClaim(rule, owner)))
  }

  private get at(): number {
    return BASE + this.now + this.jump
  }

  run(operation: Operation): void {
    const { now, at, store, model } = this
    if (operation.type === 'check') this.check(operation)
    else if (operation.type === 'wait') this.now += operation.quarters * 250
    else if (operation.type === 'jump') this.jump = JUMPS[operation.to] as number
    else if (operation.type === 'sweep')
      store.sweep(new Set(this.claims[0]?.map(({ rule }) => rule.id)), now, at)
    else if (operation.type === 'reload') this.reload(operation)
    else if (operation.type === 'unchecked') {
      const claims = this.claimsOf(operation.owner)
      store.settle(null, claims, operation.use, now, at)
      model.settle(null, claims, operation.use.tokens, operation.use.nano, now, at)
    } else if (operation.type === 'restore')
      for (const claim of this.claimsOf(operation.owner)) {
        store.restore(claim, operation.use, at)
        model.restore(claim, operation.use.tokens, operation.use.nano, at)
      }
    else this.end(operation)
  }

  /** Each amount of each counter is the same. */
  compare(): void {
    const { now, at } = this
    for (const claim of this.claims.flat()) {
      const states = this.store
        .read(claim, now, at)
        .map(({ kind, budget, used, held }) =>
          budget === null ? `${kind} ${used}` : `${budget.unit} ${budget.period} ${used} ${held}`,
        )
      assert.equal(states, this.model.read(claim, now, at))
    }
  }

  /** Every request ends in one of the ways, or nobody knows of it any more. */
  finish(ways: readonly number[]): void {
    for (const [i, { real }] of this.tickets.entries()) {
      const way = ways[i % ways.length]
      if (way === 0) this.store.settle(real, real.claims, { tokens: 1, nano: 1 }, this.now, this.at)
      if (way === 1) this.store.cancel(real, this.now)
      if (way === 2) this.store.release(real)
    }
    this.now += LEASE_MS
    for (const jump of JUMPS) {
      this.jump = jump
      for (const claim of this.claims.flat())
        for (const { kind, used, held } of this.store.read(claim, this.now, this.at)) {
          assert.is(held, 0)
          if (kind === 'concurrent') assert.is(used, 0)
        }
    }
    for (const { real } of this.tickets) this.store.release(real)
    for (const claim of this.claims.flat())
      for (const { kind, used } of this.store.read(claim, this.now, this.at))
        if (kind === 'concurrent') assert.is(used, 0)
  }

  private claimsOf(owner: number): LimitClaim[] {
    return this.claims[owner] as LimitClaim[]
  }

  private check({ rules, owner, tokens, nano }: Operation & { type: 'check' }): void {
    const claims = rules.map((i) => this.claimsOf(owner)[i] as LimitClaim)
    const before = claims.map((claim) => this.store.read(claim, this.now, this.at))
    const verdict = this.store.check(claims, { tokens, nano }, this.now, this.at)
    const expected = this.model.check(claims, tokens, nano, this.now, this.at)
    const found = verdict.ticket === null ? verdict.excesses : verdict.observed
    assert.equal(
      found.map(({ rule, kind }) => `${rule.name} ${kind}`),
      expected.found,
    )
    assert.is(verdict.ticket === null, expected.ticket === null)
    if (verdict.ticket !== null && expected.ticket !== null)
      this.tickets.push({ real: verdict.ticket, model: expected.ticket })
    else
      assert.equal(
        claims.map((claim) => this.store.read(claim, this.now, this.at)),
        before,
      )
  }

  private end(operation: Operation & { type: 'settle' | 'renew' | 'release' | 'cancel' }): void {
    const ticket = this.tickets.at(-1 - operation.which)
    if (ticket === undefined) return
    const { real, model } = ticket
    if (operation.type === 'settle') {
      const claims = this.claimsOf(operation.owner)
      const { tokens, nano } = operation.use
      this.assertCrossings(real, claims, operation.use)
      this.model.settle(model, claims, tokens, nano, this.now, real.at)
    } else if (operation.type === 'renew') {
      this.store.renew(real, this.now)
      this.model.renew(model, this.now)
    } else if (operation.type === 'release') {
      this.store.release(real)
      model.isReleased = true
    } else {
      this.store.cancel(real, this.now)
      this.model.cancel(model, this.now)
    }
  }

  private assertCrossings(
    ticket: LimitTicket,
    claims: LimitClaim[],
    use: Parameters<MemoryLimitStore['settle']>[2],
  ): void {
    const sums = () =>
      claims.map((claim) =>
        this.store
          .read(claim, this.now, ticket.at)
          .flatMap(({ budget, used, period }) => (budget ? [{ used, period }] : [])),
      )
    const before = sums()
    const crossings = this.store.settle(ticket, claims, use, this.now, ticket.at, true)
    const grown = sums().flatMap((budgets, i) =>
      budgets.flatMap(({ used, period }, j) =>
        used === before[i]?.[j]?.used ? [] : [{ period, before: before[i]?.[j]?.used, after: used }],
      ),
    )
    assert.equal(
      crossings.map(({ period, before, after }) => ({ period, before, after })),
      grown,
    )
  }

  private reload({ rule: index, factor, perMinute }: Operation & { type: 'reload' }): void {
    const old = this.claims[0]?.[index] as LimitClaim
    const rule = changeAmounts(old.rule, factor, perMinute)
    this.model.reload(rule)
    this.claims = this.claims.map((claims) =>
      claims.map((claim) => new LimitClaim(claim.rule === old.rule ? rule : claim.rule, claim.owner)),
    )
  }
}

test('the store does what its rules say, whatever comes in whatever order', () => {
  fc.assert(
    fc.property(
      fc.tuple(ruleEntries, ruleEntries, ruleEntries),
      fc.array(operation, { maxLength: 60, size: 'max' }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
      (entries, operations, ways) => {
        const pair = new Pair(entries.map((entry, i) => makeRule(toEntry(`r${i}`, entry))))
        for (const operation of operations) {
          pair.run(operation)
          pair.compare()
        }
        pair.finish(ways)
      },
    ),
    { numRuns: 150 },
  )
})

test.run()

import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule, LimitRulesConfig } from '../../src/config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../src/exchange/limit-ticket.js'
import type { LimitVerdict } from '../../src/limits/counters/store.js'
import { LimitServer } from '../../src/workers/limit-server.js'
import { createLinkPair } from '../../src/workers/link.js'
import { RemoteLimits } from '../../src/workers/remote-limits.js'
import { LimitModel, type ModelTicket } from '../support/limit-model.js'
import {
  BASE,
  changeAmounts,
  JUMPS,
  type Operation,
  OWNERS,
  operation,
  ruleEntries,
  toEntry,
} from '../support/limit-operations.js'
import { makeRule } from '../support/limit-rules.js'
import { fc } from '../support/property.js'

const WORKERS = 3

const log = { info: () => {}, warn: () => {} }

const configOf = (rules: readonly LimitRule[]): LimitRulesConfig => ({
  rules,
  unpriced: 'assume',
  alerts: { url: null, secret: null, at: [50, 100], maxQueued: 10 },
})

interface Worker {
  readonly limits: RemoteLimits
  readonly cut: () => void
}

/** Several workers of one server and the model, to which the same happens. */
class Crowd {
  private readonly server: LimitServer
  private readonly model = new LimitModel()
  private readonly workers: Worker[] = []
  private tickets: { readonly worker: Worker; readonly real: LimitTicket; readonly model: ModelTicket }[] = []
  /** By owner and rule. */
  private claims: LimitClaim[][]
  private now = 1_000
  private jump = 0
  private count = 0

  constructor(rules: readonly LimitRule[]) {
    this.claims = OWNERS.map((owner) => rules.map((rule) => new LimitClaim(rule, owner)))
    this.server = new LimitServer({
      config: configOf(rules),
      log,
      listKeyRules: () => [],
      folders: null,
      bounds: { hit: () => {} },
      clock: { now: () => this.now, at: () => this.at },
    })
    this.server.begin()
    for (let i = 0; i < WORKERS; i++) this.workers.push(this.connect())
  }

  private connect(): Worker {
    const [link, other] = createLinkPair()
    this.server.serve(other)
    return { limits: new RemoteLimits(link, log), cut: () => link.cut() }
  }

  private get at(): number {
    return BASE + this.now + this.jump
  }

  /** @param i of the worker */
  async run(operation: Operation, i: number): Promise<void> {
    const { at, model, server } = this
    const worker = this.workers[i % WORKERS] as Worker
    if (operation.type === 'check') await this.check(operation, worker)
    else if (operation.type === 'wait') this.now += operation.quarters * 250
    else if (operation.type === 'jump') this.jump = JUMPS[operation.to] as number
    else if (operation.type === 'sweep')
      server.store.sweep(new Set(this.claims[0]?.map(({ rule }) => rule.id)), this.now, at)
    else if (operation.type === 'reload') this.reload(operation)
    else if (operation.type === 'unchecked') {
      const { tokens, nano } = operation.use
      this.settle(worker, null, this.claimsOf(operation.owner), operation.use, at)
      model.settle(null, this.claimsOf(operation.owner), tokens, nano, this.now, at)
    } else if (operation.type === 'restore')
      for (const claim of this.claimsOf(operation.owner)) {
        server.store.restore(new LimitClaim(claim.rule, claim.owner), operation.use, at)
        model.restore(claim, operation.use.tokens, operation.use.nano, at)
      }
    else this.end(operation)
    await this.arrive()
  }

  /** Everything that was said is heard, and answered. */
  private async arrive(): Promise<void> {
    for (let i = 0; i < 10; i++) await nextTurn()
  }

  /** A worker dies, and another one takes its place. */
  async kill(i: number): Promise<void> {
    const worker = this.workers[i % WORKERS] as Worker
    worker.cut()
    await this.arrive()
    for (const ticket of this.tickets)
      if (ticket.worker === worker) {
        ticket.model.isReleased = true
        ticket.model.isOver = true
      }
    this.tickets = this.tickets.filter((ticket) => ticket.worker !== worker)
    this.workers[i % WORKERS] = this.connect()
  }

  compare(): void {
    for (const claim of this.claims.flat()) {
      const read = new LimitClaim(claim.rule, claim.owner)
      const states = this.server.store
        .read(read, this.now, this.at)
        .map(({ kind, budget, used, held }) =>
          budget === null ? `${kind} ${used}` : `${budget.unit} ${budget.period} ${used} ${held}`,
        )
      assert.equal(states, this.model.read(claim, this.now, this.at))
    }
  }

  /** When all workers are gone, nothing is held. */
  async finish(): Promise<void> {
    for (let i = 0; i < WORKERS; i++) await this.kill(i)
    for (const claim of this.claims.flat())
      for (const { kind, used, held } of this.server.store.read(
        new LimitClaim(claim.rule, claim.owner),
        this.now,
        this.at,
      )) {
        assert.is(held, 0)
        if (kind === 'concurrent') assert.is(used, 0)
      }
  }

  private claimsOf(owner: number): LimitClaim[] {
    return this.claims[owner] as LimitClaim[]
  }

  private async check(
    { rules, owner, tokens, nano }: Operation & { type: 'check' },
    worker: Worker,
  ): Promise<void> {
    const claims = rules.map((i) => this.claimsOf(owner)[i] as LimitClaim)
    const expected = this.model.check(claims, tokens, nano, this.now, this.at)
    const asked = worker.limits.check(claims, { tokens, nano }, performance.now(), this.at)
    if (asked.ticket === null) throw new Error('the server is silent')
    const { ticket } = asked
    const verdict = await new Promise<LimitVerdict>((resolve) => worker.limits.whenChecked(ticket, resolve))
    const found = verdict.ticket === null ? verdict.excesses : verdict.observed
    assert.equal(
      found.map(({ rule, kind }) => `${rule.name} ${kind}`),
      expected.found,
    )
    assert.is(verdict.ticket === null, expected.ticket === null)
    if (verdict.ticket !== null && expected.ticket !== null)
      this.tickets.push({ worker, real: verdict.ticket, model: expected.ticket })
  }

  private settle(
    { limits }: Worker,
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: Parameters<RemoteLimits['settle']>[2],
    receivedAt: number,
  ): void {
    this.count++
    const request = { id: `tw-${this.count}`, receivedAt }
    limits.settle(ticket, claims, use, { reachedLimits: null, request })
  }

  private end(operation: Operation & { type: 'settle' | 'renew' | 'release' | 'cancel' }): void {
    const ticket = this.tickets.at(-1 - operation.which)
    if (ticket === undefined) return
    const { real, model, worker } = ticket
    const { limits } = worker
    if (operation.type === 'settle') {
      const claims = this.claimsOf(operation.owner)
      const { tokens, nano } = operation.use
      // `Limiter.record` settles no ticket twice.
      if (real.isSettled) return
      this.settle(worker, real, claims, operation.use, real.at)
      this.model.settle(model, claims, tokens, nano, this.now, real.at)
    } else if (operation.type === 'renew') {
      // However short ago it was renewed.
      limits.renew(real, Number.POSITIVE_INFINITY)
      limits.tick(0)
      this.model.renew(model, this.now)
    } else if (operation.type === 'release') {
      limits.release(real, true)
      model.isReleased = true
    } else {
      limits.cancel(real)
      this.model.cancel(model, this.now)
    }
  }

  private reload({ rule: index, factor, perMinute }: Operation & { type: 'reload' }): void {
    const old = this.claims[0]?.[index] as LimitClaim
    const rule = changeAmounts(old.rule, factor, perMinute)
    this.model.reload(rule)
    this.claims = this.claims.map((claims) =>
      claims.map((claim) => new LimitClaim(claim.rule === old.rule ? rule : claim.rule, claim.owner)),
    )
    // The workers use what they have until they have read the config too, which may be before or after.
    this.server.reconfigure(configOf(this.claims[0]?.map((claim) => claim.rule) ?? []))
  }
}

test('several workers count as one process does, whatever comes in whatever order, and whichever of them die', async () => {
  const step = fc.oneof(
    { weight: 30, arbitrary: fc.tuple(operation, fc.nat(WORKERS - 1)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant(null), fc.nat(WORKERS - 1)) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(ruleEntries, ruleEntries, ruleEntries),
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (entries, steps) => {
        const crowd = new Crowd(entries.map((entry, i) => makeRule(toEntry(`r${i}`, entry))))
        for (const [operation, worker] of steps) {
          if (operation === null) await crowd.kill(worker)
          else await crowd.run(operation, worker)
          crowd.compare()
        }
        await crowd.finish()
      },
    ),
    { numRuns: 60 },
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LimitClaim, type LimitTicket } from '../../src/exchange/limit-ticket.js'
import { LEASE_MS, MemoryLimitStore } from '../../src/limits/counters/memory-store.js'
import { makeRule } from '../support/limit-rules.js'
import { fc } from '../support/property.js'

// How limits of other gateways have failed, at the level of the store.

const AT = Date.parse('2026-11-30T22:30:00Z')
const USD = 1e9

const used = (store: MemoryLimitStore, claim: LimitClaim, now = 0, at = AT) =>
  store.read(claim, now, at).map(({ used }) => used)

test('a refused request does not cost anything, however often it is tried', () => {
  const store = new MemoryLimitStore()
  const limits = {
    requestsPerMinute: 60,
    requestBurst: 3,
    tokensPerMinute: 600,
    concurrent: 3,
    usd: { day: 1 },
  }
  const claim = new LimitClaim(makeRule(limits), '')
  const estimate = { tokens: 100, nano: 1_000 }
  const tickets = [1, 2, 3].map(() => store.check([claim], estimate, 0, AT).ticket)
  for (let i = 0; i < 1_000; i++) assert.is(store.check([claim], estimate, 0, AT).ticket, null)
  for (const ticket of tickets) store.settle(ticket, [claim], { tokens: 100, nano: 1_000 }, 0, AT)
  assert.equal(used(store, claim), [3, 300, 0, 3_000])
  // One second gives one request back, whatever was refused meanwhile.
  assert.ok(store.check([claim], estimate, 1_000, AT).ticket)
})

test('an estimate never makes a first request fail, and is gone when the request ends', () => {
  const amounts = fc.integer({ min: 1, max: 1_000 })
  fc.assert(
    fc.property(
      fc.record({
        requestsPerMinute: amounts,
        tokensPerMinute: amounts,
        tokenBurst: amounts,
        concurrent: amounts,
        usd: fc.record({ hour: amounts, month: amounts }),
        tokens: fc.record({ day: amounts, week: amounts }),
      }),
      fc.record({ tokens: fc.maxSafeNat(), nano: fc.maxSafeNat() }),
      fc.nat(1_000),
      (limits, estimate, spentShare) => {
        const store = new MemoryLimitStore()
        const claim = new LimitClaim(makeRule(limits), '')
        // Less than all of it is spent.
        const most = Math.min(limits.usd.hour, limits.usd.month) * USD
        const nano = Math.min(most - 1, Math.floor((most * spentShare) / 1_000))
        store.restore(claim, { tokens: 0, nano }, AT)
        const { ticket } = store.check([claim], estimate, 0, AT)
        assert.ok(ticket)
        store.settle(ticket, [claim], { tokens: 0, nano: 0 }, 0, AT)
        assert.ok(store.read(claim, 0, AT).every(({ held }) => held === 0))
        assert.ok(store.read(claim, 0, AT).every(({ kind, used }) => kind !== 'tokens' || used === 0))
      },
    ),
  )
})

test('a large max_tokens does not eat a budget: the next request passes when the first has ended', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ usd: { month: 10 } }), '')
  const huge = { tokens: 1_000_000, nano: 75 * USD }
  for (let i = 0; i < 9; i++) {
    const { ticket } = store.check([claim], huge, 0, AT)
    assert.ok(ticket)
    const second = store.check([claim], huge, 0, AT)
    assert.ok(second.ticket === null && second.excesses[0]?.kind === 'held')
    if (second.ticket === null) assert.is(second.excesses[0]?.retryMs, 1_000)
    store.settle(ticket, [claim], { tokens: 2_000, nano: USD }, 0, AT)
  }
  assert.equal(used(store, claim), [9 * USD])
  // With a single nano-dollar left one still passes, and with none it is the budget that refuses.
  store.restore(claim, { tokens: 0, nano: USD - 1 }, AT)
  const { ticket } = store.check([claim], huge, 0, AT)
  assert.ok(ticket)
  store.settle(ticket, [claim], { tokens: 1, nano: 1 }, 0, AT)
  const last = store.check([claim], { tokens: 0, nano: 0 }, 0, AT)
  assert.ok(last.ticket === null && last.excesses[0]?.kind === 'budget')
})

test('the slot of a stream that was cut returns, in whichever way it ended', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ concurrent: 2 }), '')
  const ways: readonly ((ticket: LimitTicket, now: number) => void)[] = [
    (ticket) => store.release(ticket),
    (ticket, now) => store.cancel(ticket, now),
    (ticket, now) => void store.settle(ticket, [claim], { tokens: 7, nano: 0 }, now, AT),
    // Nobody knows of it any more.
    () => {},
  ]
  const estimate = { tokens: 9, nano: 9 }
  let now = 0
  for (let round = 0; round < 50; round++)
    for (const [i, end] of ways.entries()) {
      const tickets = [1, 2].map(() => store.check([claim], estimate, now, AT).ticket)
      assert.is(store.check([claim], estimate, now, AT).ticket, null)
      if (i === ways.length - 1) now += LEASE_MS
      for (const ticket of tickets) {
        assert.ok(ticket)
        // The second time gives nothing back again.
        end(ticket, now)
        end(ticket, now)
      }
      assert.equal(used(store, claim, now), [0])
    }
})

test('a period that is over does not refuse, without anything that resets it', () => {
  const store = new MemoryLimitStore()
  const claims = ['UTC', 'Europe/Berlin', 'Pacific/Apia', 'America/Sao_Paulo'].map(
    (timezone, i) =>
      new LimitClaim(makeRule({ name: `r${i}`, usd: { hour: 1, day: 1, week: 1, month: 1 }, timezone }), ''),
  )
  for (const claim of claims)
    for (let at = AT, i = 0; i < 6; i++) {
      store.settle(null, [claim], { tokens: 0, nano: USD }, 0, at)
      const verdict = store.check([claim], { tokens: 0, nano: 1 }, 0, at)
      if (verdict.ticket !== null) throw new Error('passed')
      const retryMs = Math.max(...verdict.excesses.map((excess) => excess.retryMs))
      const resetsAt = Math.max(...verdict.excesses.map((excess) => excess.resetsAt ?? 0))
      assert.is(at + retryMs, resetsAt)
      assert.is(store.check([claim], { tokens: 0, nano: 1 }, 0, resetsAt - 1).ticket, null)
      at = resetsAt
      const next = store.check([claim], { tokens: 0, nano: 1 }, 0, at)
      assert.ok(next.ticket)
      store.cancel(next.ticket, 0)
    }
})

test('two hundred requests at once overspend by what they used above their holds, and by no more', () => {
  const request = fc.record({
    hold: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2_000 })),
    // What it used, in percent of its hold.
    share: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 300 })),
  })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(request, { minLength: 200, maxLength: 200 }),
      fc.boolean(),
      fc.infiniteStream(fc.nat(3)),
      (amount, requests, areBounds, order) => {
        const store = new MemoryLimitStore()
        const claim = new LimitClaim(makeRule({ tokens: { month: amount } }), '')
        const admitted: { ticket: LimitTicket; hold: number; use: number }[] = []
        let above = 0
        let alone = 0
        const settle = (): void => {
          const ended = admitted.shift()
          if (ended === undefined) return
          store.settle(ended.ticket, [claim], { tokens: ended.use, nano: 0 }, 0, AT)
          above += Math.max(0, ended.use - ended.hold)
        }
        for (const { hold, share } of requests) {
          const left = amount - Number(used(store, claim)[0])
          const { ticket } = store.check([claim], { tokens: hold, nano: 0 }, 0, AT)
          if (ticket !== null) {
            // It may hold more than is left only if it is alone.
            if (hold > left) {
              assert.is(admitted.length, 0)
              alone = Math.max(alone, hold - left)
            }
            const use = Math.floor((hold * (areBounds ? Math.min(share, 100) : share)) / 100)
            admitted.push({ ticket, hold, use })
          }
          if (order.next().value === 0) settle()
        }
        while (admitted.length > 0) settle()
        const spent = Number(used(store, claim)[0])
        assert.ok(
          spent <= amount + above + alone,
          `${spent} of ${amount}, ${above} above holds, ${alone} alone`,
        )
        if (areBounds) assert.is(above, 0)
      },
    ),
    { numRuns: 200 },
  )
})

test.run()

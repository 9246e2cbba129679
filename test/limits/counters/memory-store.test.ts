import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../../src/exchange/limit-ticket.js'
import { LEASE_MS, MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import type { LimitExcess, LimitState, LimitVerdict } from '../../../src/limits/counters/store.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

const AT = Date.parse('2026-11-29T12:00:00Z')
const USD = 1e9
const NOTHING = { tokens: 0, nano: 0 }

const claimsOf = (...rules: LimitRule[]): LimitClaim[] => rules.map((rule) => new LimitClaim(rule, ''))

function pass(verdict: LimitVerdict): LimitTicket {
  if (verdict.ticket === null) throw new Error(`refused: ${kindsOf(verdict.excesses)}`)
  return verdict.ticket
}

const kindsOf = (excesses: readonly LimitExcess[]): string[] =>
  excesses.map(({ rule, kind }) => `${rule.name} ${kind}`)

const refusalOf = (verdict: LimitVerdict): string[] =>
  verdict.ticket === null ? kindsOf(verdict.excesses) : ['passed']

function stateOf(store: MemoryLimitStore, claim: LimitClaim, now = 0, at = AT): Record<string, LimitState> {
  return Object.fromEntries(
    store
      .read(claim, now, at)
      .map((state) => [state.budget ? `${state.budget.unit} ${state.budget.period}` : state.kind, state]),
  )
}

test('all rules have to pass, and a refusal changes nothing', () => {
  const store = new MemoryLimitStore()
  const wide = makeRule({
    name: 'wide',
    requestsPerMinute: 100,
    tokensPerMinute: 1_000,
    concurrent: 9,
    usd: { day: 1 },
  })
  const narrow = makeRule({ name: 'narrow', concurrent: 1 })
  const claims = claimsOf(wide, narrow)
  const ticket = pass(store.check(claims, { tokens: 100, nano: 1_000 }, 0, AT))
  const before = claims.map((claim) => store.read(claim, 0, AT))
  for (let i = 0; i < 50; i++) {
    const verdict = store.check(claims, { tokens: 100, nano: 1_000 }, 0, AT)
    assert.equal(refusalOf(verdict), ['narrow concurrent'])
  }
  assert.equal(
    claims.map((claim) => store.read(claim, 0, AT)),
    before,
  )
  store.release(ticket)
  pass(store.check(claims, { tokens: 100, nano: 1_000 }, 0, AT))
})

test('every rule that refuses is reported', () => {
  const store = new MemoryLimitStore()
  const claims = claimsOf(
    makeRule({ name: 'rate', requestsPerMinute: 1 }),
    makeRule({ name: 'places', concurrent: 1 }),
    makeRule({ name: 'money', usd: { hour: 1, month: 1 } }),
  )
  const ticket = pass(store.check(claims, { tokens: 0, nano: USD }, 0, AT))
  assert.equal(refusalOf(store.check(claims, { tokens: 0, nano: 1 }, 0, AT)), [
    'rate requests',
    'places concurrent',
    'money held',
    'money held',
  ])
  store.settle(ticket, claims, { tokens: 5, nano: USD }, 0, AT)
  const verdict = store.check(claims, { tokens: 0, nano: 1 }, 0, AT)
  assert.equal(refusalOf(verdict), ['rate requests', 'money budget', 'money budget'])
  const [rate, hour, month] = verdict.ticket === null ? verdict.excesses : []
  assert.equal([rate?.limit, rate?.used, rate?.retryMs, rate?.resetsAt], [1, 1, 60_000, null])
  assert.equal([hour?.limit, hour?.used, hour?.retryMs], [USD, USD, 3_600_000])
  assert.is(month?.resetsAt, Date.parse('2026-12-01T00:00:00Z'))
})

test('a place returns when nobody releases it, and a later settle counts what was used, once', () => {
  const store = new MemoryLimitStore()
  const [claim, ...others] = claimsOf(makeRule({ concurrent: 1, usd: { day: 10 } }))
  if (claim === undefined) throw new Error()
  assert.is(others.length, 0)
  const ticket = pass(store.check([claim], { tokens: 0, nano: 2 * USD }, 0, AT))
  store.renew(ticket, 1_000)
  assert.equal(refusalOf(store.check([claim], NOTHING, LEASE_MS, AT)), ['rule concurrent'])
  const now = LEASE_MS + 1_000
  assert.is(stateOf(store, claim, now).concurrent?.used, 0)
  assert.is(stateOf(store, claim, now)['usd day']?.held, 0)
  assert.is(stateOf(store, claim, now)['usd day']?.used, 0)
  for (let i = 0; i < 3; i++) store.settle(ticket, [claim], { tokens: 0, nano: USD }, now, AT)
  store.cancel(ticket, now)
  store.release(ticket)
  assert.is(stateOf(store, claim, now)['usd day']?.used, USD)
  assert.is(stateOf(store, claim, now).concurrent?.used, 0)
})

test('what has lapsed is taken again when the request is renewed, also after its counter was forgotten', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ concurrent: 1, usd: { day: 10 } }), '')
  for (const isSwept of [false, true]) {
    const ticket = pass(store.check([claim], { tokens: 0, nano: USD }, 0, AT))
    if (isSwept) store.sweep(new Set([claim.rule.id]), LEASE_MS, AT)
    assert.is(stateOf(store, claim, LEASE_MS).concurrent?.used, 0)
    store.renew(ticket, LEASE_MS)
    assert.is(stateOf(store, claim, LEASE_MS).concurrent?.used, 1)
    assert.is(stateOf(store, claim, LEASE_MS)['usd day']?.held, USD)
    store.release(ticket)
    assert.is(stateOf(store, claim, LEASE_MS).concurrent?.used, 0)
    store.settle(ticket, [claim], NOTHING, LEASE_MS, AT)
    assert.is(stateOf(store, claim, LEASE_MS)['usd day']?.held, 0)
    store.renew(ticket, LEASE_MS)
    assert.is(stateOf(store, claim, LEASE_MS)['usd day']?.held, 0)
  }
})

test('a request that is settled is not given back by anything that comes later', () => {
  const store = new MemoryLimitStore()
  const limits = { requestsPerMinute: 10, tokensPerMinute: 100, concurrent: 5, tokens: { day: 1_000 } }
  const claim = new LimitClaim(makeRule(limits), '')
  const ticket = pass(store.check([claim], { tokens: 80, nano: 0 }, 0, AT))
  store.settle(ticket, [claim], { tokens: 50, nano: 0 }, 0, AT)
  const after = store.read(claim, 0, AT)
  assert.equal(
    after.map(({ used, held }) => [used, held]),
    [
      [1, 0],
      [50, 0],
      [0, 0],
      [50, 0],
    ],
  )
  for (const call of [
    () => store.cancel(ticket, 0),
    () => store.release(ticket),
    () => store.renew(ticket, 0),
    () => store.settle(ticket, [claim], { tokens: 9, nano: 0 }, 0, AT),
    () => store.cancel(ticket, 0),
  ]) {
    call()
    assert.equal(store.read(claim, 0, AT), after)
  }
})

test('the use of a request that was cancelled counts as its record says it, once', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(
    makeRule({ requestsPerMinute: 10, tokensPerMinute: 100, tokens: { day: 1_000 } }),
    '',
  )
  const ticket = pass(store.check([claim], { tokens: 80, nano: 0 }, 0, AT))
  for (let i = 0; i < 2; i++) store.cancel(ticket, 0)
  assert.equal(
    store.read(claim, 0, AT).map(({ used, held }) => [used, held]),
    [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  )
  for (let i = 0; i < 2; i++) store.settle(ticket, [claim], { tokens: 30, nano: 0 }, 0, AT)
  assert.is(stateOf(store, claim).tokens?.used, 30)
  assert.is(stateOf(store, claim)['tokens day']?.used, 30)
})

test('a rule that only observes reports what it would refuse, and refuses nothing', () => {
  const store = new MemoryLimitStore()
  const watched = makeRule({
    name: 'watched',
    requestsPerMinute: 1,
    concurrent: 1,
    usd: { day: 1 },
    observe: true,
  })
  const claims = claimsOf(watched, makeRule({ name: 'real', requestsPerMinute: 3 }))
  const verdicts = [0, 0, 0, 0].map(() => store.check(claims, { tokens: 0, nano: USD }, 0, AT))
  assert.equal(
    verdicts.map((verdict) => (verdict.ticket === null ? refusalOf(verdict) : kindsOf(verdict.observed))),
    [
      [],
      ['watched requests', 'watched concurrent', 'watched held'],
      ['watched requests', 'watched concurrent', 'watched held'],
      ['real requests'],
    ],
  )
  const [claim] = claims
  if (claim === undefined) throw new Error()
  // The rate is as it would be if the rule did refuse; who is in flight is in flight.
  const { requests, concurrent, 'usd day': usd } = stateOf(store, claim)
  assert.equal([requests?.used, concurrent?.used, usd?.held], [1, 3, 3 * USD])
  // Nothing of a rule that only observes is told to clients as left.
  const ticket = verdicts[0]?.ticket
  assert.equal([ticket?.requestsLeft?.rule.name, ticket?.usdLeft], ['real', null])
  for (const { ticket } of verdicts)
    if (ticket !== null) store.settle(ticket, claims, { tokens: 0, nano: USD }, 0, AT)
  assert.is(stateOf(store, claim)['usd day']?.used, 3 * USD)
})

test('a ticket has what is left by the tightest rule', () => {
  const store = new MemoryLimitStore()
  const claims = claimsOf(
    makeRule({ name: 'wide', requestsPerMinute: 600, tokensPerMinute: 9_000, usd: { month: 100, hour: 3 } }),
    makeRule({
      name: 'narrow',
      requestsPerMinute: 60,
      requestBurst: 5,
      tokens: { day: 5_000 },
      usd: { week: 4 },
    }),
  )
  const first = pass(store.check(claims, { tokens: 1_000, nano: USD }, 0, AT))
  const { requestsLeft, tokensLeft, usdLeft } = first
  assert.equal(
    [requestsLeft?.rule.name, requestsLeft?.limit, requestsLeft?.remaining, requestsLeft?.resetMs],
    ['narrow', 5, 4, 1_000],
  )
  assert.equal([tokensLeft?.rule.name, tokensLeft?.limit, tokensLeft?.remaining], ['narrow', 5_000, 5_000])
  assert.equal(
    [usdLeft?.rule.name, usdLeft?.limit, usdLeft?.remaining, usdLeft?.resetMs],
    ['wide', 3 * USD, 3 * USD, 3_600_000],
  )
  store.settle(first, claims, { tokens: 500, nano: USD / 2 }, 0, AT)
  const second = pass(store.check(claims, { tokens: 6_000, nano: USD }, 0, AT))
  assert.equal(
    [second.requestsLeft?.remaining, second.tokensLeft?.remaining, second.usdLeft?.remaining],
    [3, 2_500, 2.5 * USD],
  )
  assert.is(pass(store.check([], NOTHING, 0, AT)).usdLeft, null)
})

test('the period in which a request began pays, also when it ends in the next one', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ usd: { day: 2 }, timezone: 'Europe/Berlin' }), '')
  const before = Date.parse('2026-11-29T22:59:59Z')
  const after = Date.parse('2026-11-29T23:00:01Z')
  const ticket = pass(store.check([claim], { tokens: 0, nano: USD }, 0, before))
  // The hold is on the old day, and so is what was used.
  assert.is(stateOf(store, claim, 2_000, after)['usd day']?.held, 0)
  pass(store.check([claim], { tokens: 0, nano: 5 * USD }, 2_000, after))
  const [crossing] = store.settle(ticket, [claim], { tokens: 0, nano: 2 * USD }, 3_000, before)
  assert.equal(
    [crossing?.period, crossing?.before, crossing?.after],
    ['2026-11-29@Europe/Berlin', 0, 2 * USD],
  )
  assert.is(crossing?.resetsAt, Date.parse('2026-11-29T23:00:00Z'))
  assert.is(stateOf(store, claim, 3_000, before)['usd day']?.used, 2 * USD)
  assert.is(stateOf(store, claim, 3_000, after)['usd day']?.used, 0)
  assert.is(stateOf(store, claim, 3_000, after)['usd day']?.period, '2026-11-30@Europe/Berlin')
})

test('an amount that changes keeps what is spent, held and in flight; a budget that comes back, too', () => {
  const store = new MemoryLimitStore()
  const rule = makeRule({ concurrent: 5, usd: { day: 10, month: 10 } })
  const claim = new LimitClaim(rule, 'k')
  store.settle(null, [claim], { tokens: 0, nano: 3 * USD }, 0, AT)
  const ticket = pass(store.check([claim], { tokens: 0, nano: USD }, 0, AT))
  const small = new LimitClaim(makeRule({ concurrent: 1, usd: { month: 3 } }), 'k')
  assert.is(small.rule.id, rule.id)
  assert.equal(refusalOf(store.check([small], NOTHING, 0, AT)), ['rule concurrent', 'rule budget'])
  store.settle(ticket, [small], { tokens: 0, nano: USD }, 0, AT)
  const again = new LimitClaim(makeRule({ concurrent: 5, usd: { day: 10, month: 10 } }), 'k')
  const { concurrent, 'usd day': day, 'usd month': month } = stateOf(store, again)
  assert.equal([concurrent?.used, day?.used, day?.held], [0, 3 * USD, 0])
  assert.equal([month?.used, month?.held], [4 * USD, 0])
})

test('a clock that jumps, on or back, forgets nothing of any period', () => {
  const jumps = [0, 86_400_000, 40 * 86_400_000, -AT, -86_400_000, 3_600_000]
  fc.assert(
    fc.property(
      fc.array(fc.record({ jump: fc.constantFrom(...jumps), nano: fc.nat(9), isSwept: fc.boolean() }), {
        maxLength: 30,
        size: 'max',
      }),
      (steps) => {
        const store = new MemoryLimitStore()
        const claim = new LimitClaim(makeRule({ usd: { hour: 100, day: 100, week: 100, month: 100 } }), '')
        const sums = new Map<string, number>()
        let now = 0
        for (const { jump, nano, isSwept } of steps) {
          now += 60_000
          const ticket = store.check([claim], { tokens: 0, nano: 1 }, now, AT + jump).ticket
          store.settle(ticket, [claim], { tokens: 0, nano }, now, AT + jump)
          for (const { period } of store.read(claim, now, AT + jump))
            sums.set(`${period}`, (sums.get(`${period}`) ?? 0) + nano)
          if (isSwept) store.sweep(new Set([claim.rule.id]), now, AT + jump)
          for (const jump of jumps)
            for (const { period, used } of store.read(claim, now, AT + jump))
              assert.is(used, sums.get(`${period}`) ?? 0, `${period}`)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a period that only seemed to be over is kept as long as any other when it is over', () => {
  const hour = 3_600_000
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ usd: { day: 1 } }), '')
  const sweep = (now: number, at: number): void => store.sweep(new Set([claim.rule.id]), now, at)
  store.restore(claim, { tokens: 0, nano: USD }, AT)
  sweep(0, AT + 40 * 24 * hour)
  sweep(1, AT)
  sweep(12 * hour, AT + 12 * hour)
  assert.is(stateOf(store, claim, 12 * hour, AT)['usd day']?.used, USD)
})

test('a clock that is ahead for hours makes no period over before its time, which then is forgotten all the same', () => {
  const hour = 3_600_000
  for (const [kind, hours] of [
    ['day', 12],
    ['month', 36],
  ] as const) {
    const store = new MemoryLimitStore()
    const claim = new LimitClaim(makeRule({ usd: { [kind]: 1 } }), '')
    const sweep = (now: number, at: number): void => {
      // Each call goes on where the last one has stopped.
      for (let i = 0; i < 2; i++) store.sweep(new Set([claim.rule.id]), now * hour, at)
    }
    const used = (now: number): unknown => stateOf(store, claim, now * hour, AT)[`usd ${kind}`]?.used
    store.restore(claim, { tokens: 0, nano: USD }, AT)
    sweep(0, AT)
    for (let now = 1; now < hours; now++) sweep(now, AT + 40 * 24 * hour)
    assert.is(used(hours - 1), USD, kind)
    // It has ended after that many hours.
    for (let now = hours; now < hours + 6; now++) sweep(now, AT + now * hour)
    assert.is(used(hours + 5), USD, kind)
    sweep(hours + 7, AT + (hours + 7) * hour)
    assert.equal([...store.list()], [], kind)
  }
})

test("what is in flight and holds nothing of a budget is in nobody's way", () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ usd: { day: 1 }, tokens: { day: 9 } }), '')
  const free = pass(store.check([claim], { tokens: 5, nano: 0 }, 0, AT))
  const idle = pass(store.check([claim], NOTHING, 0, AT))
  const dear = { tokens: 4, nano: 5 * USD }
  const ticket = pass(store.check([claim], dear, 0, AT))
  assert.equal(refusalOf(store.check([claim], dear, 0, AT)), ['rule held', 'rule held'])
  assert.equal(refusalOf(store.check([claim], NOTHING, 0, AT)), ['passed'])
  for (const each of [free, idle, ticket]) store.settle(each, [claim], NOTHING, 0, AT)
  pass(store.check([claim], dear, 0, AT))
  assert.is(stateOf(store, claim)['usd day']?.held, 5 * USD)
})

test('sums beyond 2^53 are exact', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ usd: { month: 1_000_000 } }), '')
  store.restore(claim, { tokens: 0, nano: Number.MAX_SAFE_INTEGER }, AT)
  store.restore(claim, { tokens: 0, nano: 2n ** 60n + 1n }, AT)
  const [crossing] = store.settle(null, [claim], { tokens: 0, nano: 1 }, 0, AT, true)
  assert.is(crossing?.after, 2n ** 60n + 2n ** 53n + 1n)
  assert.equal(refusalOf(store.check([claim], NOTHING, 0, AT)), ['rule budget'])
})

test('numbers that make no sense count as nothing', () => {
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(makeRule({ tokensPerMinute: 10, usd: { day: 1 }, tokens: { day: 9 } }), '')
  for (const wrong of [Number.NaN, -5]) {
    const ticket = pass(store.check([claim], { tokens: wrong, nano: wrong }, 0, AT))
    store.settle(ticket, [claim], { tokens: wrong, nano: wrong }, 0, AT)
  }
  assert.ok(store.read(claim, 0, AT).every(({ used, held }) => used === 0 && held === 0))
})

test('what nobody uses is forgotten, a part at each sweep, and claims go on', () => {
  const store = new MemoryLimitStore()
  const [idle, spent, gone] = [
    makeRule({ name: 'idle', per: 'key', requestsPerMinute: 60, requestBurst: 1, concurrent: 1 }),
    makeRule({ name: 'spent', per: 'key', usd: { hour: 1 } }),
    makeRule({ name: 'gone', per: 'key', usd: { month: 1 } }),
  ]
  const claims = [idle, spent, gone].flatMap((rule) =>
    Array.from({ length: 2_000 }, (_, i) => new LimitClaim(rule, `k${i}`)),
  )
  for (const claim of claims) {
    const ticket = pass(store.check([claim], NOTHING, 0, AT))
    store.settle(ticket, [claim], { tokens: 1, nano: USD }, 0, AT)
  }
  const rules = new Set([idle.id, spent.id])
  const count = (): number => [...store.list()].length
  const sweep = (now: number, at: number): void => {
    for (let i = 0; i < 5; i++) store.sweep(rules, now, at)
  }
  assert.is(count(), 6_000)
  store.sweep(rules, 999, AT)
  assert.is(count(), 6_000)
  sweep(999, AT)
  assert.is(count(), 4_000)
  sweep(1_000, AT)
  assert.equal(new Set([...store.list()].map(({ rule }) => rule.name)), new Set(['spent']))
  // The hour is over, and the clock did not say so by mistake.
  const later = 7 * 3_600_000
  sweep(3_600_000, AT + 3_600_000)
  assert.is(count(), 2_000)
  sweep(3_600_000 + later, AT + 3_600_000 + later)
  assert.is(count(), 0)
  const [claim] = claims
  if (claim === undefined) throw new Error()
  pass(store.check([claim], NOTHING, later, AT))
  assert.equal(refusalOf(store.check([claim], NOTHING, later, AT)), ['idle requests', 'idle concurrent'])
})

test('whatever is used, each whole percent that a budget comes to is reported', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 }),
      (amount, steps) => {
        const store = new MemoryLimitStore()
        const claim = new LimitClaim(makeRule({ tokens: { day: amount } }), '')
        let spent = 0n
        for (const step of steps) {
          const tokens = Math.floor((step * amount) / 20)
          const before = (spent * 100n) / BigInt(amount)
          spent += BigInt(tokens)
          const crossings = store.settle(null, [claim], { tokens, nano: 0 }, 0, AT)
          if ((spent * 100n) / BigInt(amount) > before) assert.is(crossings.length, 1)
        }
      },
    ),
  )
})

test.run()

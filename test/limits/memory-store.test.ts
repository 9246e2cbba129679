import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../src/config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../src/exchange/limit-ticket.js'
import { LEASE_MS, MemoryLimitStore } from '../../src/limits/memory-store.js'
import type { LimitExcess, LimitState, LimitVerdict } from '../../src/limits/store.js'
import { makeRule } from '../support/limit-rules.js'

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
  for (let i = 0; i < 3; i++) store.settle(ticket, [claim], { tokens: 0, nano: USD }, now, AT)
  store.cancel(ticket, now)
  store.release(ticket)
  assert.is(stateOf(store, claim, now)['usd day']?.used, USD)
  assert.is(stateOf(store, claim, now).concurrent?.used, 0)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LimitClaim, type LimitTicket } from '../../../src/exchange/limit-ticket.js'
import { LEASE_MS, MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import { makeRule } from '../../support/limit-rules.js'

const AT = Date.parse('2026-11-29T12:00:00Z')
const RULE = makeRule({ requestsPerMinute: 60, concurrent: 2, tokens: { day: 1_000 } })
const FULL = makeRule({ name: 'full', concurrent: 1 })
const ESTIMATE = { tokens: 10, nano: 0 }

/** A claim of its own for each use: a claim keeps the counter of the store that it was first used with. */
const claimOf = (rule = RULE): LimitClaim => new LimitClaim(rule, '')

type Step = (store: MemoryLimitStore, ticket: LimitTicket) => unknown

const CHANGES: Readonly<Record<string, Step>> = {
  check: (store) => store.check([claimOf()], ESTIMATE, 1, AT),
  release: (store, ticket) => store.release(ticket),
  settle: (store, ticket) => store.settle(ticket, [claimOf()], { tokens: 7, nano: 0 }, 1, AT),
  'settle of what was not checked': (store) => store.settle(null, [claimOf()], { tokens: 7, nano: 0 }, 1, AT),
  cancel: (store, ticket) => store.cancel(ticket, 1),
  restore: (store) => store.restore(claimOf(), { tokens: 7, nano: 0 }, AT),
  'sweep, of what has lapsed': (store) => store.sweep(new Set([RULE.id]), LEASE_MS, AT),
  'read, of what has lapsed': (store) => store.read(claimOf(), LEASE_MS, AT),
}

const OTHERS: Readonly<Record<string, Step>> = {
  'check that refuses': (store) => store.check([claimOf(), claimOf(FULL)], ESTIMATE, 1, AT),
  'renew of what it holds': (store, ticket) => store.renew(ticket, 1),
  sweep: (store) => store.sweep(new Set([RULE.id]), 1, AT),
  read: (store) => store.read(claimOf(), 1, AT),
  list: (store) => [...store.list()],
}

function open(): { store: MemoryLimitStore; ticket: LimitTicket; before: number } {
  const store = new MemoryLimitStore()
  store.check([claimOf(FULL)], ESTIMATE, 0, AT)
  const { ticket } = store.check([claimOf()], ESTIMATE, 0, AT)
  if (ticket === null) throw new Error('refused')
  return { store, ticket, before: store.changes }
}

for (const [name, step] of Object.entries(CHANGES))
  test(`a change is noticed: ${name}`, () => {
    const { store, ticket, before } = open()
    step(store, ticket)
    assert.ok(store.changes > before)
  })

test('what lapses and is renewed changes twice', () => {
  const { store, ticket, before } = open()
  store.sweep(new Set([RULE.id]), LEASE_MS, AT)
  const lapsed = store.changes
  store.renew(ticket, LEASE_MS)
  assert.ok(before < lapsed && lapsed < store.changes)
})

for (const [name, step] of Object.entries(OTHERS))
  test(`what changes no counter is no change: ${name}`, () => {
    const { store, ticket, before } = open()
    step(store, ticket)
    assert.is(store.changes, before)
  })

test.run()

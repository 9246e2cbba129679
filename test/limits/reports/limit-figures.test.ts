import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { LimitClaim, type LimitTicket } from '../../../src/exchange/limit-ticket.js'
import { MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import { readAmounts } from '../../../src/limits/reports/limit-figures.js'
import { load } from '../../config/load.js'

const [RULE, POOL] = load({
  limits: {
    rules: [
      {
        name: 'each',
        per: 'user',
        usd: { day: 10 },
        tokens: { month: 1_000 },
        requestsPerMinute: 100,
        concurrent: 4,
      },
      { name: 'all', tokensPerMinute: 5_000 },
    ],
  },
}).limitRules.rules as readonly [LimitRule, LimitRule]

function check(store: MemoryLimitStore, owner: string, tokens: number, nano: number): LimitTicket {
  const { ticket } = store.check(
    [new LimitClaim(RULE, owner)],
    { tokens, nano },
    performance.now(),
    Date.now(),
  )
  if (ticket === null) throw new Error('refused')
  return ticket
}

test('each amount of a rule shows its fullest counter, and what is held on all of them', async () => {
  const store = new MemoryLimitStore()
  const settled = check(store, 'a/x', 100, 1e9)
  store.settle(
    settled,
    [new LimitClaim(RULE, 'a/x')],
    { tokens: 900, nano: 2.5e9 },
    performance.now(),
    Date.now(),
  )
  check(store, 'a/y', 200, 3e9)
  check(store, 'a/z', 300, 4e9)
  check(store, 'a/z', 1, 1e9)
  const { amounts, counters } = await readAmounts(store, [RULE, POOL])
  assert.is(counters, 3)
  const found = [...amounts].map(({ rule, unit, period, usedRatio, held }) => [
    `${rule} ${unit} ${period}`,
    // Requests come back evenly, while the test runs.
    unit === 'requests' ? Math.ceil(usedRatio * 100) / 100 : usedRatio,
    held,
  ])
  assert.equal(found, [
    ['each requests minute', 0.02, 0],
    ['each concurrent ', 0.5, 0],
    ['each usd day', 0.25, 8],
    ['each tokens month', 0.9, 501],
    ['all tokens minute', 0, 0],
  ])
})

test('a counter that nobody has used since the amounts changed shows its share of the new ones', async () => {
  const store = new MemoryLimitStore()
  store.restore(new LimitClaim(RULE, 'a/x'), { tokens: 0, nano: 5e9 }, Date.now())
  const [budget] = RULE.budgets
  const raised = { ...RULE, budgets: [{ ...budget, amount: 20e9 }] } as LimitRule
  const { amounts } = await readAmounts(store, [raised])
  assert.is([...amounts].find(({ unit }) => unit === 'usd')?.usedRatio, 0.25)
})

test('ten thousand counters are read in parts, between which others have their turn', async () => {
  const store = new MemoryLimitStore()
  for (let n = 0; n < 10_000; n++)
    store.restore(new LimitClaim(RULE, `a/u${n}`), { tokens: 1, nano: n * 1e5 }, Date.now())
  let immediates = 0
  const next = (): void => {
    immediates++
    handle = setImmediate(next)
  }
  let handle = setImmediate(next)
  const { amounts, counters } = await readAmounts(store, [RULE])
  clearImmediate(handle)
  assert.is(counters, 10_000)
  assert.is([...amounts].find(({ unit }) => unit === 'usd')?.usedRatio, 0.09999)
  assert.ok(immediates >= 19, `${immediates}`)
})

test('rules of keys beyond a thousand names share figures', async () => {
  const store = new MemoryLimitStore()
  for (let n = 0; n < 1_200; n++)
    store.restore(
      new LimitClaim({ ...RULE, id: `id${n}`, name: `rule${n}` }, 'k'),
      { tokens: 1, nano: 1 },
      Date.now(),
    )
  const { amounts } = await readAmounts(store, [])
  const names = new Set([...amounts].map(({ rule }) => rule))
  assert.is(names.size, 1_001)
  assert.ok(names.has('(others)'))
})

test.run()

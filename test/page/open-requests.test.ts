import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Exchange } from '../../src/exchange/exchange.js'
import { InFlight } from '../../src/exchange/in-flight.js'
import { joinOpen, lookAt } from '../../src/page/open-requests.js'
import { randomFrom, SEED } from '../support/random.js'

function exchangeOf(n: number, startedAt: number, key: string | null): Exchange {
  return {
    place: null,
    request: { id: `r${n}`, key: key === null ? null : { id: key, team: 't', user: 'u' }, model: 'm' },
    timeline: { startedAt },
    outcome: { meter: null, upstream: null, phase: 'respond', longestGapMs: null, bytesOut: 0 },
  } as unknown as Exchange
}

test('of very many open requests the oldest are shown, and all are counted', () => {
  const random = randomFrom(SEED)
  const inFlight = new InFlight()
  const starts = Array.from({ length: 5_000 }, () => Math.floor(random() * 1e6))
  for (const [n, startedAt] of starts.entries())
    inFlight.add(exchangeOf(n, startedAt, n % 50 === 0 ? 'k_1' : 'k_2'))
  const { all, byKey } = lookAt(inFlight, { all: true, keys: ['k_1', 'k_3'] })
  assert.is(all?.count, 5_000)
  assert.is(byKey.k_1?.count, 100)
  assert.is(byKey.k_1?.rows.length, 100)
  assert.equal(byKey.k_3, { count: 0, rows: [] })
  const oldest = [...starts].sort((one, other) => one - other).slice(0, 200)
  const shown = all?.rows.map(({ id }) => starts[Number(id.slice(1))])
  assert.equal(shown, oldest)
  assert.is(lookAt(inFlight, { all: false, keys: [] }).all, null)
})

test('a request without a key is of no holder', () => {
  const inFlight = new InFlight()
  inFlight.add(exchangeOf(1, 0, null))
  const { all, byKey } = lookAt(inFlight, { all: true, keys: ['k_1'] })
  assert.is(byKey.k_1?.count, 0)
  assert.is(all?.rows[0]?.owner, null)
  assert.is(joinOpen([]).count, 0)
})

test('a response of whose first token nothing is known has no pace', () => {
  const inFlight = new InFlight()
  const stats = { usage: null, estimator: { tokens: 40 } }
  for (const [n, firstTokenAt] of [0, null, performance.now() - 10_000].entries()) {
    const exchange = exchangeOf(n, n, 'k_1')
    Object.assign(exchange.outcome, { meter: { readStats: () => ({ ...stats, firstTokenAt }) } })
    inFlight.add(exchange)
  }
  const rows = lookAt(inFlight, { all: true, keys: [] }).all?.rows ?? []
  const [late, before, flowing] = rows.map(({ pace }) => pace)
  assert.equal([late, before], [null, null])
  assert.ok(typeof flowing === 'number' && flowing > 0 && flowing <= 4)
})

test.run()

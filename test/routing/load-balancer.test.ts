import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Strategy } from '../../src/config/routes.js'
import { BREAKER_DEFAULTS, CircuitBreaker } from '../../src/routing/circuit-breaker.js'
import { type BalancedTarget, LoadBalancer } from '../../src/routing/load-balancer.js'
import { fc } from '../support/property.js'
import { randomFrom } from '../support/random.js'

interface Given {
  readonly name?: string
  readonly weight?: number
  readonly healthy?: boolean
  readonly ms?: number | null
  readonly inFlight?: number
}

function target(given: Given, at: number): BalancedTarget {
  const { name = `t${at}`, weight = 1, healthy = true, ms = null, inFlight = 0 } = given
  return { name, weight, health: { inFlight, allows: () => healthy, expectedFirstByteMs: () => ms } }
}

function balancer(strategy: Strategy, given: readonly Given[], random = randomFrom(1)): LoadBalancer {
  return new LoadBalancer(given.map(target), strategy, random)
}

/** How often each target came first. */
function firsts(
  of: LoadBalancer,
  targets: number,
  times: number,
  affinity = (_: number): string | null => null,
): number[] {
  const counts = Array.from({ length: targets }, () => 0)
  for (let i = 0; i < times; i++) {
    const first = of.order(0, affinity(i))[0] as number
    counts[first] = (counts[first] as number) + 1
  }
  return counts
}

const strategy = fc.constantFrom<Strategy>('order', 'weight', 'latency')
const given: fc.Arbitrary<Given> = fc.record({
  weight: fc.constantFrom(0, 0.5, 1, 3, 100),
  healthy: fc.boolean(),
  ms: fc.oneof(fc.constant(null), fc.double({ min: 0, max: 60_000, noNaN: true })),
  inFlight: fc.nat(50),
})
const affinity = fc.option(fc.string())

test('the order has each target once: healthy ones first, then the others as listed', () => {
  fc.assert(
    fc.property(
      strategy,
      fc.array(given, { minLength: 1, maxLength: 8 }),
      affinity,
      fc.nat(),
      (how, targets, key, seed) => {
        const order = balancer(how, targets, randomFrom(seed)).order(0, key)
        assert.equal(
          [...order].sort((a, b) => a - b),
          [...targets.keys()],
        )
        const healthy = targets.filter((each) => each.healthy).length
        for (const at of order.slice(0, healthy)) assert.ok(targets[at]?.healthy)
        const rest = order.slice(healthy)
        assert.equal(
          rest,
          [...rest].sort((a, b) => a - b),
        )
      },
    ),
  )
})

test('a target with weight 0 comes after all other healthy targets', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Strategy>('weight', 'latency'),
      fc.array(given, { minLength: 2, maxLength: 8 }),
      affinity,
      fc.nat(),
      (how, targets, key, seed) => {
        const order = balancer(how, targets, randomFrom(seed)).order(0, key)
        const weights = order.filter((at) => targets[at]?.healthy).map((at) => targets[at]?.weight ?? 0)
        const firstZero = weights.indexOf(0)
        if (firstZero !== -1) assert.ok(weights.slice(firstZero).every((weight) => weight === 0))
      },
    ),
  )
})

test('random numbers at either end of their range give a valid order', () => {
  for (const how of ['weight', 'latency'] as const)
    for (const value of [0, 1 - 2 ** -53]) {
      const targets = [{ weight: 0 }, { weight: 1 }, { weight: 2 }, { weight: 0 }, { weight: 1 }]
      const order = balancer(how, targets, () => value).order(0, null)
      assert.equal([...order].sort(), [0, 1, 2, 3, 4])
      assert.ok(order.indexOf(0) >= 3 && order.indexOf(3) >= 3)
    }
})

function never(): never {
  throw new Error('was called')
}

test('a route with one target looks at no health and allocates nothing', () => {
  const alone: BalancedTarget = {
    name: 'one',
    weight: 1,
    health: {
      inFlight: 0,
      allows: never,
      expectedFirstByteMs: never,
    },
  }
  for (const how of ['order', 'weight', 'latency'] as const) {
    const one = new LoadBalancer([alone], how, never)
    assert.equal(one.order(0, 'a'), [0])
    assert.ok(one.order(0, 'a') === balancer('weight', [{}]).order(0, null))
  }
})

test('with the strategy order and healthy targets, all requests share one order', () => {
  const listed = balancer('order', [{}, {}, {}])
  assert.equal(listed.order(0, null), [0, 1, 2])
  assert.ok(listed.order(0, null) === listed.order(1, 'a'))
})

test('if no target is healthy, all are tried as listed', () => {
  for (const how of ['order', 'weight', 'latency'] as const) {
    const none = balancer(how, [
      { healthy: false, weight: 1 },
      { healthy: false, weight: 9 },
      { healthy: false },
    ])
    assert.equal(none.order(0, 'a'), [0, 1, 2])
    assert.ok(none.order(0, 'a') === none.order(1, null))
  }
})

test('with the strategy order, an unhealthy target comes after the others', () => {
  assert.equal(
    balancer('order', [{ healthy: false }, {}, { healthy: false }, {}]).order(0, null),
    [1, 3, 0, 2],
  )
})

test('with the strategy weight, each target comes first, and second among the rest, in proportion to its weight', () => {
  const of = balancer('weight', [{ weight: 6 }, { weight: 3 }, { weight: 1 }])
  const seconds = [0, 0, 0]
  let firstIs0 = 0
  for (let i = 0; i < 20_000; i++) {
    const [first, second] = of.order(0, null)
    if (first !== 0) continue
    firstIs0++
    seconds[second as number] = (seconds[second as number] as number) + 1
  }
  near(firstIs0 / 20_000, 0.6)
  near((seconds[1] as number) / firstIs0, 0.75)
})

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 0.02, `${found} is not near ${expected}`)
}

test('with the strategy latency, the faster of two targets comes first', () => {
  assert.equal(balancer('latency', [{ ms: 900 }, { ms: 200 }]).order(0, null), [1, 0])
})

test('with the strategy latency, the first-byte time is multiplied by the requests in flight', () => {
  assert.equal(balancer('latency', [{ ms: 200, inFlight: 5 }, { ms: 900 }]).order(0, null), [1, 0])
  assert.equal(balancer('latency', [{ ms: 200, inFlight: 3 }, { ms: 900 }]).order(0, null), [0, 1])
})

test('with the strategy latency, a target with more weight may be slower', () => {
  assert.equal(balancer('latency', [{ ms: 500 }, { ms: 800, weight: 2 }]).order(0, null), [1, 0])
})

test('with the strategy latency, a target without measured times is tried, but not by all requests at once', () => {
  const orderWith = (inFlight: number): readonly number[] =>
    balancer('latency', [{ ms: 300 }, { ms: null, inFlight }]).order(0, null)
  assert.equal(orderWith(0), [1, 0])
  assert.equal(orderWith(2), [0, 1])
})

test('with the strategy latency, targets without measured times are ordered by their requests in flight', () => {
  assert.equal(balancer('latency', [{ inFlight: 2 }, { inFlight: 1 }]).order(0, null), [1, 0])
})

test('with the strategy latency, each of five targets comes first as often as it is the better of two draws', () => {
  const of = balancer('latency', [{ ms: 10 }, { ms: 20 }, { ms: 30 }, { ms: 40 }, { ms: 50 }])
  const counts = firsts(of, 5, 20_000)
  for (const at of counts.keys()) near((counts[at] as number) / 20_000, (4 - at) / 10)
})

test('with the strategy latency, the best of three comes first in two of three draws, and the worst never', () => {
  const of = balancer('latency', [{ ms: 900 }, { ms: 100 }, { ms: 300 }])
  const counts = firsts(of, 3, 9_000)
  near((counts[1] as number) / 9_000, 2 / 3)
  assert.is(counts[0], 0)
  for (let i = 0; i < 50; i++) {
    const order = of.order(0, null)
    assert.equal(order, order[0] === 1 ? [1, 2, 0] : [2, 1, 0])
  }
})

const KEYS = Array.from({ length: 2_000 }, (_, i) => `conversation ${i}`)

test('one affinity key goes to one target, also in another relay that lists the targets in another order', () => {
  const names = ['a', 'b', 'c', 'd']
  const here = balancer(
    'weight',
    names.map((name) => ({ name })),
    randomFrom(1),
  )
  const there = balancer(
    'latency',
    names.toReversed().map((name) => ({ name, ms: 5 })),
    randomFrom(2),
  )
  for (const key of KEYS.slice(0, 200)) {
    const order = here.order(0, key)
    assert.equal(here.order(9, key), order)
    assert.equal(
      there.order(0, key).map((at) => 3 - at),
      order,
    )
  }
})

test('affinity keys are spread by weight', () => {
  const of = balancer('weight', [{ weight: 6 }, { weight: 3 }, { weight: 1 }])
  const counts = firsts(of, 3, 20_000, (i) => `conversation ${i}`)
  near((counts[0] as number) / 20_000, 0.6)
  near((counts[1] as number) / 20_000, 0.3)
})

test('a target that becomes unhealthy moves only its own affinity keys, and gets them back', () => {
  const weights = [1, 2, 1, 4]
  const healthy = balancer(
    'weight',
    weights.map((weight) => ({ weight })),
  )
  const unhealthy = balancer(
    'weight',
    weights.map((weight, at) => ({ weight, healthy: at !== 1 })),
  )
  let moved = 0
  for (const key of KEYS) {
    const [before, second] = healthy.order(0, key)
    const [after] = unhealthy.order(0, key)
    if (before === 1) {
      moved++
      assert.is(after, second)
    } else assert.is(after, before)
  }
  near(moved / KEYS.length, 0.25)
})

test('a new target takes affinity keys from the others and moves none between them', () => {
  const names = ['a', 'b', 'c']
  const before = balancer(
    'weight',
    names.map((name) => ({ name })),
  )
  const after = balancer(
    'weight',
    [...names, 'd'].map((name) => ({ name })),
  )
  for (const key of KEYS) {
    const first = after.order(0, key)[0] as number
    if (first !== 3) assert.is(first, before.order(0, key)[0])
  }
})

test('with the strategy order, an affinity key changes nothing', () => {
  const of = balancer('order', [{}, {}, {}])
  for (const key of KEYS.slice(0, 50)) assert.equal(of.order(0, key), [0, 1, 2])
})

test('a target whose circuit is open comes last until a trial is due, and first for the trial', () => {
  const healths = [0, 1].map(() => new CircuitBreaker(BREAKER_DEFAULTS, () => {}))
  const targets = healths.map((breaker, at) => ({ name: `t${at}`, weight: 1, health: breaker }))
  const of = new LoadBalancer(targets, 'order', randomFrom(1))
  const [first] = healths as [CircuitBreaker, CircuitBreaker]
  for (let i = 0; i < 5; i++) {
    const ticket = first.begin(0)
    first.fail(ticket, 0, 'cut')
    first.end(ticket)
  }
  assert.equal(of.order(1_000, null), [1, 0])
  assert.equal(of.order(5_000, null), [0, 1])
  const trial = first.begin(5_000)
  assert.equal(of.order(5_000, null), [1, 0])
  first.succeed(trial, 5_100, 100)
  assert.equal(of.order(5_100, null), [0, 1])
  first.end(trial)
})

test('a slow target gets a request now and then, and not more', () => {
  const healths = [100, 2_000].map(() => new CircuitBreaker(BREAKER_DEFAULTS, () => {}))
  const targets = healths.map((breaker, at) => ({ name: `t${at}`, weight: 1, health: breaker }))
  const of = new LoadBalancer(targets, 'latency', randomFrom(1))
  const counts = [0, 0]
  for (let now = 0; now < 600_000; now += 500) {
    const at = of.order(now, null)[0] as number
    counts[at] = (counts[at] as number) + 1
    const breaker = healths[at] as CircuitBreaker
    const ticket = breaker.begin(now)
    breaker.succeed(ticket, now, at === 0 ? 100 : 2_000)
    breaker.end(ticket)
  }
  assert.ok((counts[1] as number) >= 3 && (counts[1] as number) <= 10, String(counts))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyRotation, type RotatedTarget } from '../../src/routing/key-rotation.js'
import type { KeyUse } from '../../src/routing/retry-policy.js'
import type { Endpoint, Target } from '../../src/routing/route.js'
import { TargetWalk } from '../../src/routing/target-walk.js'
import { fc } from '../support/property.js'
import { randomFrom } from '../support/random.js'

type Mutable = { -readonly [K in keyof Endpoint]: Endpoint[K] }

/** @param names such as `a1 a2 b1`: an upstream and a key */
function walk(names: string): { it: TargetWalk<Endpoint>; of: Map<string, Mutable> } {
  const of = new Map<string, Mutable>()
  const targets = names.split(' ').map((name) => {
    const [letter = ''] = name
    const upstream = of.get(letter) ?? { name: letter, apis: null, full: false, keys: null }
    of.set(letter, upstream)
    return { name, upstream } as unknown as Target
  })
  return { it: new TargetWalk(targets, [...targets.keys()]), of }
}

function rest(it: TargetWalk<Endpoint>): string {
  const names: string[] = []
  while (it.hasNext()) names.push(it.take().name)
  return names.join(' ')
}

for (const [keys, expected] of [
  ['first', 'a2 a3 b1 c1 b2'],
  ['last', 'b1 c1 b2 a2 a3'],
  ['never', 'b1 c1 b2'],
] as const satisfies readonly (readonly [KeyUse, string])[])
  test(`after a failure whose other keys come ${keys}, the walk goes on with ${expected}`, () => {
    const { it, of } = walk('a1 b1 a2 c1 a3 b2')
    const { upstream } = it.take()
    assert.ok(it.hasKey(upstream) && it.hasOther(upstream))
    it.place(upstream, keys)
    assert.is(it.hasKey(upstream), keys !== 'never')
    assert.is(rest(it), expected)
    assert.not(it.hasKey(of.get('b') as Endpoint))
  })

test('an upstream at its limit is passed over, and counts as neither a key nor another target', () => {
  const { it, of } = walk('a1 b1 a2 c1')
  const { upstream } = it.take()
  for (const letter of ['b', 'c']) Object.assign(of.get(letter) as Mutable, { full: true })
  assert.not(it.hasOther(upstream))
  assert.ok(it.hasKey(upstream))
  assert.is(rest(it), 'a2')
})

test('however the keys are placed, no target comes twice', () => {
  const use = fc.constantFrom<KeyUse>('first', 'last', 'never')
  fc.assert(
    fc.property(fc.array(use, { minLength: 8, maxLength: 8 }), (uses) => {
      const { it } = walk('a1 b1 a2 c1 a3 b2 c2 d1')
      const seen: string[] = []
      for (const keys of uses) {
        if (!it.hasNext()) break
        const { name, upstream } = it.take()
        seen.push(name)
        it.place(upstream, keys)
      }
      assert.is(new Set(seen).size, seen.length)
    }),
  )
})

interface Given {
  readonly name: string
  readonly group: number
  readonly keyWeight?: number
  readonly allowed?: boolean
  readonly weight?: number
}

function rotation(strategy: 'order' | 'weight' | 'latency', given: readonly Given[]): KeyRotation {
  const targets: RotatedTarget[] = given.map(
    ({ name, group, keyWeight = 1, allowed = true, weight = 1 }) => ({
      name,
      group,
      keyWeight,
      weight,
      health: { inFlight: 0, allows: () => allowed, expectedFirstByteMs: () => null },
    }),
  )
  return new KeyRotation(targets, strategy, randomFrom(7))
}

/** How often each target came first in so many orders. */
function firsts(it: KeyRotation, count: number): number[] {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const order = it.order(0, null)
    assert.is(new Set(order).size, order.length)
    const [first = -1] = order
    times[first] = (times[first] ?? 0) + 1
  }
  return times
}

test('keys take turns by weight, and their number does not change the share of their upstream', () => {
  const times = firsts(
    rotation('weight', [
      { name: 'a', group: 0, keyWeight: 3 },
      { name: 'a', group: 0, keyWeight: 1 },
      { name: 'b', group: 1 },
    ]),
    4_000,
  )
  const [first = 0, second = 0, other = 0] = times
  assert.ok(Math.abs(other - 2_000) < 250, String(times))
  assert.ok(Math.abs(first - 3 * second) < 400, String(times))
})

test('with `order`, the upstream that is listed first is first with each of its keys, and then the others', () => {
  const it = rotation('order', [
    { name: 'a', group: 0 },
    { name: 'a', group: 0 },
    { name: 'b', group: 1 },
  ])
  const orders = new Set(Array.from({ length: 200 }, () => it.order(0, null).join('')))
  assert.equal([...orders].sort(), ['021', '120'])
})

test('a key that rests takes no turn, and comes behind all that do not', () => {
  const it = rotation('order', [
    { name: 'a', group: 0, allowed: false },
    { name: 'a', group: 0 },
    { name: 'b', group: 1 },
    { name: 'c', group: 2, allowed: false },
  ])
  for (let i = 0; i < 50; i++) assert.equal(it.order(0, null).slice(0, 2), [1, 2])
  const none = rotation('order', [
    { name: 'a', group: 0, allowed: false },
    { name: 'a', group: 0, allowed: false },
  ])
  const times = firsts(none, 200)
  assert.ok((times[0] ?? 0) > 50 && (times[1] ?? 0) > 50)
})

test('a conversation stays with its upstream, whichever of the keys has its turn', () => {
  const it = rotation('weight', [
    { name: 'a', group: 0 },
    { name: 'a', group: 0 },
    { name: 'b', group: 1 },
  ])
  for (let i = 0; i < 40; i++) {
    const places = new Set(Array.from({ length: 20 }, () => it.order(0, `chat ${i}`)[0] === 2))
    assert.is(places.size, 1)
  }
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CredentialHealth, type RefusalKind } from '../../src/routing/credential-health.js'
import { MissingModels } from '../../src/routing/missing-models.js'
import { fc } from '../support/property.js'

const MINUTE = 60_000
const FIRST = { credential: MINUTE, quota: 5 * MINUTE }

function credential(): { health: CredentialHealth; told: (RefusalKind | null)[] } {
  const told: (RefusalKind | null)[] = []
  return { health: new CredentialHealth(FIRST, (why) => told.push(why)), told }
}

test('a refused credential rests for a minute, then for twice as long each time, up to an hour', () => {
  const { health, told } = credential()
  let now = 0
  for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
    health.refuse(now, 'credential', null)
    assert.not(health.allows(now + minutes * MINUTE - 1))
    assert.ok(health.allows(now + minutes * MINUTE))
    now += minutes * MINUTE
  }
  assert.equal(told, ['credential'])
})

test('refusals of requests that were under way do not lengthen the rest', () => {
  const { health } = credential()
  for (let i = 0; i < 50; i++) health.refuse(i, 'credential', null)
  assert.is(health.coolingUntil, MINUTE)
})

test('a used-up quota rests for minutes, or for as long as the upstream says, an hour at most', () => {
  const rest = (askedMs: number | null): number => {
    const { health } = credential()
    health.refuse(0, 'quota', askedMs)
    return health.coolingUntil
  }
  assert.equal([null, 1_000, 20 * MINUTE, 1e12].map(rest), [5 * MINUTE, 5 * MINUTE, 20 * MINUTE, 60 * MINUTE])
})

test('a credential that is served again is as good as new, and each change is reported once', () => {
  const { health, told } = credential()
  health.recover()
  health.refuse(0, 'quota', null)
  health.refuse(1, 'quota', null)
  health.recover()
  health.recover()
  assert.ok(health.allows(2))
  health.refuse(3, 'credential', null)
  health.refuse(4, 'quota', null)
  assert.equal(told, ['quota', null, 'credential', 'quota'])
  assert.is(health.coolingUntil, 3 + MINUTE)
})

test('a model that an account lacks is remembered for a minute, and told of once in that time', () => {
  const told: string[] = []
  const missing = new MissingModels((model) => told.push(model))
  assert.ok(missing.isEmpty)
  missing.add('m', 0)
  missing.add('m', 1)
  missing.add('n', 2)
  assert.ok(missing.lacks('m', MINUTE) && missing.lacks('n', MINUTE))
  assert.not(missing.lacks('m', MINUTE + 1))
  assert.not(missing.lacks('other', 1))
  assert.is(missing.coolingMs(2), MINUTE)
  missing.forget('n')
  assert.not(missing.lacks('n', 3))
  missing.add('n', MINUTE)
  assert.equal(told, ['m', 'n'])
})

test('names that a client makes up are bounded, in number and in length', () => {
  const missing = new MissingModels(() => {})
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 300 }), (names) => {
      for (const name of names) missing.add(name.repeat(1_000), 0)
      const known = names.filter((name) => missing.lacks(name.repeat(1_000), 1))
      assert.ok(new Set(known.map((name) => name.repeat(1_000).slice(0, 200))).size <= 64)
    }),
  )
  missing.add('last', 0)
  assert.ok(missing.lacks('last', 1))
})

test.run()

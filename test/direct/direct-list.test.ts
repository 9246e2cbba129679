import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findUseFault, mayBeUsedFrom } from '../../src/access/key-limits.js'
import type { StoredKey } from '../../src/access/key-lines.js'
import { refuseAllModels } from '../../src/access/key-rules.js'
import { buildDirectList, DirectListError, type DirectSource } from '../../src/direct/direct-list.js'
import { LimitMatcher } from '../../src/limits/rules/matcher.js'
import { findAccess } from '../../src/server/model-access.js'
import { makeRule } from '../support/limit-rules.js'
import { fc } from '../support/property.js'
import { keyWith, NOW, routeTo, SOURCE, upstreamNamed } from './sources.js'

const HASH = 'ab'.repeat(32)

function withRules(rules: readonly object[], budgetedKeys = false): DirectSource {
  return {
    ...SOURCE,
    direct: { ...SOURCE.direct, budgetedKeys },
    limitRules: { ...SOURCE.limitRules, rules: rules.map(makeRule) },
  }
}

/** Why a key is left out; null if it is in the list. */
function reasonFor(key: StoredKey, source: DirectSource = SOURCE): string | null {
  const { keys, leftOut } = buildDirectList([[HASH, key]], source, NOW)
  assert.is(keys.length + leftOut.length, 1)
  return leftOut[0]?.reason ?? null
}

/** Rules of the config, and whether the key of alice in team1, env prod, is left out. */
const RULES: readonly (readonly [rule: object, reason: string | null])[] = [
  [{ usd: { month: 5 } }, 'budget'],
  [{ tokens: { hour: 5 } }, 'budget'],
  [{ usd: { month: 5 }, per: 'user' }, 'budget'],
  [{ usd: { month: 5 }, observe: true }, null],
  [{ usd: { month: 5 }, match: { team: 'team1' } }, 'budget'],
  [{ usd: { month: 5 }, match: { team: 'team2' } }, null],
  [{ usd: { month: 5 }, match: { user: 'team1/al*' } }, 'budget'],
  [{ usd: { month: 5 }, match: { env: 'dev' } }, null],
  [{ usd: { month: 5 }, match: { key: 'k_0123456789' } }, 'budget'],
  [{ usd: { month: 5 }, match: { key: 'k_0000000000' } }, null],
  [{ usd: { month: 5 }, match: { model: 'o3' } }, 'budget'],
  [{ usd: { month: 5 }, match: { path: '/v1/embeddings' } }, 'budget'],
  [{ usd: { month: 5 }, match: { tag: 'project=a' } }, 'budget'],
  [{ requestsPerMinute: 1 }, null],
  [{ tokensPerMinute: 1 }, null],
  [{ concurrent: 1 }, null],
  [{ models: { allow: '*' } }, 'models'],
  [{ models: { deny: 'o3' } }, 'models'],
  [{ models: { deny: 'o3' }, observe: true }, null],
  [{ models: { deny: 'o3' }, match: { team: 'team2' } }, null],
]

test('rules with a budget or with models leave out the keys that they match, also for some requests only', () => {
  for (const [rule, reason] of RULES)
    assert.is(reasonFor(keyWith(), withRules([rule])), reason, JSON.stringify(rule))
})

test('the rules of a key itself count as those of the config do', () => {
  for (const [entry, reason] of RULES) {
    const { match, per, ...rule } = entry as Record<string, unknown>
    if (match !== undefined || per !== undefined) continue
    assert.is(reasonFor(keyWith({ limits: [makeRule(rule)] })), reason, JSON.stringify(rule))
  }
})

test('with direct.budgetedKeys a budget keeps no key out, and rules for models still do', () => {
  const budget = { name: 'a', usd: { month: 5 } }
  assert.is(reasonFor(keyWith(), withRules([budget], true)), null)
  assert.is(reasonFor(keyWith(), withRules([budget, { name: 'b', models: { deny: 'o3' } }], true)), 'models')
  assert.is(reasonFor(keyWith(), withRules([{ ...budget, models: { deny: 'o3' } }], true)), 'models')
})

test('a key that is not valid or limited by what a front cannot check is left out', () => {
  const before = new Date(NOW).toISOString()
  const after = new Date(NOW + 1).toISOString()
  const table: readonly (readonly [Partial<StoredKey>, string | null])[] = [
    [{}, null],
    [{ revokedAt: before }, 'revoked'],
    // The clock of whoever revoked it may be ahead.
    [{ revokedAt: after }, 'revoked'],
    [{ expiresAt: before }, 'expired'],
    [{ expiresAt: after }, null],
    [{ models: ['*'] }, 'models'],
    [{ models: [] }, 'models'],
    [{ addresses: ['0.0.0.0/0'] }, 'addresses'],
    [{ addresses: [] }, 'addresses'],
    [{ limits: refuseAllModels('k_0123456789'), ruleEntries: [] }, 'unreadable'],
    [{ rotatedTo: 'k_0000000000', expiresAt: after }, null],
    [{ rotatedTo: 'k_0000000000', expiresAt: before }, 'expired'],
  ]
  for (const [settings, reason] of table)
    assert.is(reasonFor(keyWith(settings)), reason, JSON.stringify(settings))
})

test('the list has the hash, the owner and the expiry of a key, and tells when the first one expires', () => {
  const soon = keyWith({ id: 'k_1111111111', expiresAt: '2026-06-02T00:00:00.900Z' })
  const later = keyWith({ id: 'k_2222222222', expiresAt: '2026-06-03T00:00:00.000Z' })
  const entries = [
    ['cd'.repeat(32), later],
    ['ef'.repeat(32), soon],
    [HASH, keyWith()],
  ] as const
  const { keys, expiresAt } = buildDirectList(entries, SOURCE, NOW)
  assert.equal(
    keys.map(({ id, until }) => [id, until]),
    [
      ['k_2222222222', Date.parse('2026-06-03T00:00:00Z') / 1000],
      ['k_1111111111', Date.parse('2026-06-02T00:00:00Z') / 1000],
      ['k_0123456789', null],
    ],
  )
  assert.equal(keys[2], {
    hash: HASH,
    id: 'k_0123456789',
    env: 'prod',
    team: 'team1',
    user: 'alice',
    until: null,
  })
  assert.is(expiresAt, Date.parse('2026-06-02T00:00:00.900Z'))
})

test('a key of a team whose routes lead elsewhere is left out, and the others are not', () => {
  const routes = [routeTo('other', { teams: ['team1'] }), routeTo('openai')]
  assert.is(reasonFor(keyWith(), { ...SOURCE, routes }), 'routes')
  assert.is(reasonFor(keyWith({ team: 'team2' }), { ...SOURCE, routes }), null)
})

test('where all routes are for teams, those of the team whose key was issued first count', () => {
  const routes = [
    routeTo('openai', { teams: ['team1'], models: ['gpt-*'] }),
    routeTo('openai', { teams: ['team2', 'team3'] }),
    routeTo('other', { teams: ['team4'] }),
  ]
  const entries = ['team4', 'team2', 'team1', 'team3'].map(
    (team, i) => [String(i).repeat(64), keyWith({ team, id: `k_${String(i).repeat(10)}` })] as const,
  )
  const { keys, scope, leftOut } = buildDirectList(entries, { ...SOURCE, routes }, NOW)
  assert.equal(
    keys.map(({ team }) => team),
    ['team2', 'team3'],
  )
  assert.is(scope.models, null)
  assert.ok(leftOut.every(({ reason }) => reason === 'routes'))
  const all = [routeTo('openai', { teams: ['*'] })]
  assert.is(reasonFor(keyWith(), { ...SOURCE, routes: all }), null)
})

test('without a single upstream to go to, or without keys, there is no list, and the message says what to do', () => {
  const refused = (source: DirectSource): string => {
    try {
      buildDirectList([], source, NOW)
    } catch (error) {
      if (error instanceof DirectListError) return error.message
      throw error
    }
    return ''
  }
  const { direct, keys } = SOURCE
  assert.match(refused({ ...SOURCE, direct: { ...direct, upstream: null } }), /^direct\.upstream: is missing/)
  assert.match(refused({ ...SOURCE, keys: { ...keys, mode: 'passthrough' } }), /no list is needed/)
  assert.match(refused({ ...SOURCE, keys: { ...keys, mode: 'off' } }), /use "keys"/)
  const azure = { ...upstreamNamed('openai'), paths: 'deployments' } as const
  assert.match(refused({ ...SOURCE, upstreams: [azure] }), /has models in its paths/)
  assert.match(refused({ ...SOURCE, upstreams: [] }), /openai is no upstream/)
  const cloud = { ...upstreamNamed('openai'), cloud: { kind: 'aws' } } as never
  assert.match(refused({ ...SOURCE, upstreams: [cloud] }), /credentials that a front cannot make/)
})

const part = fc.constantFrom('a', 'b')
const glob = fc.constantFrom('a', 'b', 'a*', '*')
const someRule = fc.record(
  {
    name: fc.constant('rule'),
    observe: fc.boolean(),
    match: fc.record(
      { team: glob, user: glob, env: glob, model: glob, path: fc.constantFrom('/v1/*', '/v1/embeddings') },
      { requiredKeys: [] },
    ),
    usd: fc.constant({ day: 1 }),
    tokens: fc.constant({ month: 1 }),
    requestsPerMinute: fc.constant(1),
    models: fc.oneof(fc.record({ allow: glob }), fc.record({ deny: glob })),
  },
  { requiredKeys: ['name', 'observe', 'match', 'requestsPerMinute'] },
)
/** Null four times out of five. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })

const instant = rarely(fc.integer({ min: -2, max: 2 }).map((ms) => new Date(NOW + ms).toISOString()))
const someKey = fc.record({
  env: part,
  team: part,
  user: part,
  revokedAt: instant,
  expiresAt: instant,
  models: rarely(fc.constant(['a'])),
  addresses: rarely(fc.constant(['10.0.0.0/8'])),
  own: rarely(someRule),
})

test('a key is never in the list that the relay would refuse, or count on a budget', () => {
  const seen = { listed: 0, leftOut: 0 }
  fc.assert(
    fc.property(fc.array(someRule, { maxLength: 2 }), someKey, fc.boolean(), (rules, given, budgetedKeys) => {
      const { own, ...fields } = given
      const key = keyWith({ ...fields, limits: own === null ? null : [makeRule(own)] })
      const source = withRules(rules, budgetedKeys)
      if (buildDirectList([[HASH, key]], source, NOW).keys.length === 0) {
        seen.leftOut++
        return
      }
      seen.listed++
      assert.is(findUseFault(key, '192.0.2.1', NOW), null)
      assert.ok(mayBeUsedFrom(key, null))
      const matcher = new LimitMatcher(source.limitRules.rules)
      for (const path of ['/chat/completions', '/embeddings'])
        for (const model of ['a', 'b', 'c']) {
          const request = { key, model, path, isCursor: false, tags: null }
          assert.is(findAccess(request, matcher).refuse(model), null)
          for (const { rule } of matcher.claimsOfRequest(request))
            assert.ok(budgetedKeys || rule.observe || rule.budgets.length === 0, rule.name)
        }
    }),
    { numRuns: 2_000 },
  )
  assert.ok(seen.listed > 50 && seen.leftOut > 50, JSON.stringify(seen))
})

test.run()

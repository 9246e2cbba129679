import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { KeyRecord } from '../../../src/access/keyring.js'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import type { LimitClaim } from '../../../src/exchange/limit-ticket.js'
import type { RequestSummary } from '../../../src/exchange/summary.js'
import { LimitMatcher } from '../../../src/limits/rules/matcher.js'
import { describeRequest, describeSummary, type LimitSubject } from '../../../src/limits/rules/subject.js'
import { compileGlobs, compileModelGlobs, isAllowed } from '../../../src/routing/glob.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

const SUBJECT: LimitSubject = {
  key: 'k_1',
  env: 'prod',
  team: 'team1',
  user: 'user1',
  model: 'gpt-4o',
  route: '/v1/chat/completions',
  tags: 'project=a,ticket=b',
}

function keyOf(id: string): KeyRecord {
  return { id, env: 'e', team: 't', user: 'u', limits: null } as unknown as KeyRecord
}

function matches(match: object, subject: Partial<LimitSubject> = {}): boolean {
  const rule = makeRule({ match, concurrent: 1 })
  return new LimitMatcher([rule]).claimsOf({ ...SUBJECT, ...subject }, null).length === 1
}

for (const [match, subject, expected] of [
  [{}, {}, true],
  [{ key: 'k_*' }, {}, true],
  [{ key: 'k_2' }, {}, false],
  [{ key: '*' }, { key: null }, false],
  [{ user: 'user*' }, {}, true],
  [{ user: 'team1/user1' }, {}, true],
  [{ user: 'team2/*' }, {}, false],
  // Without a slash, the team does not matter; with one, it is part of the name.
  [{ user: 'team1*' }, {}, false],
  [{ user: ['x', '*/user1'] }, {}, true],
  [{ user: '*' }, { user: null, team: null }, false],
  [{ team: ['team2', 'team1'] }, {}, true],
  [{ env: 'dev' }, {}, false],
  [{ team: 'team1', env: 'dev' }, {}, false],
  [{ model: 'gpt-*' }, {}, true],
  [{ model: '*' }, { model: null }, false],
  [{ path: '/v1/chat/*' }, {}, true],
  [{ path: '/cursor/*' }, {}, false],
  [{ tag: 'ticket=b' }, {}, true],
  [{ tag: 'project=*' }, { tags: null }, false],
  [{ tag: 'project=a,ticket=b' }, {}, false],
] as const) {
  test(`${JSON.stringify(match)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(subject)}`, () =>
    assert.is(matches(match, subject), expected))
}

for (const [per, owner, keyless] of [
  ['pool', '', ''],
  ['key', 'k_1', '-'],
  ['user', 'team1/user1', '-'],
  ['team', 'team1', '-'],
  ['env', 'prod', '-'],
] as const) {
  test(`counters per ${per} are of ${owner || 'nobody'}`, () => {
    const matcher = new LimitMatcher([makeRule({ per, concurrent: 1 })])
    const ownerOf = (subject: LimitSubject): string | undefined => matcher.claimsOf(subject, null)[0]?.owner
    assert.is(ownerOf(SUBJECT), owner)
    assert.is(ownerOf({ ...SUBJECT, key: null, env: null, team: null, user: null }), keyless)
  })
}

const name = fc.constantFrom('a', 'b', 'ab')
const pattern = fc.constantFrom('a', 'b', '*', 'a*', '*b')
const part = fc.option(fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }), { nil: undefined })
const entry = fc.record({
  match: fc.record({ key: part, team: part, env: part, model: part }),
  per: fc.constantFrom('pool', 'key', 'user', 'team', 'env'),
})
const subjects = fc.record({ key: name, env: name, team: name, user: name, model: fc.option(name) })

test('what is remembered of keys gives the same as a look at each rule, and one claim for each counter', () =>
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 6 }),
      fc.array(subjects, { maxLength: 20 }),
      (entries, asked) => {
        const rules = entries.map(({ match, per }, n): LimitRule => {
          const given = Object.fromEntries(
            Object.entries(match).filter(([, patterns]) => patterns !== undefined),
          )
          return makeRule({ name: `r${n}`, match: given, per, concurrent: 1 })
        })
        const matcher = new LimitMatcher(rules)
        const claims = new Map<string, object>()
        // A key may get another owner: requests and records of both come in any order.
        for (const each of asked) {
          const subject: LimitSubject = { ...SUBJECT, ...each }
          const fits = ({ match }: LimitRule): boolean =>
            isAllowed(compileGlobs(match.key), subject.key) &&
            isAllowed(compileGlobs(match.team), subject.team) &&
            isAllowed(compileGlobs(match.env), subject.env) &&
            isAllowed(compileModelGlobs(match.model), subject.model)
          const found = matcher.claimsOf(subject, null)
          assert.equal(
            found.map(({ rule }) => rule.name),
            rules.filter(fits).map((rule) => rule.name),
          )
          for (const claim of found) {
            const counter = `${claim.rule.name} ${claim.owner}`
            assert.is(claims.get(counter) ?? claim, claim)
            claims.set(counter, claim)
          }
        }
      },
    ),
  ))

test('requests find the same rules whatever was asked before, and their records the same as they', () => {
  const pattern = fc.constantFrom('a', 'b*', '*')
  const patterns = fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 }), { nil: undefined })
  const match = fc.record({
    model: patterns,
    path: fc.option(fc.constantFrom('/v1/chat/*', '/cursor/*', '/health'), { nil: undefined }),
    tag: fc.option(fc.constantFrom('t=1', 't=*'), { nil: undefined }),
  })
  const request = fc.record({
    key: fc.constantFrom(...['k_1', 'k_2'].map(keyOf)),
    model: fc.constantFrom('a', 'b', 'b"1', 'c', null),
    path: fc.constantFrom('/chat/completions', '/messages', '/health'),
    isCursor: fc.boolean(),
    tags: fc.constantFrom('t=1', 's=1,t=2', null),
  })
  const end = fc.constantFrom<'local' | 'ok'>('local', 'ok')
  fc.assert(
    fc.property(
      fc.array(match, { maxLength: 4 }),
      fc.array(fc.tuple(request, end), { minLength: 1, maxLength: 40 }),
      (matches, asked) => {
        const rules = matches.map((entry, n) =>
          makeRule({
            name: `r${n}`,
            match: Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined)),
            concurrent: 1,
          }),
        )
        const matcher = new LimitMatcher(rules)
        const namesOf = (claims: readonly LimitClaim[]): string[] => claims.map(({ rule }) => rule.name)
        for (const [each, how] of asked) {
          const fresh = new LimitMatcher(rules)
          const expected = namesOf(fresh.claimsOf(describeRequest(each), null))
          assert.equal(namesOf(matcher.claimsOfRequest(each)), expected)
          const summary = {
            request: each,
            outcome: { end: how, upstream: null },
          } as unknown as RequestSummary
          const recorded = namesOf(fresh.claimsOf(describeSummary(summary), null))
          assert.equal(namesOf(matcher.claimsOfSummary(summary, null)), recorded)
        }
      },
    ),
  )
})

test('the rules of a key are its own, and others are found when its list is another one', () => {
  const matcher = new LimitMatcher([makeRule({ name: 'all', requestsPerMinute: 1 })])
  const [first, second] = [
    [makeRule({ name: 'own', concurrent: 1 })],
    [makeRule({ name: 'new', concurrent: 2 })],
  ]
  const namesOf = (rules: readonly LimitRule[] | null, key = 'k_1'): string[] =>
    matcher.claimsOf({ ...SUBJECT, key }, rules).map(({ rule }) => rule.name)
  assert.equal(namesOf(first), ['all', 'own'])
  assert.equal(namesOf(null, 'k_2'), ['all'])
  assert.equal(namesOf(second), ['all', 'new'])
  assert.equal(namesOf(null), ['all'])
})

test('a name that the ledger writes in another form is matched as the ledger has it', () => {
  const key = keyOf('k_1')
  const request = { key, path: '/chat/completions', isCursor: true, tags: null }
  const long = 'm'.repeat(300)
  for (const [model, shown] of [
    ['plain', 'plain'],
    ['with "quotes" and \\', 'with "quotes" and \\'],
    ['a\u0007b', 'a?b'],
    [long, `${long.slice(0, 200)}...`],
  ] as const) {
    const subject = describeRequest({ ...request, model })
    assert.is(subject.model, shown)
    assert.is(subject.route, '/cursor/v1/chat/completions')
  }
})

test.run()

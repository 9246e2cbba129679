import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitMatch } from '../../../src/config/limit-rules.js'
import { CompiledRule, LimitMatcher } from '../../../src/limits/rules/matcher.js'
import { findMismatch } from '../../../src/limits/rules/mismatch.js'
import type { LimitSubject } from '../../../src/limits/rules/subject.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

const SUBJECT: LimitSubject = {
  key: 'k_0123456789',
  env: 'prod',
  team: 'team1',
  user: 'alice',
  model: 'gpt-4o',
  route: '/v1/chat/completions',
  tags: 'project=a,ticket=7',
}

test('the first part that does not fit is named, with what the request has', () => {
  const table: [object, Partial<LimitSubject>, [keyof LimitMatch, string | null] | null][] = [
    [{}, {}, null],
    [{ user: 'al*', model: ['o3', 'gpt-*'] }, {}, null],
    [{ user: 'team1/alice' }, {}, null],
    [{ user: 'team2/alice' }, {}, ['user', 'alice']],
    [{ user: 'alice' }, { user: null }, ['user', null]],
    [{ env: 'dev', team: 'team2' }, {}, ['env', 'prod']],
    [{ key: 'k_01*' }, { key: null }, ['key', null]],
    [{ model: 'gpt-4o' }, { model: null }, ['model', null]],
    [{ path: '/v1/messages' }, {}, ['path', '/v1/chat/completions']],
    [{ tag: 'ticket=*' }, {}, null],
    [{ tag: 'project=b' }, {}, ['tag', 'project=a,ticket=7']],
    [{ tag: 'project=b' }, { tags: null }, ['tag', null]],
  ]
  for (const [match, more, expected] of table) {
    const found = findMismatch(new CompiledRule(makeRule({ match, tokensPerMinute: 1 })), {
      ...SUBJECT,
      ...more,
    })
    assert.equal(found === null ? null : [found.part, found.value], expected, JSON.stringify(match))
  }
})

const word = fc.constantFrom('a', 'ab', 'b', 'x=a', 'a/b')
const pattern = fc.constantFrom('a', 'a*', '*b', '*', 'x=*', 'a/b', '*/b')
const patterns = fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 }), { nil: undefined })

test('a rule is said to hold exactly where it counts', () => {
  const match = fc.record({
    key: patterns,
    user: patterns,
    team: patterns,
    env: patterns,
    model: patterns,
    path: patterns,
    tag: patterns,
  })
  const owner = fc.record({ key: word, env: word, team: word, user: word })
  const nobody = fc.constant({ key: null, env: null, team: null, user: null })
  const rest = fc.record({
    model: fc.option(word),
    route: word,
    tags: fc.option(fc.array(word, { minLength: 1, maxLength: 3 }).map((tags) => tags.join(','))),
  })
  fc.assert(
    fc.property(match, fc.oneof(owner, nobody), rest, (given, who, what) => {
      const rule = makeRule({ match: given, tokensPerMinute: 1 })
      const subject = { ...who, ...what }
      const counts = new LimitMatcher([rule]).claimsOf(subject, null).length > 0
      assert.is(findMismatch(new CompiledRule(rule), subject) === null, counts)
    }),
    { numRuns: 2_000 },
  )
})

test.run()

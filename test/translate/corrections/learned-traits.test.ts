import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findTraits } from '../../../src/api/model-table.js'
import { type Correction, formatConfigLine } from '../../../src/translate/corrections/correction.js'
import { LearnedTraits } from '../../../src/translate/corrections/learned-traits.js'

const { traits } = findTraits({ model: 'm', upstream: 'up', preset: 'groq', rules: [] })
const drop = (...fields: string[]): Correction => ({ kind: 'drop', fields })

test('what was learned of a model at a target changes its traits, and no others', () => {
  const learned = new LearnedTraits()
  assert.is(learned.apply(traits, 'a', 'm'), traits)
  assert.ok(learned.learn('a', 'm', drop('temperature')))
  assert.ok(learned.learn('a', 'm', { kind: 'api', to: 'responses' }))
  assert.ok(learned.learn('a', 'm', { kind: 'limitField', to: 'max_completion_tokens' }))
  assert.ok(learned.learn('a', 'm', { kind: 'customTools' }))
  assert.ok(learned.learn('a', 'm', { kind: 'chatThinking' }))
  assert.equal(learned.apply({ ...traits, customTools: true, chatThinking: 'reasoning_content' }, 'a', 'm'), {
    ...traits,
    refuses: ['logprobs', 'top_logprobs', 'logit_bias', 'temperature'],
    api: 'responses',
    limitField: 'max_completion_tokens',
    customTools: false,
    chatThinking: 'none',
  })
  for (const [target, model] of [
    ['b', 'm'],
    ['a', 'n'],
  ] as const)
    assert.is(learned.apply(traits, target, model), traits)
})

test('a correction that is known is not learned again, so that no request is tried a third time', () => {
  const learned = new LearnedTraits()
  const twice = (correction: Correction): boolean[] => [
    learned.learn('a', 'm', correction),
    learned.learn('a', 'm', correction),
  ]
  assert.equal(twice(drop('seed', 'user')), [true, false])
  assert.not(learned.learn('a', 'm', drop('user')))
  assert.ok(learned.learn('a', 'm', drop('user', 'store')))
  assert.equal(twice({ kind: 'customTools' }), [true, false])
  assert.equal(twice({ kind: 'api', to: 'responses' }), [true, false])
  assert.not(learned.learn('a', 'm', { kind: 'api', to: 'chat' }), 'errors that contradict each other')
  assert.is(learned.list('a', 'm').length, 4)
})

test('without the field of an effort, no effort is sent; without thinking, none is asked for', () => {
  const learned = new LearnedTraits()
  learned.learn('a', 'm', drop('reasoning_effort'))
  assert.equal(learned.apply({ ...traits, efforts: null }, 'a', 'm').efforts, [])
  learned.learn('a', 'n', drop('thinking'))
  assert.is(learned.apply({ ...traits, thinking: 'budget' }, 'a', 'n').thinking, 'none')
})

test('what is remembered is bounded: the oldest goes, and absurd names are never kept', () => {
  const learned = new LearnedTraits()
  for (let i = 0; i < 1_001; i++) assert.ok(learned.learn('a', `m${i}`, drop('seed')))
  assert.equal(learned.list('a', 'm0'), [])
  assert.is(learned.list('a', 'm1').length, 1)
  assert.is(learned.list('a', 'm1000').length, 1)
  assert.not(learned.learn('a', 'x'.repeat(10_000), drop('seed')))
  for (let i = 0; i < 100; i++) learned.learn('a', 'm1000', drop(`field${i}`))
  assert.is(learned.list('a', 'm1000').length, 32)
})

test('the line of config says the same as what was learned', () => {
  const corrections = [drop('temperature'), drop('reasoning_effort'), { kind: 'customTools' } as const]
  assert.is(
    formatConfigLine('up', 'my "m"', traits, corrections),
    '{"match":"my \\"m\\"","upstream":"up","refuses":["logprobs","top_logprobs","logit_bias","temperature","reasoning_effort"],"efforts":[],"customTools":false}',
  )
  const learned = new LearnedTraits()
  for (const correction of corrections) learned.learn('up', 'm', correction)
  const { match, upstream, ...given } = JSON.parse(formatConfigLine('up', 'm', traits, corrections))
  const rules = [{ path: 'modelTraits[0]', match: [match], upstream, preset: null, traits: given }]
  assert.equal(
    findTraits({ model: 'm', upstream: 'up', preset: 'groq', rules }).traits,
    learned.apply(traits, 'up', 'm'),
  )
})

test('all kinds of corrections are forgotten an hour after the first, and can be learned again', () => {
  const kinds: readonly Correction[] = [
    drop('seed'),
    { kind: 'together', fields: ['temperature', 'top_p'] },
    { kind: 'limitField', to: 'max_tokens' },
    { kind: 'api', to: 'chat' },
    ...[{ kind: 'customTools' } as const, { kind: 'chatThinking' } as const],
    { kind: 'thinking', to: 'budget' },
  ]
  for (const correction of kinds) {
    const clock = { now: 5 }
    const learned = new LearnedTraits(() => clock.now)
    assert.ok(learned.learn('a', 'm', correction))
    clock.now += 60 * 60 * 1000 - 1
    assert.equal(learned.list('a', 'm'), [correction])
    assert.ok(learned.learn('a', 'm', drop('other')))
    clock.now += 1
    assert.equal(learned.list('a', 'm'), [], correction.kind)
    assert.is(learned.apply(traits, 'a', 'm'), traits)
    assert.ok(learned.learn('a', 'm', correction))
    assert.equal(learned.list('a', 'm'), [correction])
  }
})

test('fields that are refused together are learned once', () => {
  const learned = new LearnedTraits()
  const pair: Correction = { kind: 'together', fields: ['temperature', 'top_p'] }
  assert.ok(learned.learn('a', 'm', pair))
  assert.not(learned.learn('a', 'm', pair))
  assert.equal(learned.apply(traits, 'a', 'm').refusesTogether, [['temperature', 'top_p']])
})

test.run()

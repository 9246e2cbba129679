import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import type { TokenUsage } from '../../src/exchange/token-usage.js'
import { PromptCacheWatch } from '../../src/observe/prompt-cache-watch.js'

interface Told {
  readonly fields: Record<string, unknown>
  readonly message: string
}

function make(): {
  told: Told[]
  ask: (id: string, cached: number | null, prompt?: number, source?: TokenUsage['source']) => void
} {
  const told: Told[] = []
  const watch = new PromptCacheWatch({ warn: (fields, message) => void told.push({ fields, message }) })
  return {
    told,
    ask: (id, cached, prompt = 10_000, source = 'upstream') => {
      const key = { id, env: 'e', team: 'team1', user: id, issuedAt: '', revokedAt: null }
      const usage = { prompt, cached, cacheWritten: null, completion: 1, reasoning: null }
      watch.record({ request: { key }, usage: { usage, source } } as RequestSummary)
    },
  }
}

const times = (count: number, act: () => void): void => {
  for (let i = 0; i < count; i++) act()
}

test('a share that falls to half is told once, and again only if it has recovered meanwhile', () => {
  const { told, ask } = make()
  times(100, () => ask('alice', 8_000))
  assert.is(told.length, 0)
  times(30, () => ask('alice', 0))
  assert.is(told.length, 1)
  assert.match(told[0]?.message ?? '', /^\d+ % of the prompts of team1\/alice .* in place of \d\d %$/)
  assert.is(told[0]?.fields.key, 'alice')
  times(200, () => ask('alice', 8_000))
  times(30, () => ask('alice', 0))
  assert.is(told.length, 2)
})

test('one that was never worth much, or is new, or wavers, is not told of', () => {
  const { told, ask } = make()
  times(200, () => ask('low', 500))
  times(50, () => ask('low', 0))
  times(30, () => ask('new', 9_000))
  times(30, () => ask('new', 0))
  for (let i = 0; i < 400; i++) ask('wavers', i % 3 === 0 ? 2_000 : 9_000)
  assert.equal(told, [])
})

test('short prompts, estimates and answers that say nothing of a cache do not count', () => {
  const { told, ask } = make()
  times(100, () => ask('alice', 8_000))
  times(100, () => ask('alice', 0, 500))
  times(100, () => ask('alice', 0, 10_000, 'estimated'))
  times(100, () => ask('alice', null))
  assert.equal(told, [])
})

test('keys are told apart, and the number of them is bounded', () => {
  const { told, ask } = make()
  times(100, () => ask('alice', 8_000))
  times(100, () => ask('bob', 0))
  assert.equal(told, [])
  for (let i = 0; i < 10_000; i++) ask(`k${i}`, 0)
  // Forgotten: what it was is not known any more.
  times(30, () => ask('alice', 0))
  assert.equal(told, [])
})

test.run()

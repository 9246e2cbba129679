import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import type { TokenUsage } from '../../src/exchange/token-usage.js'
import { PromptCacheWatch } from '../../src/observe/prompt-cache-watch.js'

interface Warning {
  readonly fields: Record<string, unknown>
  readonly message: string
}

function make(): {
  warnings: Warning[]
  ask: (id: string, cached: number | null, prompt?: number, source?: TokenUsage['source']) => void
} {
  const warnings: Warning[] = []
  const watch = new PromptCacheWatch({ warn: (fields, message) => void warnings.push({ fields, message }) })
  return {
    warnings,
    ask: (id, cached, prompt = 10_000, source = 'upstream') => {
      const key = {
        id,
        env: 'e',
        team: 'team1',
        user: id,
        issuedAt: '',
        revokedAt: null,
        expiresAt: null,
        models: null,
        addresses: null,
      }
      const usage = { prompt, cached, cacheWritten: null, completion: 1, reasoning: null, details: null }
      watch.record({ request: { key }, usage: { usage, source } } as RequestSummary)
    },
  }
}

const times = (count: number, act: () => void): void => {
  for (let i = 0; i < count; i++) act()
}

test('a share that falls to half causes one warning, and another one only after it has recovered', () => {
  const { warnings, ask } = make()
  times(100, () => ask('alice', 8_000))
  assert.is(warnings.length, 0)
  times(30, () => ask('alice', 0))
  assert.is(warnings.length, 1)
  assert.match(
    warnings[0]?.message ?? '',
    /^\d+ % of the prompts of team1\/alice .*; the usual share is \d\d %$/,
  )
  assert.is(warnings[0]?.fields.key, 'alice')
  times(200, () => ask('alice', 8_000))
  times(30, () => ask('alice', 0))
  assert.is(warnings.length, 2)
})

test('a low, new or wavering share causes no warning', () => {
  const { warnings, ask } = make()
  times(200, () => ask('low', 500))
  times(50, () => ask('low', 0))
  times(30, () => ask('new', 9_000))
  times(30, () => ask('new', 0))
  for (let i = 0; i < 400; i++) ask('wavers', i % 3 === 0 ? 2_000 : 9_000)
  assert.equal(warnings, [])
})

test('short prompts, estimates and responses without cache counts do not count', () => {
  const { warnings, ask } = make()
  times(100, () => ask('alice', 8_000))
  times(100, () => ask('alice', 0, 500))
  times(100, () => ask('alice', 0, 10_000, 'estimated'))
  times(100, () => ask('alice', null))
  assert.equal(warnings, [])
})

test('each key is watched by itself, and the number of keys is bounded', () => {
  const { warnings, ask } = make()
  times(100, () => ask('alice', 8_000))
  times(100, () => ask('bob', 0))
  assert.equal(warnings, [])
  for (let i = 0; i < 10_000; i++) ask(`k${i}`, 0)
  // The key was dropped, and its usual share with it.
  times(30, () => ask('alice', 0))
  assert.equal(warnings, [])
})

test.run()

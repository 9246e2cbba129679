import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CacheCandidate, CacheRules } from '../../src/cache/cache-rules.js'
import { loadConfig } from '../../src/config/config.js'
import { peekFields } from '../../src/json/peek.js'

const { rules } = loadConfig({ env: {}, cwd: '/nonexistent' }).cache
const USUAL = new CacheRules(rules)

function holds(policy: CacheRules, body: string, question: Partial<CacheCandidate> = {}): boolean {
  const { model } = peekFields(Buffer.from(body))
  const whole: CacheCandidate = {
    method: 'POST',
    path: '/chat/completions',
    team: 'team1',
    model: model?.value ?? null,
    bytes: body.length,
    ...question,
  }
  const held = policy.matches(whole, peekFields(Buffer.from(body)))
  if (held) assert.ok(policy.mayMatch(whole), 'held, but not before the body was whole')
  return held
}

const CASES: readonly (readonly [
  held: boolean,
  what: string,
  body: string,
  question?: Partial<CacheCandidate>,
])[] = [
  [true, 'a completion', '{"prompt":"x"}', { path: '/completions' }],
  [true, 'a completion in the middle', '{"prompt":"x","suffix":"y"}', { path: '/fim/completions' }],
  [true, 'a completion of many tokens', '{"prompt":"x","max_tokens":4000}', { path: '/completions' }],
  [true, 'a short chat', '{"messages":[],"max_tokens":256}'],
  [true, 'a short chat in new words', '{"messages":[],"max_completion_tokens":1}'],
  [true, 'a chat of which the newer limit counts', '{"max_completion_tokens":9,"max_tokens":9000}'],
  [false, 'a chat of which the newer limit counts, too', '{"max_tokens":9,"max_completion_tokens":9000}'],
  [false, 'a longer chat', '{"messages":[],"max_tokens":257}'],
  [false, 'a chat without a limit', '{"messages":[]}'],
  [false, 'a chat whose limit is none', '{"messages":[],"max_tokens":"9"}'],
  [false, 'a chat with tools', '{"max_tokens":9,"tools":[{"type":"function"}]}'],
  [false, 'a chat with functions', '{"max_tokens":9,"functions":[{}]}'],
  [false, 'a chat with tools and no functions', '{"max_tokens":9,"tools":[{}],"functions":null}'],
  [false, 'a chat without an end', '{"max_tokens":-1}'],
  [true, 'a chat whose newer limit is null', '{"max_tokens":9,"max_completion_tokens":null}'],
  [true, 'a chat whose tools are null', '{"max_tokens":9,"tools":null}'],
  [false, 'what is no POST', '{"prompt":"x"}', { path: '/completions', method: 'PUT' }],
  [false, 'another path', '{"max_tokens":9}', { path: '/responses' }],
  [false, 'a large prompt', '{"prompt":"x"}', { path: '/completions', bytes: 64 * 1024 + 1 }],
]

for (const [held, what, body, question] of CASES) {
  test(`${what} is ${held ? '' : 'not '}autocomplete`, () => {
    assert.is(holds(USUAL, body, question), held)
  })
}

test('rules go by model and team, too', () => {
  const policy = new CacheRules([
    { model: ['qwen*', 'codestral'], team: 'fast-*', promptBytes: 1000, tools: true },
  ])
  const body = '{"model":"qwen3-coder","tools":[1]}'
  assert.ok(holds(policy, body, { team: 'fast-one' }))
  assert.not(holds(policy, body, { team: 'slow' }))
  assert.not(holds(policy, body, { team: null }))
  assert.not(holds(policy, '{"model":"gpt-x"}', { team: 'fast-one' }))
  assert.not(holds(policy, '{}', { team: 'fast-one' }))
})

test('without rules nothing is', () => {
  assert.not(holds(new CacheRules([]), '{"prompt":"x"}', { path: '/completions' }))
})

test.run()

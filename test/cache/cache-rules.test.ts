import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CacheCandidate, CacheRules } from '../../src/cache/cache-rules.js'
import { loadConfig } from '../../src/config/config.js'
import { peekFields } from '../../src/json/peek.js'

const { rules } = loadConfig({ env: {}, cwd: '/nonexistent' }).cache
const USUAL = new CacheRules(rules)

type Question = Partial<CacheCandidate> & { readonly bytes?: number }

function holds(
  policy: CacheRules,
  body: string,
  { bytes = body.length, ...question }: Question = {},
): boolean {
  const { model } = peekFields(Buffer.from(body))
  const whole: CacheCandidate = {
    method: 'POST',
    path: '/chat/completions',
    team: 'team1',
    model: model?.value ?? null,
    ...question,
  }
  const held = policy.matches(whole, bytes, peekFields(Buffer.from(body)))
  if (held) assert.ok(policy.mayMatch(whole, bytes), 'mayMatch must be true before the body is complete')
  return held
}

const CASES: readonly (readonly [held: boolean, what: string, body: string, question?: Question])[] = [
  [true, 'a completion', '{"prompt":"x"}', { path: '/completions' }],
  [true, 'a completion in the middle', '{"prompt":"x","suffix":"y"}', { path: '/fim/completions' }],
  [true, 'a completion of many tokens', '{"prompt":"x","max_tokens":4000}', { path: '/completions' }],
  [true, 'a short chat', '{"messages":[],"max_tokens":256,"temperature":0}'],
  [
    true,
    'a short chat with max_completion_tokens',
    '{"messages":[],"max_completion_tokens":1,"temperature":0.5}',
  ],
  [
    true,
    'a chat with a small max_completion_tokens and a large max_tokens',
    '{"max_completion_tokens":9,"max_tokens":9000,"temperature":0.2}',
  ],
  [
    false,
    'a chat with a small max_tokens and a large max_completion_tokens',
    '{"max_tokens":9,"max_completion_tokens":9000,"temperature":0}',
  ],
  [false, 'a longer chat', '{"messages":[],"max_tokens":257,"temperature":0}'],
  [false, 'a chat without a limit', '{"messages":[],"temperature":0}'],
  [false, 'a chat whose limit is a string', '{"messages":[],"max_tokens":"9"}'],
  [false, 'a chat with tools', '{"max_tokens":9,"tools":[{"type":"function"}],"temperature":0}'],
  [false, 'a chat with functions', '{"max_tokens":9,"functions":[{}],"temperature":0}'],
  [
    false,
    'a chat with tools and no functions',
    '{"max_tokens":9,"tools":[{}],"functions":null,"temperature":0}',
  ],
  [false, 'a chat with a negative limit', '{"max_tokens":-1,"temperature":0}'],
  [
    true,
    'a chat whose max_completion_tokens is null',
    '{"max_tokens":9,"max_completion_tokens":null,"temperature":1e-1}',
  ],
  [true, 'a chat whose tools are null', '{"max_tokens":9,"tools":null,"temperature":0}'],
  [true, 'a chat of one choice', '{"max_tokens":9,"temperature":0,"n":1}'],
  [true, 'a chat whose n is null', '{"max_tokens":9,"temperature":0,"n":null}'],
  [true, 'a completion at a high temperature', '{"prompt":"x","temperature":1.5}', { path: '/completions' }],
  [true, 'a completion of several choices', '{"prompt":"x","n":3}', { path: '/fim/completions' }],
  [false, 'a short chat without a temperature', '{"messages":[],"max_tokens":256}'],
  [false, 'a short chat at a high temperature', '{"max_tokens":9,"temperature":0.51}'],
  [false, 'a short chat whose last temperature is high', '{"max_tokens":9,"temperature":0,"temperature":1}'],
  [false, 'a short chat whose temperature is null', '{"max_tokens":9,"temperature":null}'],
  [false, 'a short chat whose temperature is a string', '{"max_tokens":9,"temperature":"0"}'],
  [false, 'a short chat whose temperature is a list', '{"max_tokens":9,"temperature":[0]}'],
  [false, 'a short chat of two choices', '{"max_tokens":9,"temperature":0,"n":2}'],
  [false, 'a short chat of a number of choices in words', '{"max_tokens":9,"temperature":0,"n":"2"}'],
  [false, 'a PUT', '{"prompt":"x"}', { path: '/completions', method: 'PUT' }],
  [false, 'a request to another path', '{"max_tokens":9}', { path: '/responses' }],
  [false, 'a large prompt', '{"prompt":"x"}', { path: '/completions', bytes: 64 * 1024 + 1 }],
]

for (const [held, what, body, question] of CASES) {
  test(`${what} is ${held ? '' : 'not '}autocomplete by the default rules`, () => {
    assert.is(holds(USUAL, body, question), held)
  })
}

test('a rule without a temperature matches deliberate samples too', () => {
  const rule = { path: '/chat/completions', maxTokens: 256, promptBytes: 1000, tools: false }
  const own = new CacheRules([rule])
  const low = new CacheRules([{ ...rule, maxTemperature: 0 }])
  for (const more of ['', ',"temperature":1', ',"temperature":0,"n":4']) {
    assert.is(holds(own, `{"max_tokens":9${more}}`), true)
    assert.is(holds(low, `{"max_tokens":9${more}}`), false)
  }
  assert.is(holds(low, '{"max_tokens":9,"temperature":0}'), true)
})

test('rules can match by model and team', () => {
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

test('no request is autocomplete without rules', () => {
  assert.not(holds(new CacheRules([]), '{"prompt":"x"}', { path: '/completions' }))
})

test.run()

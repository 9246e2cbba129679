import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS } from '../../src/api/apis.js'
import { MODEL_ROWS } from '../../src/api/model-rows.js'
import { findTraits, type ModelRule, TRAIT_NAMES } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import { PRESET_NAMES, PRESETS, type PresetName } from '../../src/api/presets.js'
import { fc } from '../support/property.js'

function traitsOf(
  model: string | null,
  preset: PresetName | null,
  rules: readonly ModelRule[] = [],
): ModelTraits {
  return findTraits({ model, upstream: 'up', preset, rules }).traits
}

function rule(given: Partial<ModelRule>): ModelRule {
  return { path: 'modelTraits[0]', match: ['*'], upstream: null, preset: null, traits: {}, ...given }
}

/** Model, preset, and some of its traits. */
/** Claude models that take one of them alone. */
const ONE: ModelTraits['refusesTogether'] = [['temperature', 'top_p']]

const KNOWN: ReadonlyArray<[string, PresetName | null, Partial<ModelTraits>]> = [
  ['gpt-5', 'openai', { api: 'responses', customTools: true, efforts: ['minimal', 'low', 'medium', 'high'] }],
  ['gpt-5-mini-2025-08-07', 'azure', { api: 'responses', limitField: 'max_completion_tokens' }],
  ['GPT-5-Nano', 'azure-deployments', { api: 'responses', limitField: 'max_completion_tokens' }],
  // The names that clouds have for models of others.
  ['eu.anthropic.claude-sonnet-4-5-20250929-v1:0', 'bedrock', { api: 'messages', refusesTogether: ONE }],
  [
    'arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-4-20250514-v1:0',
    'bedrock',
    { api: 'messages', maxOutputTokens: 32_000 },
  ],
  ['claude-sonnet-4@20250514', 'vertex', { api: 'messages', maxOutputTokens: 64_000 }],
  ['google/gemini-2.5-pro', 'vertex', { api: 'gemini', thinking: 'budget' }],
  ['gemini-3-pro', 'vertex', { api: 'gemini', toolNames: 'gemini' }],
  ['meta/llama-4-maverick', 'vertex', { api: null }],
  ['amazon.nova-pro-v1:0', 'bedrock', { api: null }],
  ['gpt-5.1', 'openai', { efforts: ['none', 'low', 'medium', 'high'] }],
  ['gpt-5.1-codex', 'openai', { efforts: ['low', 'medium', 'high'], api: 'responses' }],
  ['gpt-5.1-codex-max', 'openai', { efforts: ['low', 'medium', 'high', 'xhigh'] }],
  ['gpt-5.2', 'openai', { efforts: ['none', 'low', 'medium', 'high', 'xhigh'] }],
  ['gpt-5.3-codex', 'openai', { efforts: ['low', 'medium', 'high', 'xhigh'], customTools: true }],
  ['gpt-5.6-terra', 'openai', { api: 'responses', customTools: true }],
  ['gpt-6-astra', 'openai', { api: 'responses', customTools: true }],
  ['gpt-5-pro', 'openai', { efforts: ['high'], api: 'responses' }],
  ['gpt-5.4-pro', 'openai', { efforts: ['medium', 'high', 'xhigh'], api: 'responses' }],
  ['gpt-5-chat-latest', 'openai', { api: null, efforts: [], refuses: [] }],
  ['gpt-5.2-chat-latest', 'openai', { api: null, efforts: [] }],
  ['team-gpt5', 'azure', { api: 'responses' }],
  ['o1', 'openai', { api: 'responses', customTools: false, efforts: ['low', 'medium', 'high'] }],
  ['o1-mini', 'openai', { api: 'chat', efforts: [] }],
  ['o3-pro', 'openai', { api: 'responses' }],
  ['o4-mini-2025-04-16', 'openai', { api: 'responses', customTools: false }],
  ['codex-mini-latest', 'openai', { api: 'responses' }],
  ['gpt-4o', 'openai', { api: null, customTools: false, refuses: [], efforts: [] }],
  ['gpt-4.1-mini', 'azure', { api: null, customTools: false, refuses: [], efforts: [] }],
  ['gpt-oss-20b', 'vllm', { api: 'chat', customTools: false, efforts: ['low', 'medium', 'high'] }],
  ['openai/gpt-oss-120b', 'groq', { api: 'chat', efforts: ['low', 'medium', 'high'] }],
  ['gpt-oss:20b', null, { api: 'chat' }],
  ['openai/gpt-5.2', 'openrouter', { api: 'chat', reasoningObject: true, customTools: false }],
  ['gpt-5', 'litellm', { api: null, limitField: 'max_completion_tokens' }],
  ['gpt-5', null, { api: null, refuses: [], customTools: true }],
  ['claude-3-5-haiku-latest', 'anthropic', { api: 'messages', thinking: 'none', maxOutputTokens: 8192 }],
  ['claude-3-7-sonnet-20250219', 'anthropic', { thinking: 'budget', maxOutputTokens: 64_000, refuses: [] }],
  ['claude-opus-4-20250514', 'anthropic', { thinking: 'budget', maxOutputTokens: 32_000, refuses: [] }],
  [
    'claude-opus-4-1',
    'anthropic',
    { thinking: 'budget', maxOutputTokens: 32_000, refuses: [], refusesTogether: ONE },
  ],
  ['claude-sonnet-4-0', 'anthropic', { thinking: 'budget', maxOutputTokens: 64_000 }],
  ['claude-sonnet-4-5-20250929', 'anthropic', { thinking: 'budget', maxOutputTokens: 64_000 }],
  [
    'claude-haiku-4-5',
    'anthropic',
    { thinking: 'budget', maxOutputTokens: 64_000, refuses: [], refusesTogether: ONE },
  ],
  [
    'claude-opus-4-6',
    'anthropic',
    { thinking: 'adaptive', maxOutputTokens: 128_000, refuses: [], refusesTogether: ONE },
  ],
  ['claude-sonnet-4-6', 'anthropic', { thinking: 'adaptive', maxOutputTokens: 128_000 }],
  ['claude-opus-4-7', 'anthropic', { thinking: 'adaptive', refuses: ['temperature', 'top_p', 'top_k'] }],
  ['claude-opus-5-5', 'anthropic', { thinking: 'adaptive', maxOutputTokens: 128_000, api: 'messages' }],
  ['claude-haiku-9', 'anthropic', { thinking: 'adaptive', maxOutputTokens: null, api: 'messages' }],
  ['gemini-3-pro-preview', 'gemini', { api: 'chat', chatThinking: 'thought_signature' }],
  [
    'models/gemini-3.1-pro',
    'gemini-native',
    { api: 'gemini', thinking: 'adaptive', efforts: ['low', 'high'] },
  ],
  ['gemini-3-flash', 'gemini-native', { efforts: ['minimal', 'low', 'medium', 'high'] }],
  ['gemini-2.5-flash', 'gemini-native', { thinking: 'budget' }],
  ['gemini-2.0-flash', 'gemini', { efforts: [], chatThinking: 'none', api: 'chat' }],
  [
    'deepseek-reasoner',
    'deepseek',
    { chatThinking: 'reasoning_content', refuses: ['logprobs', 'top_logprobs'] },
  ],
  ['deepseek-v4-pro', 'deepseek', { chatThinking: 'reasoning_content', refuses: [] }],
  ['kimi-k2-thinking', 'moonshot', { chatThinking: 'reasoning_content', refuses: [] }],
  ['kimi-k2.5', 'moonshot', { chatThinking: 'reasoning_content', efforts: [] }],
  ['accounts/fireworks/models/kimi-k2p5', 'fireworks', { chatThinking: 'reasoning_content' }],
  ['glm-4.6', 'zai', { chatThinking: 'reasoning_content' }],
  ['MiniMax-M2.1', 'minimax', { efforts: [] }],
  ['qwen3-max', 'alibaba', { efforts: [], customTools: false }],
  ['grok-4-0709', 'xai', { efforts: [], refuses: ['presence_penalty', 'frequency_penalty', 'stop'] }],
  ['grok-4-fast-non-reasoning', 'xai', { efforts: [], refuses: ['presence_penalty', 'frequency_penalty'] }],
  ['grok-4.5', 'xai', { efforts: ['low', 'medium', 'high'] }],
  ['grok-3-mini', 'xai', { efforts: ['low', 'high'] }],
  ['devstral-2512', 'mistral', { callIds: 'nine', limitField: 'max_tokens', customTools: false }],
  ['llama-3.3-70b-versatile', 'groq', { efforts: [], refuses: ['logprobs', 'top_logprobs', 'logit_bias'] }],
  ['qwen3-coder', 'ollama', { api: null, efforts: null, customTools: false, limitField: 'max_tokens' }],
]

for (const [model, preset, expected] of KNOWN) {
  test(`what ${model} wants at ${preset ?? 'an upstream without a preset'} is in the table`, () => {
    const traits = traitsOf(model, preset)
    for (const [name, value] of Object.entries(expected))
      assert.equal(traits[name as keyof ModelTraits], value, name)
  })
}

test("OpenAI's reasoning models refuse sampling, and the o-series also parallel_tool_calls", () => {
  for (const preset of ['openai', 'azure', 'azure-deployments'] as const) {
    for (const model of ['gpt-5', 'gpt-5.4', 'gpt-5-codex', 'gpt-5-pro', 'o1', 'o3-mini', 'o4-mini']) {
      const { refuses } = traitsOf(model, preset)
      for (const field of [
        'temperature',
        'top_p',
        'presence_penalty',
        'frequency_penalty',
        'logit_bias',
        'stop',
      ])
        assert.ok(refuses.includes(field), `${model}: ${field}`)
      assert.is(refuses.includes('parallel_tool_calls'), model.startsWith('o'), model)
    }
  }
})

/** Presets that take custom tools, and those that take `reasoning` as an object. */
const CUSTOM_TOOLS = 'openai azure azure-deployments litellm portkey helicone helicone-gateway'.split(' ')
const REASONING_OBJECT = 'openrouter litellm portkey helicone helicone-gateway'.split(' ')

test('a model that is not in the table wants what the preset says', () => {
  for (const preset of PRESET_NAMES) {
    const { traits, sources } = findTraits({ model: 'my-own', upstream: 'up', preset, rules: [] })
    assert.is(traits.customTools, CUSTOM_TOOLS.includes(preset), preset)
    assert.is(traits.reasoningObject, REASONING_OBJECT.includes(preset), preset)
    assert.equal(sources.customTools, { kind: 'preset', name: preset })
    assert.equal(traits, traitsOf(null, preset))
  }
})

test('no built-in row asks a model by an API that no preset of it has', () => {
  for (const { match, presets, traits } of MODEL_ROWS) {
    for (const preset of presets ?? PRESET_NAMES.filter((each) => PRESETS[each].apis?.includes('chat'))) {
      const { apis } = PRESETS[preset]
      // Azure before v1 has no Responses API: there the API of the body is taken.
      if (preset === 'azure-deployments' || traits.api == null || apis === null) continue
      assert.ok((apis as readonly string[]).includes(traits.api), `${match[0]} at ${preset}`)
    }
  }
})

test('each built-in row can be reached by a name of its own pattern, and says where its traits come from', () => {
  for (const row of MODEL_ROWS) {
    const reached = row.match.some((pattern) =>
      (row.presets ?? [null]).some((preset) => {
        const model = pattern.replaceAll('*', '')
        const { sources } = findTraits({ model, upstream: null, preset, rules: [] })
        return Object.values(sources).some(({ kind, name }) => kind === 'row' && name === pattern)
      }),
    )
    assert.ok(reached, row.match.join(', '))
  }
})

test('what a row refuses is refused beside what its preset refuses', () => {
  const { refuses } = traitsOf('openai/gpt-oss-20b', 'groq')
  assert.equal(refuses, ['logprobs', 'top_logprobs', 'logit_bias'])
})

test('a rule comes before the built-in row, trait by trait, and its list replaces the built-in one', () => {
  const rules = [
    rule({ match: ['gpt-4*'], traits: { api: 'chat' } }),
    rule({
      path: 'modelTraits[1]',
      match: ['x', 'GPT-5*'],
      traits: { refuses: ['temperature'], efforts: null },
    }),
    rule({ path: 'modelTraits[2]', traits: { api: 'chat' } }),
  ]
  const { traits, sources } = findTraits({ model: 'gpt-5-mini', upstream: 'up', preset: 'openai', rules })
  assert.equal(traits.refuses, ['temperature'])
  assert.is(traits.efforts, null)
  assert.is(traits.api, 'responses')
  assert.equal(sources.refuses, { kind: 'rule', name: 'modelTraits[1]' })
  assert.equal(sources.api, { kind: 'row', name: 'gpt-5-*' })
  assert.equal(sources.limitField, { kind: 'row', name: 'gpt-5-*' })
  assert.equal(sources.callIds, { kind: 'default', name: 'default' })
})

test('a rule of another upstream or preset is passed over', () => {
  const traits = { limitField: 'max_completion_tokens' } as const
  const limitOf = (given: Partial<ModelRule>): string =>
    traitsOf('m', 'vllm', [rule({ traits, ...given })]).limitField
  assert.is(limitOf({}), 'max_completion_tokens')
  assert.is(limitOf({ upstream: 'up', preset: 'vllm' }), 'max_completion_tokens')
  assert.is(limitOf({ upstream: 'other' }), 'max_tokens')
  assert.is(limitOf({ preset: 'ollama' }), 'max_tokens')
})

test('a pattern matches as its regular expression would, whatever the name', () => {
  const piece = fc.constantFrom('a', 'b', 'A', '.', '-', '*')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), fc.array(piece, { maxLength: 8 }), (parts, letters) => {
      const [pattern, name] = [parts.join(''), letters.join('')]
      const expected = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 'i').test(name)
      const traits = traitsOf(name, 'vllm', [rule({ match: [pattern], traits: { callIds: 'nine' } })])
      assert.is(traits.callIds === 'nine', expected, `${pattern} ${name}`)
    }),
  )
})

test('any name has all traits, each with a source', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(null, ...PRESET_NAMES), (model, preset) => {
      const { traits, sources } = findTraits({ model, upstream: null, preset, rules: [] })
      for (const name of TRAIT_NAMES) assert.ok(traits[name] !== undefined && sources[name] !== undefined)
      assert.ok(traits.api === null || CONVERSATION_APIS.includes(traits.api))
    }),
  )
})

test.run()

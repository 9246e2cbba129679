import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PRESETS, type PresetName } from '../../src/api/presets.js'
import { findPriceContext } from '../../src/ledger/price-context.js'
import { parseRateField } from '../../src/ledger/price-fields.js'
import { listNameForms } from '../../src/ledger/price-names.js'
import { Prices } from '../../src/ledger/prices.js'

const RATES = { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6 }

function table(...names: (string | readonly [name: string, provider: string])[]): object {
  return Object.fromEntries(
    names.map((one) =>
      typeof one === 'string' ? [one, RATES] : [one[0], { ...RATES, litellm_provider: one[1] }],
    ),
  )
}

/** The name of the entry that a request is billed by; null if there is none. */
function entryOf(
  file: object,
  [answered, requested]: readonly [string | null, string | null],
  upstream: { preset?: PresetName; origin?: string; priceProvider?: string } = {},
): string | null {
  const prices = Prices.from('prices.json', file)
  const { preset = null, origin = 'https://up.example', priceProvider = null } = upstream
  prices.follow([{ name: 'up', preset, origin, priceProvider }])
  const found = prices.find(answered, requested, 'up')
  return found === null ? null : `${found.origin.builtIn ? 'built-in ' : ''}${found.origin.name}`
}

const FILE = table(
  ['groq/llama-3.3-70b-versatile', 'groq'],
  ['groq/openai/gpt-oss-120b', 'groq'],
  ['xai/grok-9', 'xai'],
  ['mistral/devstral-9', 'mistral'],
  ['codestral/codestral-9', 'codestral'],
  ['openrouter/anthropic/claude-sonnet-9', 'openrouter'],
  ['azure/gpt-4o', 'azure'],
  ['azure/eu/gpt-4o', 'azure'],
  ['azure/gpt-4o-2024-08-06', 'azure'],
  ['gpt-4o', 'openai'],
  ['azure_ai/phi-9', 'azure_ai'],
  ['bedrock/us-east-1/anthropic.claude-9-v1:0', 'bedrock'],
  ['anthropic.claude-9-v1:0', 'bedrock_converse'],
  ['us.anthropic.claude-9-v1:0', 'bedrock_converse'],
  ['vertex_ai/claude-sonnet-9@20250514', 'vertex_ai-anthropic_models'],
  ['vertex_ai/claude-haiku-9', 'vertex_ai-anthropic_models'],
  ['claude-opus-9-20260101', 'anthropic'],
  ['gemini-9-pro', 'vertex_ai-language-models'],
  ['gemini/gemini-9-pro', 'gemini'],
  ['gemini-9-flash', 'vertex_ai-language-models'],
  ['dashscope/qwen9-max', 'dashscope'],
  ['together_ai/deepseek-ai/DeepSeek-V9', 'together_ai'],
  ['fireworks_ai/accounts/fireworks/models/kimi-k9', 'fireworks_ai'],
  ['deepseek/deepseek-chat', 'deepseek'],
  ['moonshot/kimi-k9', 'moonshot'],
  ['zai/glm-9', 'zai'],
  ['minimax/MiniMax-M9', 'minimax'],
  ['ollama/llama3', 'ollama'],
  ['hosted_vllm/qwen', 'hosted_vllm'],
  ['ft:gpt-4o-2024-08-06', 'openai'],
  'our-model',
)

/** The upstream, the model that it names, and the entry that is taken. */
const NAMES: readonly (readonly [PresetName | string, string, string | null])[] = [
  ['groq', 'llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
  ['groq', 'openai/gpt-oss-120b', 'groq/openai/gpt-oss-120b'],
  ['groq', 'groq/llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
  ['groq', 'grok-9', null],
  ['xai', 'grok-9', 'xai/grok-9'],
  ['xai', 'grok-9-latest', 'xai/grok-9'],
  ['mistral', 'devstral-9', 'mistral/devstral-9'],
  ['mistral', 'codestral-9', 'codestral/codestral-9'],
  ['openrouter', 'anthropic/claude-sonnet-9', 'openrouter/anthropic/claude-sonnet-9'],
  ['alibaba', 'qwen9-max', 'dashscope/qwen9-max'],
  ['together', 'deepseek-ai/DeepSeek-V9', 'together_ai/deepseek-ai/DeepSeek-V9'],
  ['fireworks', 'accounts/fireworks/models/kimi-k9', 'fireworks_ai/accounts/fireworks/models/kimi-k9'],
  ['deepseek', 'deepseek-chat', 'deepseek/deepseek-chat'],
  ['moonshot', 'kimi-k9', 'moonshot/kimi-k9'],
  ['zai', 'glm-9', 'zai/glm-9'],
  ['minimax', 'MiniMax-M9', 'minimax/MiniMax-M9'],
  // The entry of the provider itself, before that of another provider under the exact name.
  ['azure', 'gpt-4o', 'azure/gpt-4o'],
  ['azure', 'gpt-4o-2024-08-06', 'azure/gpt-4o-2024-08-06'],
  ['azure', 'gpt-4o-2024-11-20', 'azure/gpt-4o'],
  ['azure', 'eu/gpt-4o', 'azure/eu/gpt-4o'],
  ['azure', 'azure/eu/gpt-4o', 'azure/eu/gpt-4o'],
  ['azure', 'phi-9', 'azure_ai/phi-9'],
  ['azure-deployments', 'gpt-4o', 'azure/gpt-4o'],
  ['openai', 'gpt-4o', 'gpt-4o'],
  ['openai', 'ft:gpt-4o-2024-08-06:team::id', 'ft:gpt-4o-2024-08-06'],
  ['gemini', 'gemini-9-pro', 'gemini/gemini-9-pro'],
  ['gemini-native', 'models/gemini-9-pro', 'gemini/gemini-9-pro'],
  ['gemini', 'gemini-9-flash', 'gemini-9-flash'],
  ['anthropic', 'claude-opus-9-20260101', 'claude-opus-9-20260101'],
  ['anthropic', 'claude-opus-9', null],
  // Without a price of its own, the built-in one.
  ['azure', 'gpt-4o-mini', 'built-in gpt-4o-mini'],
  ['anthropic', 'claude-sonnet-4-5-20250929', 'built-in claude-sonnet-4-5'],
  // A server of one's own may call its models as it likes.
  ['llama-cpp', 'gpt-4o', null],
  ['lm-studio', 'gpt-4o-mini', null],
  ['vllm', 'gpt-4o', null],
  ['ollama', 'gpt-4o', null],
  ['ollama', 'llama3', 'ollama/llama3'],
  ['vllm', 'qwen', 'hosted_vllm/qwen'],
  ['llama-cpp', 'our-model', 'our-model'],
  // Behind another gateway there may be any provider.
  ['litellm', 'gpt-4o', 'gpt-4o'],
  ['litellm', 'groq/llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
  ['portkey', 'claude-opus-9-20260101', 'claude-opus-9-20260101'],
  // Without a preset, the host tells the provider.
  ['https://api.groq.com', 'llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
  ['https://our.openai.azure.com', 'gpt-4o', 'azure/gpt-4o'],
  ['https://our.cognitiveservices.azure.com', 'gpt-4o', 'azure/gpt-4o'],
  ['https://our.openai.azure.com.example', 'gpt-4o', 'gpt-4o'],
  ['https://our.services.ai.azure.com', 'phi-9', 'azure_ai/phi-9'],
  ['https://aiplatform.eu.rep.googleapis.com', 'claude-haiku-9', 'vertex_ai/claude-haiku-9'],
  [
    'https://bedrock-mantle.us-east-1.api.aws',
    'anthropic.claude-9-v1:0',
    'bedrock/us-east-1/anthropic.claude-9-v1:0',
  ],
  [
    'https://bedrock-runtime.us-east-1.amazonaws.com',
    'anthropic.claude-9-v1:0',
    'bedrock/us-east-1/anthropic.claude-9-v1:0',
  ],
  [
    'https://bedrock-runtime.us-east-1.amazonaws.com',
    'us.anthropic.claude-9-v1:0',
    'us.anthropic.claude-9-v1:0',
  ],
  [
    'https://bedrock-runtime.eu-west-1.amazonaws.com',
    'eu.anthropic.claude-9-v1:0',
    'anthropic.claude-9-v1:0',
  ],
  [
    'https://us-east5-aiplatform.googleapis.com',
    'claude-sonnet-9@20250514',
    'vertex_ai/claude-sonnet-9@20250514',
  ],
  ['https://aiplatform.googleapis.com', 'claude-haiku-9@20251001', 'vertex_ai/claude-haiku-9'],
  ['https://up.example', 'llama-3.3-70b-versatile', null],
  ['https://up.example', 'gpt-4o', 'gpt-4o'],
  ['http://127.0.0.1:11434', 'gpt-4o', 'gpt-4o'],
]

for (const [upstream, model, entry] of NAMES)
  test(`${model} at ${upstream} has the price of ${entry ?? 'nothing'}`, () => {
    const place = upstream.includes(':') ? { origin: upstream } : { preset: upstream as PresetName }
    // Twice: the second time it is remembered.
    for (let time = 0; time < 2; time++) assert.is(entryOf(FILE, [model, null], place), entry)
  })

test("the exact name wins over the provider's, where the entry is the operator's or the provider's own", () => {
  const place = { preset: 'azure' } as const
  assert.is(entryOf(table('m', ['azure/m', 'azure']), ['m', null], place), 'm')
  assert.is(entryOf(table(['m', 'azure'], ['azure/m', 'azure']), ['m', null], place), 'm')
  assert.is(entryOf(table(['m', 'azure_text'], ['azure/m', 'azure']), ['m', null], place), 'm')
  assert.is(entryOf(table(['m', 'openai'], ['azure/m', 'azure']), ['m', null], place), 'azure/m')
  assert.is(entryOf(table(['m', 'groq']), ['m', null], place), 'm')
})

/** The model that answered, the one requested, and the entry that is taken; with and without a file. */
test('the model that answered decides, but for an alias with an entry of the operator', () => {
  const file = table('own', 'alias', ['gpt-4o', 'openai'], ['gpt-4.1', 'openai'])
  for (const [answered, requested, entry] of [
    // An alias named as a model of a provider has not the price of that model.
    ['llama', 'gpt-4o', null],
    ['llama', 'gpt-4o-2024-08-06', null],
    ['llama', 'gpt-5', null],
    ['gpt-4o-mini', 'gpt-4o', 'built-in gpt-4o-mini'],
    ['gpt-4.1', 'gpt-4o', 'gpt-4.1'],
    // The operator has given the alias a price.
    ['llama', 'alias', 'alias'],
    ['gpt-4o-mini', 'alias', 'alias'],
    ['gpt-4.1', 'alias', 'alias'],
    // The name has to be exact.
    ['llama', 'alias-latest', null],
    ['llama', 'alias-2025-01-01', null],
    ['own', 'alias', 'own'],
    ['own', 'gpt-4o', 'own'],
    // The upstream names no model.
    [null, 'alias', 'alias'],
    [null, 'gpt-4o', 'gpt-4o'],
    [null, 'gpt-5-latest', 'built-in gpt-5'],
    [null, null, null],
  ] as const)
    assert.is(entryOf(file, [answered, requested]), entry, `${answered} for ${requested}`)
  // Also without a provider, an entry under the name of a model that is built in is the price of that model.
  const plain = table('gpt-4o', 'gpt-4.1-2025-04-14')
  for (const requested of ['gpt-4o', 'gpt-4.1-2025-04-14']) {
    assert.is(entryOf(plain, ['llama', requested]), null)
    assert.is(entryOf(plain, [requested, requested]), requested)
    assert.is(entryOf(plain, [requested, requested], { preset: 'azure' }), requested)
    assert.is(entryOf(plain, [requested, requested], { preset: 'llama-cpp' }), null)
  }
  // A local server that repeats the alias, or names no model.
  for (const answered of ['gpt-4o', null])
    assert.is(entryOf(file, [answered, 'gpt-4o'], { preset: 'llama-cpp' }), null)
})

test('prices follow the upstreams of a new config', () => {
  const prices = Prices.from('p', FILE)
  const of = () => prices.find('llama-3.3-70b-versatile', null, 'up')?.origin.name
  assert.is(of(), undefined)
  prices.follow([{ name: 'up', preset: 'groq', origin: 'https://api.groq.com', priceProvider: null }])
  assert.is(of(), 'groq/llama-3.3-70b-versatile')
  prices.follow([{ name: 'other', preset: 'groq', origin: 'https://api.groq.com', priceProvider: null }])
  assert.is(of(), undefined)
})

test('the config says what stands before the models of an upstream, and its parent comes after it', () => {
  const at = (priceProvider: string, model: string, preset?: PresetName) =>
    entryOf(FILE, [model, null], preset === undefined ? { priceProvider } : { priceProvider, preset })
  assert.is(at('azure/eu', 'gpt-4o', 'azure'), 'azure/eu/gpt-4o')
  assert.is(at('azure/eu', 'gpt-4o-2024-11-20'), 'azure/eu/gpt-4o')
  assert.is(at('azure/eu', 'gpt-4o-2024-08-06'), 'azure/gpt-4o-2024-08-06')
  assert.is(at('azure/eu', 'phi-9', 'azure'), 'azure_ai/phi-9')
  assert.is(at('groq', 'llama-3.3-70b-versatile'), 'groq/llama-3.3-70b-versatile')
  assert.is(at('groq', 'gpt-4o', 'llama-cpp'), null)
})

test('the host of OpenAI gives the region', () => {
  const region = (origin: string) =>
    findPriceContext({ name: 'up', preset: 'openai', origin, priceProvider: null }).region
  assert.is(region('https://eu.api.openai.com'), 'eu')
  assert.is(region('https://api.openai.com'), null)
  assert.is(region('https://eu.api.openai.com.example'), null)
  assert.equal(
    findPriceContext({ name: 'up', preset: null, origin: 'https://us.api.openai.com', priceProvider: null }),
    {
      providers: ['openai'],
      takesOthers: true,
      region: 'us',
    },
  )
})

test('every preset of a provider has a name in price files', () => {
  for (const [name, { priceProviders, keyless }] of Object.entries(PRESETS))
    assert.ok(keyless || priceProviders.length > 0 || name === 'helicone-gateway', name)
})

test('the name itself comes first, and no form is empty or twice', () => {
  for (const name of ['gpt-4o', 'a@20250101', 'us.anthropic.x-latest', '-latest', 'models/', 'ft:', '']) {
    const forms = listNameForms(name)
    assert.is(forms[0], name)
    assert.is(new Set(forms).size, forms.length)
    assert.not.ok(forms.slice(1).includes(''), name)
  }
})

test('the names of fields are read with a size and a tier in either order', () => {
  for (const [name, kind, above, service] of [
    ['input_cost_per_token', 'input', 0, ''],
    ['output_cost_per_token_above_200k_tokens', 'output', 200_000, ''],
    ['cache_read_input_token_cost_above_272k_tokens_flex', 'cacheRead', 272_000, 'flex'],
    ['cache_read_input_token_cost_flex_above_272k_tokens', 'cacheRead', 272_000, 'flex'],
    ['cache_creation_input_token_cost_above_1hr', 'cacheWriteHour', 0, ''],
    ['cache_creation_input_token_cost_above_1hr_above_200k_tokens', 'cacheWriteHour', 200_000, ''],
    ['cache_creation_input_token_cost_above_200k_tokens_above_1hr', 'cacheWriteHour', 200_000, ''],
    ['cache_creation_input_token_cost_above_200k_tokens', 'cacheWrite', 200_000, ''],
    ['input_cost_per_token_above_128_tokens', 'input', 128, ''],
    ['input_cost_per_audio_token_priority', 'audioInput', 0, 'priority'],
    ['output_cost_per_image_token_batches', 'imageOutput', 0, 'batches'],
    ['input_cost_per_token_cache_hit', 'cacheRead', 0, ''],
  ] as const)
    assert.equal(parseRateField(name), { kind, above, service }, name)
  for (const name of [
    ...['input_cost_per_image', 'input_cost_per_second', 'input_cost_per_character', 'output_cost_per_pixel'],
    ...['input_cost_per_token_batch_requests', 'input_cost_per_tokens', 'max_tokens', '', 'constructor'],
    ...[
      'input_cost_per_token_above_1hr',
      'input_cost_per_token_above_200k',
      'output_cost_per_image_above_512',
    ],
  ])
    assert.is(parseRateField(name), null, name)
})

test.run()

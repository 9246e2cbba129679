import { OPENAI_ROWS } from './model-rows-openai.js'
import type { ModelTraits } from './model-traits.js'
import type { PresetName } from './presets.js'

/** What some models at some upstreams want. */
export interface ModelRow {
  /** Patterns of model names: `*` matches anything, upper and lower case are alike. */
  readonly match: readonly string[]
  /** The presets of the upstreams that it is true for; null: any, and an upstream without a preset. */
  readonly presets: readonly PresetName[] | null
  /** What differs from the defaults of the preset. */
  readonly traits: Partial<ModelTraits>
}

/** What the models of every preset want, if `PRESET_TRAITS` does not say otherwise. */
export const ANY_PRESET_TRAITS: Partial<ModelTraits> = { customTools: false, reasoningObject: false }

/** Gateways adapt requests themselves: as little as possible is rewritten for them. */
const GATEWAY: Partial<ModelTraits> = { customTools: true, reasoningObject: true }

/** What a preset's models want, whatever their names. */
export const PRESET_TRAITS: Readonly<Partial<Record<PresetName, Partial<ModelTraits>>>> = {
  // `max_tokens` is deprecated, and all models take its successor (platform.openai.com, API reference, Chat).
  openai: { limitField: 'max_completion_tokens', customTools: true, toolNames: 'openai' },
  azure: { limitField: 'max_completion_tokens', customTools: true, toolNames: 'openai' },
  'azure-deployments': { customTools: true, toolNames: 'openai' },
  helicone: { limitField: 'max_completion_tokens', toolNames: 'openai', ...GATEWAY },
  'helicone-gateway': GATEWAY,
  litellm: GATEWAY,
  portkey: GATEWAY,
  openrouter: { reasoningObject: true },
  anthropic: { toolNames: 'anthropic' },
  // Its schema forbids fields that it does not have; the usage comes unasked. Call ids are checked
  // (docs.mistral.ai, API, Chat Completion).
  mistral: {
    callIds: 'nine',
    refuses: [
      ...['stream_options', 'max_completion_tokens', 'seed', 'logprobs', 'top_logprobs', 'logit_bias'],
      ...['user', 'store', 'service_tier', 'verbosity'],
    ],
  },
  // console.groq.com, OpenAI Compatibility: these give a 400. Few models take an effort (Reasoning).
  groq: { refuses: ['logprobs', 'top_logprobs', 'logit_bias'], efforts: [] },
  // Its schema has neither, and refuses what it does not have.
  gemini: { api: 'chat', refuses: ['store', 'metadata'], toolNames: 'gemini' },
  'gemini-native': { api: 'gemini', toolNames: 'gemini' },
}

/** They run open models, and read what they know of a message. */
const OPEN_HOSTS: readonly PresetName[] = [
  'openrouter',
  'fireworks',
  'vllm',
  'llama-cpp',
  'litellm',
  'portkey',
]

const ANTHROPIC: readonly PresetName[] = ['anthropic']
const CLAUDE: Partial<ModelTraits> = { api: 'messages', customTools: false, thinking: 'none' }
/** Extended thinking guide: models that think by `budget_tokens`. */
const CLAUDE_BUDGET: Partial<ModelTraits> = { ...CLAUDE, thinking: 'budget' }
/** Since Opus 4.1, `temperature` and `top_p` are refused together (Messages API, model notes). */
const ONE_SAMPLING: ModelTraits['refusesTogether'] = [['temperature', 'top_p']]
const CLAUDE_ONE_SAMPLING: Partial<ModelTraits> = { ...CLAUDE_BUDGET, refusesTogether: ONE_SAMPLING }
/** Adaptive thinking guide. Since Opus 4.7 sampling parameters give a 400 (migration guide). */
const CLAUDE_ADAPTIVE: Partial<ModelTraits> = {
  ...CLAUDE,
  thinking: 'adaptive',
  refuses: ['temperature', 'top_p', 'top_k'],
  efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
}

/** Limits: platform.claude.com, Models overview. */
const CLAUDE_ROWS: readonly ModelRow[] = [
  {
    match: ['claude-3-opus*', 'claude-3-haiku*', 'claude-3-sonnet*', 'claude-2*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE, maxOutputTokens: 4_096 },
  },
  { match: ['claude-3-5-*'], presets: ANTHROPIC, traits: { ...CLAUDE, maxOutputTokens: 8_192 } },
  { match: ['claude-3-7-*'], presets: ANTHROPIC, traits: { ...CLAUDE_BUDGET, maxOutputTokens: 64_000 } },
  {
    match: ['claude-opus-4', 'claude-opus-4-0', 'claude-opus-4-20*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE_BUDGET, maxOutputTokens: 32_000 },
  },
  {
    match: ['claude-opus-4-1*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE_ONE_SAMPLING, maxOutputTokens: 32_000 },
  },
  {
    match: ['claude-sonnet-4', 'claude-sonnet-4-0', 'claude-sonnet-4-20*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE_BUDGET, maxOutputTokens: 64_000 },
  },
  {
    match: ['claude-opus-4-5*', 'claude-sonnet-4-5*', 'claude-haiku-4-5*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE_ONE_SAMPLING, maxOutputTokens: 64_000 },
  },
  {
    match: ['claude-opus-4-6*', 'claude-sonnet-4-6*'],
    presets: ANTHROPIC,
    traits: {
      ...CLAUDE_ADAPTIVE,
      refuses: [],
      refusesTogether: ONE_SAMPLING,
      efforts: ['low', 'medium', 'high', 'max'],
      maxOutputTokens: 128_000,
    },
  },
  {
    match: ['claude-opus-*', 'claude-sonnet-5*', 'claude-fable-*', 'claude-mythos-*'],
    presets: ANTHROPIC,
    traits: { ...CLAUDE_ADAPTIVE, maxOutputTokens: 128_000 },
  },
  // Later models: what all of the present ones have in common.
  { match: ['claude-*'], presets: ANTHROPIC, traits: CLAUDE_ADAPTIVE },
]

/**
 * ai.google.dev: OpenAI compatibility (efforts; thinking of 2.5 Pro and 3 cannot be switched off), Thought signatures,
 * Thinking (`thinkingBudget` before 3, `thinkingLevel` since). Penalties give "Penalty is not enabled".
 */
const GEMINI_PENALTIES = [
  'presence_penalty',
  'frequency_penalty',
  'presencePenalty',
  'frequencyPenalty',
] as const
const GEMINI: readonly PresetName[] = ['gemini', 'gemini-native']
const GEMINI_ROWS: readonly ModelRow[] = [
  {
    match: ['gemini-2.5-pro*', 'models/gemini-2.5-pro*'],
    presets: GEMINI,
    traits: {
      thinking: 'budget',
      efforts: ['minimal', 'low', 'medium', 'high'],
      refuses: GEMINI_PENALTIES,
      maxOutputTokens: 65_536,
    },
  },
  {
    match: ['gemini-2.5-flash*', 'models/gemini-2.5-flash*'],
    presets: GEMINI,
    traits: {
      thinking: 'budget',
      efforts: ['none', 'minimal', 'low', 'medium', 'high'],
      refuses: GEMINI_PENALTIES,
      maxOutputTokens: 65_536,
    },
  },
  {
    match: ['gemini-1*', 'gemini-2.0*', 'models/gemini-1*', 'models/gemini-2.0*'],
    presets: GEMINI,
    traits: { efforts: [], maxOutputTokens: 8_192 },
  },
  // Pro has no level `minimal`.
  {
    match: ['gemini-3*-pro*', 'models/gemini-3*-pro*'],
    presets: ['gemini-native'],
    traits: {
      thinking: 'adaptive',
      efforts: ['low', 'high'],
      refuses: GEMINI_PENALTIES,
      maxOutputTokens: 65_536,
    },
  },
  {
    match: ['gemini-3*', 'models/gemini-3*'],
    presets: GEMINI,
    traits: {
      thinking: 'adaptive',
      efforts: ['minimal', 'low', 'medium', 'high'],
      chatThinking: 'thought_signature',
      refuses: GEMINI_PENALTIES,
      maxOutputTokens: 65_536,
    },
  },
]

const GROK_REFUSES = ['presence_penalty', 'frequency_penalty', 'stop'] as const

const OTHER_ROWS: readonly ModelRow[] = [
  // api-docs.deepseek.com, Thinking Mode: with tools, `reasoning_content` has to come back. Reasoning Model: logprobs
  // give an error. Every effort but `none` is taken.
  {
    match: ['deepseek-reasoner*'],
    presets: ['deepseek'],
    traits: {
      chatThinking: 'reasoning_content',
      refuses: ['logprobs', 'top_logprobs'],
      efforts: ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
    },
  },
  {
    match: ['deepseek-*'],
    presets: ['deepseek'],
    traits: {
      chatThinking: 'reasoning_content',
      efforts: ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
    },
  },
  // platform.moonshot.ai, Use thinking models: `reasoning_content` of all calls has to come back. Since K2.5 sampling
  // has fixed values, and others give an error; K3 takes an effort, K2 only `thinking`.
  {
    match: ['kimi-k2-thinking*'],
    presets: ['moonshot'],
    traits: { chatThinking: 'reasoning_content', efforts: [] },
  },
  {
    match: ['kimi-k2.*'],
    presets: ['moonshot'],
    traits: {
      chatThinking: 'reasoning_content',
      efforts: [],
      refuses: ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'],
    },
  },
  {
    match: ['kimi-k3*'],
    presets: ['moonshot'],
    traits: {
      chatThinking: 'reasoning_content',
      efforts: ['low', 'high', 'max'],
      refuses: ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'],
    },
  },
  // docs.z.ai, Thinking mode: interleaved thinking wants `reasoning_content` back.
  {
    match: ['glm-4.5*', 'glm-4.6*', 'glm-4.7*', 'glm-5*'],
    presets: ['zai'],
    traits: { chatThinking: 'reasoning_content' },
  },
  // platform.minimax.io, OpenAI API: thinking is text between think tags, which stays in the message.
  { match: ['minimax-*'], presets: ['minimax'], traits: { efforts: [] } },
  // help.aliyun.com, Deep thinking: switched by `enable_thinking`, and no part of later requests.
  { match: ['qwen*', 'qwq*', 'qvq*'], presets: ['alibaba'], traits: { efforts: [] } },
  // The same models at other hosts.
  {
    match: [
      ...[
        'deepseek-reasoner*',
        'deepseek-v3.2*',
        'deepseek-v4*',
        'kimi-k2-thinking*',
        'kimi-k2.*',
        'kimi-k3*',
      ],
      ...['*/deepseek-v3.2*', '*/deepseek-v4*', '*/kimi-k2-thinking*', '*/kimi-k2.*', '*/kimi-k3*'],
      ...['*/kimi-k2p*', '*/glm-4.5*', '*/glm-4.6*', '*/glm-4.7*', '*/glm-5*', '*/glm-4p*'],
    ],
    presets: OPEN_HOSTS,
    traits: { chatThinking: 'reasoning_content' },
  },
  // docs.x.ai, Reasoning: reasoning models refuse penalties and `stop`; since Grok 4 the others refuse penalties, too.
  // An effort is taken by 3-mini and since 4.3.
  { match: ['grok-3-mini*'], presets: ['xai'], traits: { efforts: ['low', 'high'], refuses: GROK_REFUSES } },
  { match: ['grok-3*', 'grok-2*'], presets: ['xai'], traits: { efforts: [] } },
  {
    match: ['grok-*-non-reasoning*'],
    presets: ['xai'],
    traits: { efforts: [], refuses: ['presence_penalty', 'frequency_penalty'] },
  },
  {
    match: ['grok-4.3*'],
    presets: ['xai'],
    traits: { efforts: ['none', 'low', 'medium', 'high'], refuses: GROK_REFUSES },
  },
  {
    match: ['grok-4.5*'],
    presets: ['xai'],
    traits: { efforts: ['low', 'medium', 'high'], refuses: GROK_REFUSES },
  },
  {
    match: ['grok-4', 'grok-4-*', 'grok-4.1*', 'grok-4.20*', 'grok-code*'],
    presets: ['xai'],
    traits: { efforts: [], refuses: GROK_REFUSES },
  },
  { match: ['grok-*'], presets: ['xai'], traits: { refuses: GROK_REFUSES } },
]

/** All built-in rows. The first one that matches a model and its upstream's preset is taken. */
export const MODEL_ROWS: readonly ModelRow[] = [...OPENAI_ROWS, ...CLAUDE_ROWS, ...GEMINI_ROWS, ...OTHER_ROWS]

import type { ModelRow } from './model-rows.js'
import type { ModelTraits } from './model-traits.js'
import type { PresetName } from './presets.js'

const OPENAI: readonly PresetName[] = ['openai', 'azure', 'azure-deployments', 'helicone']
/** They take names such as `openai/gpt-5`, or plain ones, and pass most fields on. */
const GATEWAYS: readonly PresetName[] = ['openrouter', 'litellm', 'portkey', 'helicone-gateway']
/**
 * What OpenAI's reasoning models refuse, in chat completions and in Responses (platform.openai.com, Reasoning;
 * learn.microsoft.com, Azure OpenAI reasoning models, "Not supported").
 */
const SAMPLING = [
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'],
  ...['logprobs', 'top_logprobs', 'logit_bias', 'stop'],
] as const

const REASONING: Partial<ModelTraits> = {
  api: 'responses',
  refuses: SAMPLING,
  limitField: 'max_completion_tokens',
}

/** Function calling guide: custom tools came with GPT-5. */
const GPT5: Partial<ModelTraits> = { ...REASONING, customTools: true }
const O_SERIES: Partial<ModelTraits> = {
  ...REASONING,
  refuses: [...SAMPLING, 'parallel_tool_calls'],
  customTools: false,
}

/**
 * Rows for OpenAI's models. API reference, `reasoning_effort`: `none` from 5.1 on in place of `minimal`, `xhigh` after
 * 5.1-codex-max.
 */
export const OPENAI_ROWS: readonly ModelRow[] = [
  // Open weights: each host has chat completions for them (model card, openai/gpt-oss).
  {
    match: ['gpt-oss*', '*/gpt-oss*'],
    presets: null,
    traits: { api: 'chat', customTools: false, efforts: ['low', 'medium', 'high'] },
  },
  // GPT-5 without reasoning; the later ones reason by a fixed effort (model pages, "Chat").
  {
    match: ['gpt-5-chat*'],
    presets: OPENAI,
    traits: { efforts: [], customTools: false, limitField: 'max_completion_tokens' },
  },
  {
    match: ['gpt-5.*-chat*', 'gpt-6*-chat*'],
    presets: OPENAI,
    traits: { efforts: [], refuses: SAMPLING, customTools: false, limitField: 'max_completion_tokens' },
  },
  // Responses alone (model pages).
  { match: ['gpt-5-pro*'], presets: OPENAI, traits: { ...GPT5, efforts: ['high'] } },
  {
    match: ['gpt-5.*-pro*', 'gpt-6*-pro*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['medium', 'high', 'xhigh'] },
  },
  {
    match: ['gpt-5-codex*', 'gpt-5.1-codex', 'gpt-5.1-codex-20*', 'gpt-5.1-codex-mini*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['low', 'medium', 'high'] },
  },
  {
    match: ['gpt-*codex*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['low', 'medium', 'high', 'xhigh'] },
  },
  { match: ['codex-mini*'], presets: OPENAI, traits: { ...O_SERIES, efforts: ['low', 'medium', 'high'] } },
  {
    match: ['gpt-5', 'gpt-5-*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['minimal', 'low', 'medium', 'high'] },
  },
  {
    match: ['gpt-5.1', 'gpt-5.1-*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['none', 'low', 'medium', 'high'] },
  },
  {
    match: ['gpt-5.*', 'gpt-6*'],
    presets: OPENAI,
    traits: { ...GPT5, efforts: ['none', 'low', 'medium', 'high', 'xhigh'] },
  },
  // A deployment's own name that tells its model.
  { match: ['*gpt-5*', '*gpt5*', '*gpt-6*'], presets: ['azure', 'azure-deployments'], traits: GPT5 },
  // They take no effort and no system message.
  { match: ['o1-mini*', 'o1-preview*'], presets: OPENAI, traits: { ...O_SERIES, api: 'chat', efforts: [] } },
  {
    match: ['o1*', 'o3*', 'o4*'],
    presets: OPENAI,
    traits: { ...O_SERIES, efforts: ['low', 'medium', 'high'] },
  },
  // Not reasoning models: an effort gives a 400.
  {
    match: ['gpt-4*', 'gpt-3.5*', 'chatgpt-*', 'ft:gpt-4*', 'ft:gpt-3.5*'],
    presets: OPENAI,
    traits: { efforts: [], customTools: false },
  },
  // openrouter.ai, Responses API: a beta without custom tools. Chat completions carry reasoning and tools together.
  {
    match: ['openai/gpt-4*', 'openai/gpt-3.5*'],
    presets: ['openrouter'],
    traits: { api: 'chat', efforts: [] },
  },
  {
    match: ['openai/gpt-*', 'openai/o1*', 'openai/o3*', 'openai/o4*', 'openai/codex*'],
    presets: ['openrouter'],
    traits: { api: 'chat', refuses: SAMPLING },
  },
  {
    match: ['gpt-5-chat*', 'openai/gpt-5-chat*'],
    presets: GATEWAYS,
    traits: { efforts: [], limitField: 'max_completion_tokens' },
  },
  {
    match: ['gpt-5*', 'gpt-6*', 'openai/gpt-5*', 'openai/gpt-6*'],
    presets: GATEWAYS,
    traits: { refuses: SAMPLING, limitField: 'max_completion_tokens' },
  },
  {
    match: ['o1*', 'o3*', 'o4*', 'openai/o1*', 'openai/o3*', 'openai/o4*'],
    presets: GATEWAYS,
    traits: {
      refuses: [...SAMPLING, 'parallel_tool_calls'],
      limitField: 'max_completion_tokens',
      customTools: false,
    },
  },
]

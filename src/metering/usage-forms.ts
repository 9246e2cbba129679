/**
 * The forms in which upstreams report usage, as a table: one row for each form, with the part that each member counts.
 * `README.md` explains it.
 */

/** What a number of a usage object counts. The parts that a form has decide how `UsageTally` adds them up. */
export const PARTS = [
  /** All of the prompt, with what was read from the cache and written to it. */
  'prompt',
  /** The prompt without what was read from the cache and written to it. */
  'freshPrompt',
  /** Results of tools that the upstream ran itself, beside the prompt. */
  'toolPrompt',
  'cached',
  'written',
  /** Parts of `written`, by how long they are kept. */
  'writtenShort',
  'writtenHour',
  /** The answer. The total shows whether it includes the reasoning. */
  'completion',
  /** Reasoning beside the answer, never in it. */
  'thoughts',
  /** Reasoning in the answer. */
  'reasoning',
  'total',
  'audioPrompt',
  'audioCompletion',
  'imagePrompt',
  'imageCompletion',
  'searches',
  /** The cost in billionths of a US dollar. */
  'costNano',
] as const
/** One of `PARTS`. */
export type Part = (typeof PARTS)[number]

/**
 * What a member of a usage object is: a number of tokens or searches (`Part`), a cost in dollars or in ten-billionths
 * of a dollar, the tier, the passes of an answer, a sign that a part of the prompt is in the total alone, an object
 * with members of its own, one of which some members are added up, or a list of numbers by modality, which are added
 * up too.
 */
export type Field =
  | Part
  | 'usd'
  | 'usdTicks'
  | 'tier'
  | 'passes'
  | 'hidesPrompt'
  | { readonly members: Fields }
  | { readonly sum: readonly string[]; readonly part: Part }
  | { readonly modalities: Readonly<Record<string, Part>> }
/** Members of a usage object by their names. Of several names for one part, the largest number counts. */
export type Fields = Readonly<Record<string, Field>>

/** One row of the table. */
export interface UsageForm {
  readonly name: string
  /** An object is of this form if it has one of these members. Empty: any object is. */
  readonly marks: readonly string[]
  readonly fields: Fields
  /**
   * `freshPrompt` counts only if the cached tokens are reported too. Else it is a part of unknown size of the prompt.
   */
  readonly needsCached?: boolean
  /**
   * What the total counts beyond prompt and completion, where the form hides something there. Null: nothing can be
   * said of it.
   */
  readonly surplus?: 'prompt' | 'completion'
}

const CACHE_CREATION: Field = {
  members: { ephemeral_5m_input_tokens: 'writtenShort', ephemeral_1h_input_tokens: 'writtenHour' },
}

const PROMPT_DETAILS: Field = {
  members: {
    cached_tokens: 'cached',
    cache_write_tokens: 'written',
    cache_creation_tokens: 'written',
    cache_creation_input_tokens: 'written',
    cache_creation: CACHE_CREATION,
    cache_creation_token_details: CACHE_CREATION,
    audio_tokens: 'audioPrompt',
    image_tokens: 'imagePrompt',
  },
}

const COMPLETION_DETAILS: Field = {
  members: {
    reasoning_tokens: 'reasoning',
    thinking_tokens: 'reasoning',
    audio_tokens: 'audioCompletion',
    image_tokens: 'imageCompletion',
  },
}

/** Names that some upstream uses beside those of its API. None of them has another meaning anywhere. */
const EXTRAS: Fields = {
  prompt_tokens_details: PROMPT_DETAILS,
  // Mistral.
  prompt_token_details: PROMPT_DETAILS,
  input_tokens_details: PROMPT_DETAILS,
  // OpenAI's transcriptions and Realtime.
  input_token_details: PROMPT_DETAILS,
  completion_tokens_details: COMPLETION_DETAILS,
  output_tokens_details: COMPLETION_DETAILS,
  output_token_details: COMPLETION_DETAILS,
  // Moonshot and Together; DeepSeek; Mistral; LiteLLM, and Anthropic itself.
  cached_tokens: 'cached',
  prompt_cache_hit_tokens: 'cached',
  num_cached_tokens: 'cached',
  cache_read_input_tokens: 'cached',
  cache_creation_input_tokens: 'written',
  cache_creation: CACHE_CREATION,
  // SGLang and Perplexity.
  reasoning_tokens: 'reasoning',
  // Mistral tells it for audio alone.
  prompt_audio_seconds: 'hidesPrompt',
  // Anthropic and OpenRouter; Perplexity; xAI.
  server_tool_use: { members: { web_search_requests: 'searches' } },
  num_search_queries: 'searches',
  num_sources_used: 'searches',
  server_side_tool_usage_details: { sum: ['web_search_calls', 'x_search_calls'], part: 'searches' },
  // OpenRouter and Perplexity; xAI.
  cost: 'usd',
  cost_in_usd_ticks: 'usdTicks',
  service_tier: 'tier',
  total_tokens: 'total',
}

/** Of chat completions. The prompt includes what was cached, also where Anthropic's names stand beside it (LiteLLM). */
const CHAT_FIELDS: Fields = {
  ...EXTRAS,
  prompt_tokens: 'prompt',
  input_tokens: 'prompt',
  completion_tokens: 'completion',
  output_tokens: 'completion',
}

const CHAT_MARKS = ['prompt_tokens', 'completion_tokens']

const CHAT: UsageForm = { name: 'chat', marks: CHAT_MARKS, fields: CHAT_FIELDS }

/** Gemini's compatible API counts thoughts in the total alone. */
const GEMINI_CHAT: UsageForm = { ...CHAT, name: 'gemini chat', surplus: 'completion' }

/** Mistral counts the tokens of audio in the total alone. */
const MISTRAL_CHAT: UsageForm = { ...CHAT, name: 'mistral chat', surplus: 'prompt' }

/** Anthropic counts the tokens that it reads from the cache or writes to it beside the input. */
const ANTHROPIC_FIELDS: Fields = {
  ...EXTRAS,
  input_tokens: 'freshPrompt',
  output_tokens: 'completion',
  iterations: 'passes',
}

const ANTHROPIC: UsageForm = {
  name: 'anthropic',
  marks: ['cache_read_input_tokens', 'cache_creation_input_tokens', 'cache_creation', 'iterations'],
  fields: ANTHROPIC_FIELDS,
}

/** Of the Responses API, images and transcriptions. They tell details or a total; Anthropic tells neither. */
const RESPONSES: UsageForm = {
  name: 'responses',
  marks: ['input_tokens_details', 'input_token_details', 'total_tokens'],
  fields: { ...EXTRAS, input_tokens: 'prompt', output_tokens: 'completion' },
}

/** What is left: the last event of Anthropic's stream may tell no more than `output_tokens`. */
const PLAIN: UsageForm = { name: 'plain', marks: [], fields: ANTHROPIC_FIELDS }

const COHERE_UNITS: Fields = { input_tokens: 'prompt', output_tokens: 'completion', search_units: 'searches' }

/** Cohere tells what it bills and what the model read, which is more. The books have what is billed. */
const COHERE_BILLED: UsageForm = {
  name: 'cohere',
  marks: ['billed_units'],
  fields: { billed_units: { members: COHERE_UNITS }, cached_tokens: 'cached' },
}
const COHERE_TOKENS: UsageForm = {
  name: 'cohere without billed units',
  marks: ['tokens'],
  fields: { tokens: { members: COHERE_UNITS }, cached_tokens: 'cached' },
}

/** Bedrock's Converse. */
const CONVERSE: UsageForm = {
  name: 'converse',
  marks: ['inputTokens', 'outputTokens'],
  fields: {
    inputTokens: 'freshPrompt',
    outputTokens: 'completion',
    cacheReadInputTokens: 'cached',
    cacheWriteInputTokens: 'written',
  },
}

/** Bedrock's own numbers at the end of a model's stream, beside those of the model's API. */
const BEDROCK: UsageForm = {
  name: 'bedrock',
  marks: [],
  fields: {
    inputTokenCount: 'freshPrompt',
    outputTokenCount: 'completion',
    cacheReadInputTokenCount: 'cached',
    cacheWriteInputTokenCount: 'written',
  },
}

/** Gemini's own API counts thoughts beside the candidates, and results of its tools beside the prompt. */
const GEMINI: UsageForm = {
  name: 'gemini',
  marks: [],
  fields: {
    promptTokenCount: 'prompt',
    toolUsePromptTokenCount: 'toolPrompt',
    cachedContentTokenCount: 'cached',
    candidatesTokenCount: 'completion',
    responseTokenCount: 'completion',
    thoughtsTokenCount: 'thoughts',
    totalTokenCount: 'total',
    promptTokensDetails: { modalities: { AUDIO: 'audioPrompt', IMAGE: 'imagePrompt' } },
    candidatesTokensDetails: { modalities: { AUDIO: 'audioCompletion', IMAGE: 'imageCompletion' } },
    responseTokensDetails: { modalities: { AUDIO: 'audioCompletion', IMAGE: 'imageCompletion' } },
    serviceTier: 'tier',
    trafficType: 'tier',
  },
}

/** Ollama's own API has no object for them. */
const OLLAMA: UsageForm = {
  name: 'ollama',
  marks: ['prompt_eval_count', 'eval_count'],
  fields: { prompt_eval_count: 'prompt', eval_count: 'completion' },
}

/** llama.cpp's own API (server README, `/completion`). */
const LLAMA: UsageForm = {
  name: 'llama.cpp',
  marks: ['tokens_evaluated', 'tokens_predicted'],
  fields: { tokens_evaluated: 'prompt', tokens_predicted: 'completion' },
}
/** Older versions do not tell `cache_n`, and then have no cache to tell of. */
const LLAMA_TIMINGS: UsageForm = {
  name: 'llama.cpp timings',
  marks: [],
  fields: { cache_n: 'cached', prompt_n: 'freshPrompt', predicted_n: 'completion' },
}
/** A request for single fields gets them under their paths. `cache_n` may be missing because it was not requested. */
const LLAMA_FIELDS: UsageForm = {
  name: 'llama.cpp fields',
  marks: ['timings/prompt_n', 'timings/predicted_n'],
  fields: {
    'timings/cache_n': 'cached',
    'timings/prompt_n': 'freshPrompt',
    'timings/predicted_n': 'completion',
  },
  needsCached: true,
}

/** Forms of an object that is called `usage`. The first that has one of its marks there counts. */
export const USAGE_FORMS: readonly UsageForm[] = [
  CHAT,
  COHERE_BILLED,
  COHERE_TOKENS,
  CONVERSE,
  ANTHROPIC,
  RESPONSES,
  PLAIN,
]

/** The same for the upstreams whose bytes do not tell what they mean, by their presets. */
export const FORMS_OF_PRESET: Readonly<Record<string, readonly UsageForm[]>> = {
  gemini: USAGE_FORMS.map((form) => (form === CHAT ? GEMINI_CHAT : form)),
  mistral: USAGE_FORMS.map((form) => (form === CHAT ? MISTRAL_CHAT : form)),
}

/** Forms that stand in a place of their own. */
export const OWN_FORMS = {
  gemini: [GEMINI],
  bedrock: [BEDROCK],
  timings: [LLAMA_TIMINGS],
  /** Of a response or an event itself. */
  top: [OLLAMA, LLAMA, LLAMA_FIELDS],
  /** Version 1 of Cohere's API. */
  meta: [COHERE_BILLED, COHERE_TOKENS],
} as const satisfies Readonly<Record<string, readonly UsageForm[]>>

/** Words for the tier that is paid at the usual price. */
export const USUAL_TIERS: ReadonlySet<string> = new Set([
  'auto',
  'default',
  'standard',
  'on_demand',
  'ON_DEMAND',
])

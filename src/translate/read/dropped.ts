import type { ConversationApi } from '../../api/apis.js'
import type { Conversation, Json } from '../conversation.js'

/** A field of a conversation that some API does not have. */
interface Field {
  /** Its name in chat completions, or in the only API that has it. */
  readonly name: string
  readonly value: (conversation: Conversation) => Json | boolean | null
  /** APIs that have it, perhaps under another name. */
  readonly carries: readonly ConversationApi[]
}

const OPENAI: readonly ConversationApi[] = ['chat', 'responses']

const FIELDS: readonly Field[] = [
  { name: 'top_k', value: ({ topK }) => topK, carries: ['messages', 'gemini'] },
  { name: 'seed', value: ({ seed }) => seed, carries: ['chat', 'gemini'] },
  {
    name: 'frequency_penalty',
    value: ({ frequencyPenalty }) => frequencyPenalty,
    carries: ['chat', 'gemini'],
  },
  { name: 'presence_penalty', value: ({ presencePenalty }) => presencePenalty, carries: ['chat', 'gemini'] },
  { name: 'stop', value: ({ stop }) => stop, carries: ['chat', 'messages', 'gemini'] },
  {
    name: 'parallel_tool_calls',
    value: ({ parallelCalls }) => parallelCalls,
    carries: [...OPENAI, 'messages'],
  },
  { name: 'verbosity', value: ({ verbosity }) => verbosity, carries: OPENAI },
  { name: 'user', value: ({ user }) => user, carries: [...OPENAI, 'messages'] },
  { name: 'metadata', value: ({ metadata }) => metadata, carries: OPENAI },
  { name: 'service_tier', value: ({ serviceTier }) => serviceTier, carries: [...OPENAI, 'messages'] },
  { name: 'prompt_cache_key', value: ({ promptCacheKey }) => promptCacheKey, carries: OPENAI },
  // Values that are not harmless are refused.
  { name: 'n', value: ({ n }) => (Number(n) === 1 ? null : n), carries: ['chat'] },
  { name: 'logprobs', value: ({ logprobs }) => (logprobs === 'false' ? null : logprobs), carries: ['chat'] },
  { name: 'top_logprobs', value: ({ topLogprobs }) => topLogprobs, carries: ['chat'] },
  { name: 'logit_bias', value: ({ logitBias }) => logitBias, carries: ['chat'] },
]

/** OpenAI's APIs have these in common (their API references). */
const OPENAI_OTHERS = ['store', 'safety_identifier', 'prompt_cache_retention', 'prompt_cache_options']

/** Names in `Conversation.others` that an API has as well. */
export const CARRIED_OTHERS: Readonly<Record<ConversationApi, ReadonlySet<string>>> = {
  chat: new Set(OPENAI_OTHERS),
  responses: new Set([
    ...OPENAI_OTHERS,
    ...['include', 'truncation', 'previous_response_id', 'conversation', 'prompt', 'background'],
  ]),
  messages: new Set(),
  gemini: new Set(),
}

/**
 * Lists the fields of a request that an API does not have, whatever model it is for. Those that `findRefusal` finds
 * are among them.
 * @returns names as in chat completions for fields that several APIs have, else as in the client's body; each once
 */
export function listDropped(conversation: Conversation, to: ConversationApi): string[] {
  const names: string[] = []
  for (const { name, value, carries } of FIELDS) {
    if (!carries.includes(to) && value(conversation) !== null) names.push(name)
  }
  for (const name of conversation.others.keys()) if (!CARRIED_OTHERS[to].has(name)) names.push(name)
  return names
}

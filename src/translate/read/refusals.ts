import type { ConversationApi } from '../../api/apis.js'
import { parseJson } from '../../json/values.js'
import type { Conversation, Item, Json, Part } from '../conversation.js'
import type { FieldRefusal } from '../conversation-request.js'

/** Why a value of a field cannot be carried to an API; null if it can. */
interface Rule {
  /** The field's name: as in chat completions if all APIs have it, else as in the client's body. */
  readonly param: string
  /** APIs that take it. */
  readonly carries: readonly ConversationApi[]
  readonly find: (conversation: Conversation) => boolean
  /** What cannot be done, and what to change. The name of the API comes ahead of it. */
  readonly message: string
}

/** Fields of OpenAI's Responses that stand for what OpenAI stores, and what to do without them. */
const STORED: readonly (readonly [param: string, message: string])[] = [
  [
    'previous_response_id',
    'does not have the responses that OpenAI stores: send the whole conversation in `input`',
  ],
  [
    'conversation',
    'does not have the conversations that OpenAI stores: send the whole conversation in `input`',
  ],
  ['prompt', 'does not have the prompts that OpenAI stores: send the text in `instructions`'],
  ['input[item_reference]', 'does not have the items that OpenAI stores: send the items themselves'],
  ['input[compaction]', 'cannot read a compacted conversation of OpenAI: send the items themselves'],
]

const OPENAI: readonly ConversationApi[] = ['chat', 'responses']

const RULES: readonly Rule[] = [
  ...STORED.map(
    ([param, message]): Rule => ({
      param,
      message,
      carries: ['responses'],
      find: ({ others }) => others.has(param),
    }),
  ),
  {
    param: 'background',
    carries: ['responses'],
    find: ({ others }) => others.get('background') === 'true',
    message: 'answers at once: leave out `background`',
  },
  {
    param: 'n',
    carries: ['chat'],
    find: ({ n }) => n !== null && Number(n) !== 1,
    message: 'gives one answer for each request: leave out `n`, or send several requests',
  },
  {
    param: 'logprobs',
    carries: OPENAI,
    find: ({ logprobs, topLogprobs }) => logprobs === 'true' || (topLogprobs !== null && topLogprobs !== '0'),
    message: 'gives no log probabilities that can be translated: leave out `logprobs` and `top_logprobs`',
  },
  {
    param: 'logit_bias',
    carries: ['chat'],
    find: ({ logitBias }) => logitBias !== null && !/^\{\s*\}$/.test(logitBias),
    message: 'cannot favour single tokens: leave out `logit_bias`',
  },
  {
    param: 'modalities',
    carries: ['chat'],
    find: ({ others }) => others.has('audio') || hasAudio(others.get('modalities') ?? null),
    message: 'answers in text alone here: leave out `audio`, and `"audio"` in `modalities`',
  },
  {
    param: 'input_audio',
    carries: ['chat', 'responses', 'gemini'],
    find: ({ items }) => hasPart(items, isAudio),
    message: 'cannot hear: leave out the `input_audio` parts, or choose a model that takes audio',
  },
  {
    param: 'file_id',
    carries: OPENAI,
    find: ({ items }) => hasPart(items, isStored),
    message: 'does not have the files that another vendor stores: send the file itself as base64',
  },
]

/** Names in `Conversation.others` that a rule here looks at. A reader keeps these, however many others there are. */
export const REFUSABLE_OTHERS: ReadonlySet<string> = new Set([
  ...STORED.map(([param]) => param),
  ...['background', 'audio', 'modalities'],
])

const NAMES: Readonly<Record<ConversationApi, string>> = {
  chat: 'Chat completions',
  responses: 'Responses',
  messages: "Anthropic's Messages API",
  gemini: "Gemini's API",
}

/**
 * Finds a field that an API cannot carry and that must not be dropped, as the client would get another answer than it
 * asked for. All other fields that an API does not have are harmless: the writers report them.
 * @returns the first such field; null if the conversation can go to this API
 */
export function findRefusal(conversation: Conversation, to: ConversationApi): FieldRefusal | null {
  for (const { param, carries, find, message } of RULES) {
    if (carries.includes(to) || !find(conversation)) continue
    return { param, message: `${NAMES[to]}, which this model is asked by, ${message}.` }
  }
  return null
}

function hasAudio(modalities: Json | null): boolean {
  const parsed = modalities === null ? null : parseJson(modalities)
  return Array.isArray(parsed) && parsed.includes('audio')
}

function hasPart(items: readonly Item[], test: (part: Part) => boolean): boolean {
  for (const item of items) {
    if ((item.kind === 'message' || item.kind === 'result') && item.parts.some(test)) return true
  }
  return false
}

function isAudio({ type }: Part): boolean {
  return type === 'audio'
}

function isStored(part: Part): boolean {
  return (part.type === 'image' || part.type === 'file') && part.source.kind === 'id'
}

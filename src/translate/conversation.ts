import type { CallPlace } from './thinking/thought-memory.js'

/**
 * A conversation as no API writes it: the readers of the three client APIs (`read/`) build it, and the writers of the
 * four target APIs (`write/`) print it. Twelve pairs of APIs need seven files instead of twenty-four.
 *
 * Values stay JSON text, as they stand in the client's body: a number keeps its digits, however long, and no prompt is
 * decoded and encoded. So nothing here is a parsed value but names, ids and flags.
 */

/** JSON text of any value, to be copied unchanged. */
export type Json = string
/** JSON text of a string, with its quotes. */
export type JsonString = string

export type Role = 'system' | 'user' | 'assistant'

/** A part of a message or of a tool's result. */
export type Part = TextPart | ImagePart | FilePart | AudioPart

interface PartBase {
  /** The client's own `cache_control` mark; null if there is none. */
  readonly cache: Json | null
}

export interface TextPart extends PartBase {
  readonly type: 'text'
  readonly text: JsonString
  /** It is a refusal of the model's. */
  readonly isRefusal: boolean
}

export interface ImagePart extends PartBase {
  readonly type: 'image'
  readonly source: DataSource
  /** `low`, `high` or `auto`; null if the client does not say. */
  readonly detail: string | null
}

export interface FilePart extends PartBase {
  readonly type: 'file'
  readonly source: DataSource
  readonly name: JsonString | null
}

export interface AudioPart extends PartBase {
  readonly type: 'audio'
  /** Base64. */
  readonly data: JsonString
  /** `wav` or `mp3`. */
  readonly format: string
}

/** Where the bytes of an image or a file are. */
export type DataSource =
  | { readonly kind: 'url'; readonly url: JsonString }
  /** `mediaType` is plain text such as `image/png`; `data` is base64 without the prefix of a data URL. */
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: JsonString }
  /** An id that only one vendor knows. */
  | { readonly kind: 'id'; readonly id: JsonString }
  /** Plain text (Messages' document of type `text`). */
  | { readonly kind: 'text'; readonly text: JsonString }

/** One step of a conversation, in its order. */
export type Item = MessageItem | CallItem | ResultItem | ThinkingItem

export interface MessageItem {
  readonly kind: 'message'
  readonly role: Role
  /** Never empty, and without empty texts. */
  readonly parts: readonly Part[]
}

/** The assistant calls a tool. */
export interface CallItem {
  readonly kind: 'call'
  readonly id: string
  readonly name: string
  readonly input: CallInput
  /** The call came as a custom tool's, with free text. */
  readonly isCustom: boolean
  /** Where it stands in the client's body, by which its thinking is found. Missing: nowhere. */
  readonly source?: CallPlace
}

/** The result of a call. */
export interface ResultItem {
  readonly kind: 'result'
  readonly id: string
  readonly parts: readonly Part[]
  readonly isError: boolean
  /** The client's own `cache_control` mark. */
  readonly cache: Json | null
}

/** Thinking that the client sent back, in the form of the API that it came from. */
export interface ThinkingItem {
  readonly kind: 'thinking'
  /** Where the JSON can be sent unchanged: a reasoning item of Responses, a thinking block of Messages. */
  readonly api: 'responses' | 'messages' | 'chat'
  /** The whole item or block; for `chat` the JSON string of `reasoning_content`. */
  readonly json: Json
}

/**
 * The input of a call. `text`: the JSON string whose content is the arguments as JSON text (chat completions,
 * Responses), or a custom tool's free text. `object`: the arguments as a JSON object (Messages, Gemini).
 */
export type CallInput =
  | { readonly form: 'text'; readonly text: JsonString }
  | { readonly form: 'object'; readonly object: Json }

/** A tool that the client runs. */
export interface Tool {
  readonly kind: 'function' | 'custom'
  readonly name: string
  readonly description: JsonString | null
  /** JSON schema of the arguments of a function; null if it has none. */
  readonly schema: Json | null
  readonly strict: Json | null
  /** Grammar of a custom tool; null for free text. */
  readonly grammar: { readonly syntax: JsonString; readonly definition: JsonString } | null
  readonly cache: Json | null
}

/** Which tools the model may or must call. */
export type ToolChoice =
  | { readonly kind: 'auto' | 'none' | 'any' }
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'allowed'; readonly mode: 'auto' | 'any'; readonly names: readonly string[] }

/** The form of the model's answer. */
export type AnswerFormat =
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema'
      readonly name: JsonString | null
      readonly description: JsonString | null
      readonly schema: Json
      readonly strict: Json | null
    }

/** Splits the items into the system's text ahead of all others, and what follows it. */
export function splitSystem(items: readonly Item[]): { system: readonly Item[]; rest: readonly Item[] } {
  const first = items.findIndex((item) => item.kind !== 'message' || item.role !== 'system')
  return first === -1
    ? { system: items, rest: [] }
    : { system: items.slice(0, first), rest: items.slice(first) }
}

/** A whole request of a client, whatever API it is written for. Fields that it does not have are null. */
export interface Conversation {
  readonly model: JsonString | null
  readonly stream: boolean
  /** The client wants the usage at the end of a stream of chat completions. */
  readonly includeUsage: boolean
  readonly items: readonly Item[]
  readonly tools: readonly Tool[]
  readonly toolChoice: ToolChoice | null
  readonly parallelCalls: boolean | null
  readonly maxTokens: Json | null
  readonly temperature: Json | null
  readonly topP: Json | null
  readonly topK: Json | null
  readonly seed: Json | null
  readonly frequencyPenalty: Json | null
  readonly presencePenalty: Json | null
  /** JSON array of strings. */
  readonly stop: Json | null
  readonly format: AnswerFormat | null
  /** `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max` or what else the client says. */
  readonly effort: string | null
  /** Tokens that Claude may think, from the client's own `thinking`; null if it does not say. */
  readonly thinkingBudget: Json | null
  readonly verbosity: JsonString | null
  /** Who uses it (`user`, `metadata.user_id`). */
  readonly user: JsonString | null
  readonly metadata: Json | null
  readonly serviceTier: JsonString | null
  readonly promptCacheKey: JsonString | null
  /** Number of answers. */
  readonly n: Json | null
  readonly logprobs: Json | null
  readonly topLogprobs: Json | null
  readonly logitBias: Json | null
  /**
   * Other fields by their names in the client's body, in its order: what a writer does not know under this name is
   * dropped, or refused where dropping it would change what the client gets (`previous_response_id`).
   */
  readonly others: ReadonlyMap<string, Json>
}

import type { ConversationApi } from './apis.js'

/**
 * How a model's earlier thinking has to be sent back beside its tool calls, in chat completions:
 * - `none`: it is not;
 * - `reasoning_content`: as that member of the assistant's message (DeepSeek, Kimi);
 * - `thought_signature`: as `extra_content.google.thought_signature` of each call (Gemini's compatible API).
 *
 * The other APIs have one way each: reasoning items, thinking blocks, `thoughtSignature`.
 */
export type ChatThinking = 'none' | 'reasoning_content' | 'thought_signature'

/**
 * What one model at one upstream wants of a request. Data alone: `model-rows.ts` has the rows, `model-table.ts` finds
 * them.
 */
export interface ModelTraits {
  /**
   * The API by which the model is asked, if its upstream has it; null: the API that the client's body is written for.
   */
  readonly api: ConversationApi | null
  /** Names of request fields that the model refuses, in the API that it is asked by. They are left out. */
  readonly refuses: readonly string[]
  /** Pairs of fields that it refuses together: where a request has both, the second is left out. */
  readonly refusesTogether: readonly (readonly [string, string])[]
  /** The name of the limit of output tokens in chat completions. */
  readonly limitField: 'max_tokens' | 'max_completion_tokens'
  /** The effort levels that it takes, from low to high; null: whatever the client says is sent. Empty: none is sent. */
  readonly efforts: readonly string[] | null
  /** Whether it takes custom tools (free text instead of JSON arguments). Otherwise they become functions. */
  readonly customTools: boolean
  /** Whether its chat completions take `reasoning` as an object (OpenRouter). */
  readonly reasoningObject: boolean
  readonly chatThinking: ChatThinking
  /**
   * How a Claude model thinks: `budget`: `thinking: {"type":"enabled","budget_tokens":N}`; `adaptive`: by effort
   * (`output_config.effort`); `none`: not at all. Of a Gemini model: `budget` or `adaptive` (`thinkingLevel`). Null: as
   * the client says.
   */
  readonly thinking: 'none' | 'budget' | 'adaptive' | null
  /** The longest output that it takes, in tokens: Messages requires a limit. Null: unknown. */
  readonly maxOutputTokens: number | null
  /** The call ids that it takes: `any` up to 64 characters of `[A-Za-z0-9_-]`, or Mistral's nine letters and digits. */
  readonly callIds: 'any' | 'nine'
  /**
   * The names of tools that it takes: `openai` up to 64 characters of `[A-Za-z0-9_-]`, `anthropic` up to 128 of them,
   * `gemini` up to 64 of `[A-Za-z0-9_.:-]` behind a letter or an underscore. Others are replaced on the way in, and put
   * back in answers. Null: whatever its API takes.
   */
  readonly toolNames: 'openai' | 'anthropic' | 'gemini' | null
}

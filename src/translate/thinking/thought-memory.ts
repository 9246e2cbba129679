import type { ConversationApi } from '../../api/apis.js'

/** Thinking that came with tool calls, as its upstream wants it back. */
export interface Thought {
  /** Name of the upstream that it came from: nobody else can read it. */
  readonly upstream: string
  readonly api: ConversationApi
  /**
   * JSON text. Chat completions: the string `reasoning_content`, or the object `extra_content` of the call (Gemini's
   * compatible API). Responses: the reasoning items ahead of the call, joined by commas. Messages: the thinking blocks
   * ahead of the call, joined by commas. Gemini: the string `thoughtSignature` of the call.
   */
  readonly json: string
}

/**
 * The thinking of one team's earlier turns, by the ids of the tool calls behind it. Cursor does not send thinking back,
 * and these models refuse a turn without it, or think worse.
 */
export interface ThoughtMemory {
  /** @returns null if it is not known, or was forgotten */
  find(callId: string): Thought | null
  remember(callId: string, thought: Thought): void
}

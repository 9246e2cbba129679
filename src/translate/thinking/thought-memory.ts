import type { ConversationApi } from '../../api/apis.js'

/** Thinking that came with tool calls, as its upstream wants it back. */
export interface Thought {
  /** Name of the upstream that it came from: nobody else can read it. */
  readonly upstream: string
  /** The model's name there: signatures and encrypted reasoning are bound to it. Null: the request named none. */
  readonly model: string | null
  readonly api: ConversationApi
  /**
   * JSON text. Chat completions: the string `reasoning_content`, or the object `extra_content` of the call (Gemini's
   * compatible API). Responses: the reasoning items ahead of the call, joined by commas. Messages: the thinking blocks
   * ahead of the call, joined by commas. Gemini: the string `thoughtSignature` of the call. '' if there was none.
   */
  readonly json: string
}

/** A call in the conversation of a request. */
export interface CallPlace {
  /** As the client has it. */
  readonly id: string
  /** Index of its message or item in the client's body. */
  readonly message: number
}

/**
 * The thinking of the earlier turns of one conversation. Cursor does not send thinking back, and these models refuse a
 * turn without it, or think worse.
 */
export interface ThoughtMemory {
  /**
   * Resolves when `find` knows what is kept. It has a time limit, and never rejects.
   * @returns null if it does already
   */
  whenReady(): Promise<void> | null
  /** @returns null if it is not known, or was forgotten */
  find(call: CallPlace): Thought | null
  /** Opens what remembers the thinking of an answer to the request. It soon lets go of the request's body. */
  openRecorder(): ThoughtRecorder
}

/** Remembers what came with the calls of one answer. */
export interface ThoughtRecorder {
  /** @param callId as the client gets it @param thought without any `json` too, so that no other is taken for it */
  remember(callId: string, thought: Thought): void
}

/** Whether thinking came from this model at this upstream, by this API: no other can read it. */
export function isFrom(thought: Thought, { upstream, model, api }: Omit<Thought, 'json'>): boolean {
  return thought.upstream === upstream && thought.model === model && thought.api === api
}

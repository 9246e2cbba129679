import type { ResponseFacts } from '../http/response-headers.js'

/**
 * Changes one response while it passes, chunk by chunk. It has a state and is used for one response only.
 *
 * The calls come in this order: `push` for each chunk, then exactly one of `end`, `breakOff` and `abort`.
 * A buffer that is returned may be a view of bytes that the next call reuses: write it, or copy it, before that.
 */
export interface Translation {
  /**
   * What the client gets although the upstream's head says something else: its content type has to change. Null: the
   * content type stays.
   */
  readonly makes: 'stream' | 'json' | null
  /**
   * Bytes that have arrived and wait for more. The caller compares them with the limit `transformBufferBytes` after
   * each chunk, and calls `abort` when they exceed it. A translation with a bound of its own, which passes longer input
   * unchanged, counts 0.
   */
  readonly bytesHeld: number
  /** @returns the bytes that may go to the client now; often none, as an event is changed when it is complete */
  push(chunk: Buffer): Buffer
  /** The response has ended as HTTP ends it. @returns the rest */
  end(): Buffer
  /** The response broke off. @returns what may still be sent before the cut: nothing that looks like an end */
  breakOff(): Buffer
  /**
   * More is held than may be.
   * @param error an error body in the form of chat completions, as JSON on one line
   * @returns the error in the form that the client reads: as an event, or as a body
   */
  abort(error: string): Buffer
}

/**
 * Chooses the translation for a response by its head; null if the response passes as it is. Called once for each
 * response: two calls return two translations that share no state.
 */
export type CreateTranslation = (status: number, facts: ResponseFacts) => Translation | null

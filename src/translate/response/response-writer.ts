import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'

/** Why an answer ended, in the words of chat completions. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

/**
 * Prints a response in the API that the client reads, as a stream or as a whole body. The readers of the four upstream
 * APIs (`response/read-*.ts`) call it; twelve pairs of APIs, streamed or not, need four readers and six writers.
 *
 * In whatever order it is called, the beginning comes first, one end comes last, and nothing follows the end or an
 * error. A text that is empty writes nothing.
 */
export interface ResponseWriter {
  /** Bytes, or characters, that wait for the end: a writer of streams holds none. */
  readonly bytesHeld: number
  /** The number of tool calls so far, and so the index of the next one. */
  readonly calls: number
  /** There was any text, reasoning, refusal or tool call. */
  readonly filled: boolean
  /** The end or an error is written. */
  readonly over: boolean
  /** @returns the bytes since the last call; a writer of whole bodies returns none until it is over */
  take(): Buffer
  /**
   * Begins the response, once; later calls do nothing.
   * @param created in seconds since 1970
   */
  begin(id: string | null, created: number | null, model: string | null): void
  content(text: string): void
  reasoning(text: string): void
  refusal(text: string): void
  /**
   * Begins a tool call.
   * @param isCustom its input is free text: a chat client gets it as the arguments of a function
   * @returns the index of the call
   */
  openCall(id: string, name: string, isCustom?: boolean): number
  /** Writes a part of a call's arguments (JSON text), or of a custom tool's input. */
  callArguments(index: number, text: string): void
  /** A comment of the upstream's stream. @param text with its colon */
  comment(text: string): void
  /** Something that restarts idle timeouts on the way to the client, such as Cloudflare's 100 s. */
  keepAlive(): void
  /** Writes the end. @param usage null if it is unknown */
  finish(reason: FinishReason, usage: ChatUsage | null): void
  /** Writes an error in the client's form: nothing that looks like a success follows. */
  fail(error: ChatError): void
}

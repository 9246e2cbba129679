import type { Peek } from '../json/peek.js'
import type { BodyUpload } from '../lib/body-upload.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { ConversationRequest } from '../translate/conversation-request.js'

/** What an exchange knows of its request body, and what an attempt needs to send it. */
export interface RequestBodyHandle {
  /** The buffers as the socket gave them. */
  readonly pieces: readonly Buffer[]
  /** The text of an encoded body (`content-encoding`); null if it is not encoded, or was not decoded. */
  readonly decoded: readonly Buffer[] | null
  /** Bytes of the complete body, known before it is complete. */
  readonly length: number
  readonly isComplete: boolean
  /** Members that were found on the way: model, stream and others. */
  readonly peeked: Peek
  /** Fits it to the API of each target; null if it goes as it came. */
  readonly conversation: ConversationRequest | null
  /** @param pieces the buffers that have arrived, edited or not @returns the body for the upstream's client */
  send(pieces: readonly Buffer[]): Buffer | BodyUpload
  /** A sample of the prompt, if an upstream may have read it; null if not, or if the body is freed. */
  samplePrompt(): PromptSample | null
  /** Frees the body once no other attempt can need it. */
  release(): void
}

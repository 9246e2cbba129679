import type { Peek } from '../json/peek.js'
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

/** A body that is sent while it arrives. */
export interface BodyUpload extends AsyncIterableIterator<Buffer> {
  /** Has the body written, as it arrives. */
  sendTo(writer: BodyWriter): void
  /** The writer has room again. */
  readonly resume: () => void
  /** All of it has been written, as far as can be known. */
  readonly written: boolean
}

export interface BodyWriter {
  /** @returns false if the next data has to wait for `resume` */
  write(data: Buffer): boolean
  /** The body ends here, complete or not. */
  end(): void
}

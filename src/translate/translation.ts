import type { ResponseFacts } from '../http/response-headers.js'

/** Changes an answer while it passes; `UnaskedUsage` is one, and those that make chat completions of other APIs' answers. */
export interface Translation {
  /** @returns what may go to the client now; often nothing, as an event is changed when it is whole */
  push(piece: Buffer): Buffer
  /** The answer has ended well. @returns what is left to be sent */
  end(): Buffer
  /** What comes of it is a stream of events, which the head does not say. */
  readonly makesStream?: boolean
  /** Bytes that have come, and go on when more has. Left out by those that have a bound for them themselves. */
  readonly bytesHeld?: number
  /** They are too many. @param error JSON that says so @returns what tells the client; no other call follows */
  abort?(error: string): Buffer
  /** It broke off. @returns what may be sent ahead of the cut: never anything that looks like an end */
  breakOff(): Buffer
}

/** What changes an answer of which this is the head; null if it goes on as it is. */
export type CreateTranslation = (status: number, facts: ResponseFacts) => Translation | null

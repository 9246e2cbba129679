import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import type { BudgetedBuffer } from './budgeted-buffer.js'

/** The beginning of a response that is held back: while nothing of it has gone to the client, it can be given up. */
export interface HeldResponse {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  /** Hands what is held to the receiver of the response. @returns false to pause reading */
  release(receiver: BodyHandler): boolean
  /** Gives the head its connection, while the receiver takes it; see `ResponseHead.rawSocket`. */
  offerSocket(isOffered: boolean): void
}

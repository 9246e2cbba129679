import type { Attempt, ResponseHead } from './attempt.js'
import type { BudgetedBuffer } from './budgeted-buffer.js'

/** The beginning of a response that is held back: while nothing of it has gone to the client, it can be given up. */
export interface HeldResponse {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
}

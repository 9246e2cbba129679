import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'
import type { HeldResponse } from './held-response.js'

/**
 * A refusal of the request (400, 404, 422), held until it is complete: it may say which field the model does not take,
 * so that the request can be sent once more without it. The model has generated nothing by then.
 */
export class RefusedRequest implements BodyHandler, HeldResponse {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  private readonly failover: Failover

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.held = new BudgetedBuffer(budget)
    this.failover = failover
  }

  /** An error that is too long to be held goes to the client. */
  onData(chunk: Buffer): boolean {
    return this.held.push(chunk) ? true : this.failover.onContent(this)
  }

  onEnd(): void {
    if (this.failover.onRefusal(this)) {
      this.held.free()
      return
    }
    this.failover.onContent(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.failover.onContent(this)
    this.attempt.onError(error)
  }
}

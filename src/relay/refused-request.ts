import type { FailureKind } from '../routing/outcome.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'
import type { HeldResponse } from './held-response.js'

/** Milliseconds that the body may take, from the head on. */
const HELD_MS = 1_000

/**
 * A refusal of the request (400, 403, 404, 422, 429), held until it is complete: it may say which field the model does
 * not take, so that the request can be sent once more without it, or that the account is at fault, so that another
 * target may do better. The model has generated nothing by then.
 */
export class RefusedRequest implements BodyHandler, HeldResponse {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  /** By the status alone. */
  readonly kind: FailureKind
  private readonly failover: Failover
  private readonly timer: NodeJS.Timeout

  constructor(
    failover: Failover,
    attempt: Attempt,
    head: ResponseHead,
    kind: FailureKind,
    budget: ByteBudget,
  ) {
    this.attempt = attempt
    this.head = head
    this.kind = kind
    this.held = new BudgetedBuffer(budget)
    this.failover = failover
    this.timer = setTimeout(giveUpWaiting, HELD_MS, this).unref()
  }

  /** An error that is too long to be held is judged by its status. */
  onData(chunk: Buffer): boolean {
    return this.held.push(chunk) ? true : this.settle()
  }

  onEnd(): void {
    clearTimeout(this.timer)
    this.failover.onRefusal(this, Buffer.concat(this.held.chunks))
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    clearTimeout(this.timer)
    this.failover.onRefusalCut(this, error)
  }

  /** The rest of the body is not waited for. @returns false to pause reading */
  settle(): boolean {
    clearTimeout(this.timer)
    return this.failover.onRefusal(this, null)
  }

  /** Nothing of it is needed any more. */
  stop(): void {
    clearTimeout(this.timer)
    this.held.free()
  }

  release(receiver: BodyHandler): boolean {
    let more = true
    for (const chunk of this.held.chunks) more = receiver.onData(chunk)
    this.held.free()
    return more
  }

  offerSocket(): void {}
}

function giveUpWaiting(refused: RefusedRequest): void {
  refused.settle()
}

import { findHeader } from '../http/flat-headers.js'
import { isEventStream } from '../http/media-type.js'
import { findErrorStatus } from '../routing/error-event.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'
import { FirstContentFinder } from './first-content.js'
import type { HeldResponse } from './held-response.js'

/** An error in place of the first content of a stream. */
export interface ErrorEvent {
  /** The status that a response with this error has. */
  readonly status: number
  /** As the vendor calls it, for the log. */
  readonly type: string
}

/**
 * The beginning of a response, held back until it has content. Keep-alive comments (DeepSeek, OpenRouter), blank lines
 * and events that only announce an answer are no content. While nothing has gone to the client, another target can
 * still be tried.
 */
export class ProbedResponse implements BodyHandler, HeldResponse {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  /** When the head arrived: `performance.now()`. */
  readonly since: number
  /** Null if the response is not an event stream. */
  private readonly firstContent: FirstContentFinder | null
  private readonly failover: Failover

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.held = new BudgetedBuffer(budget)
    this.since = performance.now()
    const isStream = isEventStream(findHeader(head.raw, 'content-type'))
    this.firstContent = isStream ? new FirstContentFinder() : null
    this.failover = failover
  }

  onData(chunk: Buffer): boolean {
    const hasRoom = this.held.push(chunk)
    if (!hasRoom) return this.failover.onContent(this)
    const { firstContent } = this
    if (firstContent === null) return chunk.some(isVisible) ? this.failover.onContent(this) : true
    const found = firstContent.push(chunk)
    if (found === 'empty') return true
    if (found === 'content') return this.failover.onContent(this)
    const type = firstContent.errorType ?? 'error'
    return this.failover.onErrorEvent(this, { status: findErrorStatus(type), type })
  }

  onEnd(): void {
    this.failover.onContent(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.failover.onFailed(this.attempt, error)
  }
}

/** Whether a byte is more than white space. */
function isVisible(byte: number): boolean {
  return byte > 0x20
}

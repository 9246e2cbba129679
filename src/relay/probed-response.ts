import { findHeader } from '../http/flat-headers.js'
import { isEventStream } from '../http/media-type.js'
import { FirstDataFinder } from '../sse/first-data-finder.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'

/**
 * The beginning of a response, held back until it has content. Keep-alive comments (DeepSeek, OpenRouter) and blank
 * lines are no content. While nothing has gone to the client, another target can still be tried.
 */
export class ProbedResponse implements BodyHandler {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  /** When the head arrived: `performance.now()`. */
  readonly since: number
  /** Null if the response is not an event stream. */
  private readonly firstData: FirstDataFinder | null
  private readonly failover: Failover

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.held = new BudgetedBuffer(budget)
    this.since = performance.now()
    const isStream = isEventStream(findHeader(head.raw, 'content-type'))
    this.firstData = isStream ? new FirstDataFinder() : null
    this.failover = failover
  }

  onData(chunk: Buffer): boolean {
    const hasRoom = this.held.push(chunk)
    return hasRoom && !this.hasContent(chunk) ? true : this.failover.onContent(this)
  }

  onEnd(): void {
    this.failover.onContent(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.failover.onFailed(this.attempt, error)
  }

  /** Scans each byte once, however many chunks there are. */
  private hasContent(chunk: Buffer): boolean {
    return this.firstData === null ? chunk.some(isVisible) : this.firstData.push(chunk)
  }
}

/** Whether a byte is more than white space. */
function isVisible(byte: number): boolean {
  return byte > 0x20
}

import { findHeader } from '../http/flat-headers.js'
import { isEventStream } from '../http/media-type.js'
import { FirstDataFinder } from '../sse/first-data-finder.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'

/**
 * The beginning of an answer, held back until there is something in it: comments that keep a connection alive (DeepSeek,
 * OpenRouter) and blank lines say only that somebody is there. As long as the client has had none of it, another upstream
 * can be asked.
 */
export class ProbedResponse implements BodyHandler {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly kept: BudgetedBuffer
  /** `performance.now()` */
  readonly since: number
  /** Null if this is no event stream. */
  private readonly firstData: FirstDataFinder | null
  private readonly failover: Failover

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.kept = new BudgetedBuffer(budget)
    this.since = performance.now()
    const isStream = isEventStream(findHeader(head.raw, 'content-type'))
    this.firstData = isStream ? new FirstDataFinder() : null
    this.failover = failover
  }

  onData(piece: Buffer): boolean {
    const room = this.kept.push(piece)
    return room && !this.begins(piece) ? true : this.failover.onBegun(this)
  }

  onEnd(): void {
    this.failover.onBegun(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.failover.onFailed(this.attempt, error)
  }

  /** Each byte is looked at once, however many pieces there are. */
  private begins(piece: Buffer): boolean {
    return this.firstData === null ? piece.some(isMore) : this.firstData.push(piece)
  }
}

/** Than white space. */
function isMore(byte: number): boolean {
  return byte > 0x20
}

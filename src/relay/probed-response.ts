import { findHeader } from '../http/flat-headers.js'
import { isEventStream } from '../http/media-type.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { Failover } from './failover.js'

/** How a line begins that has something in it. */
const DATA = Buffer.from('data:')

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
  private readonly eventStream: boolean
  private readonly failover: Failover
  /** How much of `data:` the last piece ended with. */
  private matched: number

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.kept = new BudgetedBuffer(budget)
    this.since = performance.now()
    this.eventStream = isEventStream(findHeader(head.raw, 'content-type'))
    this.failover = failover
    this.matched = 0
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
    if (!this.eventStream) return piece.some(isMore)
    let { matched } = this
    for (let i = 0; i < piece.length && matched < DATA.length; i++) {
      // Its first letter does not come again in it, so what does not go on can only begin anew.
      matched = piece[i] === DATA[matched] ? matched + 1 : piece[i] === DATA[0] ? 1 : 0
    }
    this.matched = matched
    return matched === DATA.length
  }
}

/** Than white space. */
function isMore(byte: number): boolean {
  return byte > 0x20
}

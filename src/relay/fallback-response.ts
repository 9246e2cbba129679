import type { FailureKind } from '../routing/outcome.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import type { FallbackResponses } from './fallback-responses.js'

/** Milliseconds that a fallback response may take to arrive. */
const FALLBACK_MS = 1_000

const NOT_NEEDED = new Error('the fallback response is not needed')

/**
 * An error response, held for the case that no other target succeeds: then the client may get it, so that it reads the
 * upstream's own error and not one of the relay.
 *
 * `arriving` > `complete` or `broken`.
 */
export class FallbackResponse implements BodyHandler {
  readonly head: ResponseHead
  readonly attempt: Attempt
  readonly held: BudgetedBuffer
  kind: FailureKind
  state: 'arriving' | 'complete' | 'broken'
  /** The client gets another response. The rest is read for what it says of the target. */
  private isForgotten: boolean
  private readonly owner: FallbackResponses
  private readonly timer: NodeJS.Timeout

  constructor(
    owner: FallbackResponses,
    attempt: Attempt,
    head: ResponseHead,
    kind: FailureKind,
    budget: ByteBudget,
  ) {
    this.head = head
    this.attempt = attempt
    this.held = new BudgetedBuffer(budget)
    this.kind = kind
    this.state = 'arriving'
    this.isForgotten = false
    this.owner = owner
    this.timer = setTimeout(drop, FALLBACK_MS, this).unref()
  }

  onData(chunk: Buffer): boolean {
    if (this.state === 'arriving' && !this.held.push(chunk)) this.drop()
    return true
  }

  onEnd(): void {
    this.end('complete')
  }

  onCut(): void {
    this.end('broken')
  }

  /** Aborts the response if it still arrives. */
  drop(): void {
    if (this.state !== 'arriving') return
    this.attempt.giveUp(NOT_NEEDED)
    this.end('broken')
  }

  /** The client gets another response. */
  forget(): void {
    this.isForgotten = true
    if (this.state !== 'arriving') this.held.free()
  }

  private end(state: 'complete' | 'broken'): void {
    if (this.state !== 'arriving') return
    clearTimeout(this.timer)
    this.state = state
    if (state === 'broken') this.held.free()
    if (!this.isForgotten) this.owner.onSettled(this)
    else if (state === 'complete') {
      this.owner.read(this)
      this.held.free()
    }
  }
}

function drop(fallback: FallbackResponse): void {
  fallback.drop()
}

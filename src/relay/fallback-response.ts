import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'

/** Milliseconds that a fallback response may take to arrive. */
const FALLBACK_MS = 1_000

const NOT_NEEDED = new Error('the fallback response is not needed')

/**
 * A retryable error response, kept as the fallback: the client gets it if no other target succeeds, so that it reads
 * the upstream's own error and not one of the relay.
 *
 * `arriving` > `complete` or `broken`.
 */
export class FallbackResponse implements BodyHandler {
  readonly head: ResponseHead
  readonly attempt: Attempt
  readonly held: BudgetedBuffer
  state: 'arriving' | 'complete' | 'broken'
  /** An earlier, complete fallback, used if this one breaks off. */
  private earlier: FallbackResponse | null
  /** The rest is read and dropped, so that the connection can be used again. */
  private isDropped: boolean
  private readonly timer: NodeJS.Timeout
  private onSettled: (() => void) | null

  constructor(attempt: Attempt, head: ResponseHead, budget: ByteBudget, earlier: FallbackResponse | null) {
    this.head = head
    this.attempt = attempt
    this.held = new BudgetedBuffer(budget)
    this.state = 'arriving'
    this.earlier = earlier?.settle() ?? null
    this.isDropped = false
    this.timer = setTimeout(drop, FALLBACK_MS, this).unref()
    this.onSettled = null
  }

  /** Calls back when the response is complete or broken; at once if it already is. */
  whenSettled(onSettled: () => void): void {
    if (this.state === 'arriving') this.onSettled = onSettled
    else onSettled()
  }

  /** The response for the client: this one, or the earlier one; null if neither is complete. */
  get best(): FallbackResponse | null {
    return this.state === 'complete' ? this : this.earlier
  }

  onData(chunk: Buffer): boolean {
    if (!this.isDropped && !this.held.push(chunk)) this.drop()
    return true
  }

  onEnd(): void {
    this.end('complete')
  }

  onCut(): void {
    this.end('broken')
  }

  /** Frees what is held: the client gets another response. */
  free(): void {
    this.isDropped = true
    this.held.free()
    this.freeEarlier()
  }

  /** Aborts the response if it still arrives. */
  drop(): void {
    if (this.state !== 'arriving') return
    this.attempt.giveUp(NOT_NEEDED)
    this.end('broken')
  }

  /** Called when a later fallback takes over. @returns the best complete response; null if there is none */
  private settle(): FallbackResponse | null {
    this.drop()
    return this.best
  }

  private end(state: 'complete' | 'broken'): void {
    clearTimeout(this.timer)
    this.state = state
    if (state === 'broken') this.held.free()
    else this.freeEarlier()
    const { onSettled } = this
    this.onSettled = null
    onSettled?.()
  }

  private freeEarlier(): void {
    this.earlier?.free()
    this.earlier = null
  }
}

function drop(fallback: FallbackResponse): void {
  fallback.drop()
}

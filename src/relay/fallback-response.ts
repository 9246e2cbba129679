import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'

/** An answer that is kept in case of need comes within this time. */
const PATIENCE_MS = 1_000

const NOT_NEEDED = new Error('another upstream was asked')

/**
 * An upstream's answer that another upstream is to better. It is what the client gets if none does: what went wrong is then
 * told by whom it went wrong with, and not made up.
 */
export class FallbackResponse implements BodyHandler {
  readonly head: ResponseHead
  readonly attempt: Attempt
  readonly kept: BudgetedBuffer
  /** All of it is here; or will never be. */
  state: 'coming' | 'whole' | 'broken'
  /** What the client gets if this one breaks off: one that was whole before. */
  private before: FallbackResponse | null
  /** It is read on, so that its connection can be used again, and not kept. */
  private needless: boolean
  private readonly timer: NodeJS.Timeout
  private onOver: (() => void) | null

  constructor(attempt: Attempt, head: ResponseHead, budget: ByteBudget, before: FallbackResponse | null) {
    this.head = head
    this.attempt = attempt
    this.kept = new BudgetedBuffer(budget)
    this.state = 'coming'
    this.before = before?.stillWhole() ?? null
    this.needless = false
    this.timer = setTimeout(giveUp, PATIENCE_MS, this).unref()
    this.onOver = null
  }

  /** Calls back when it is whole or broken; at once if it is. */
  whenOver(onOver: () => void): void {
    if (this.state === 'coming') this.onOver = onOver
    else onOver()
  }

  /** What the client gets: this one, or the one before it that was whole; null if neither is. */
  get best(): FallbackResponse | null {
    return this.state === 'whole' ? this : this.before
  }

  onData(piece: Buffer): boolean {
    if (!this.needless && !this.kept.push(piece)) this.drop()
    return true
  }

  onEnd(): void {
    this.end('whole')
  }

  onCut(): void {
    this.end('broken')
  }

  /** Another answer is the client's. */
  letGo(): void {
    this.needless = true
    this.kept.letGo()
    this.forgetBefore()
  }

  /** It is not waited for any longer. */
  drop(): void {
    if (this.state !== 'coming') return
    this.attempt.giveUp(NOT_NEEDED)
    this.end('broken')
  }

  /** For one that comes behind it. @returns null if there is nothing to fall back on */
  private stillWhole(): FallbackResponse | null {
    this.drop()
    return this.best
  }

  private end(state: 'whole' | 'broken'): void {
    clearTimeout(this.timer)
    this.state = state
    if (state === 'broken') this.kept.letGo()
    else this.forgetBefore()
    const { onOver } = this
    this.onOver = null
    onOver?.()
  }

  private forgetBefore(): void {
    this.before?.letGo()
    this.before = null
  }
}

function giveUp(fallback: FallbackResponse): void {
  fallback.drop()
}

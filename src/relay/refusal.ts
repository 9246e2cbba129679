import type { AnswerHead, Attempt, BodyTaker } from './attempt.js'

/** An answer that is kept in case of need is no longer than this. Errors of APIs have a few hundred bytes. */
const MOST_BYTES = 64 * 1024

/** And comes within this time. */
const PATIENCE_MS = 1_000

const NOT_NEEDED = new Error('another upstream was asked')

/**
 * An upstream's answer that another upstream is to better. It is what the client gets if none does: what went wrong is then
 * told by whom it went wrong with, and not made up.
 */
export class Refusal implements BodyTaker {
  readonly head: AnswerHead
  readonly attempt: Attempt
  readonly pieces: Buffer[]
  /** All of it is here; or will never be. */
  state: 'coming' | 'whole' | 'broken'
  private bytes: number
  private readonly timer: NodeJS.Timeout
  private onOver: (() => void) | null

  constructor(attempt: Attempt, head: AnswerHead) {
    this.head = head
    this.attempt = attempt
    this.pieces = []
    this.state = 'coming'
    this.bytes = 0
    this.timer = setTimeout(giveUp, PATIENCE_MS, this).unref()
    this.onOver = null
  }

  /** Calls back when it is whole or broken; at once if it is. */
  whenOver(onOver: () => void): void {
    if (this.state === 'coming') this.onOver = onOver
    else onOver()
  }

  onData(piece: Buffer): boolean {
    this.bytes += piece.length
    if (this.bytes > MOST_BYTES) this.drop()
    else this.pieces.push(piece)
    return true
  }

  onEnd(): void {
    this.end('whole')
  }

  onCut(): void {
    this.end('broken')
  }

  /** It is not waited for any longer. */
  drop(): void {
    if (this.state !== 'coming') return
    this.attempt.giveUp(NOT_NEEDED)
    this.end('broken')
  }

  private end(state: 'whole' | 'broken'): void {
    clearTimeout(this.timer)
    this.state = state
    const { onOver } = this
    this.onOver = null
    onOver?.()
  }
}

function giveUp(refusal: Refusal): void {
  refusal.drop()
}

import type { Dispatcher } from 'undici'
import type { AttemptPhase } from './failure.js'

/** Who takes an answer, once it has begun. */
export interface Receiver {
  /** The upstream has a connection for the request, and may have read some of it. */
  onConnected(): void
  /**
   * @param raw names and values by turns
   * @throws on a head that cannot be sent on; nothing has gone to a client then
   */
  onHead(status: number, raw: readonly Buffer[], reason: string): void
  /** @returns false if nothing more is to be read for now */
  onData(piece: Buffer): boolean
  onEnd(): void
  /** It broke off. */
  onCut(error: Error): void
  /** No answer came. Nothing has gone to a client. */
  onFailed(error: unknown, phase: AttemptPhase): void
}

const GIVEN_UP = new Error('nobody waits for this answer')

/**
 * One request to one upstream: undici's handler. Of the two kinds that undici 7 takes this is the older one (`onConnect`,
 * `onHeaders`): the newer one is a wrapper around it, which makes an object of each answer's headers that nobody reads here.
 *
 * Once it was given up nothing more comes of it, although undici may still call: an abort ends in `onError`, synchronously.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  phase: AttemptPhase
  private readonly receiver: Receiver
  /** Null while the request waits for a connection, as undici has no way to abort it until then; and when it is over. */
  private abort: ((reason: Error) => void) | null
  /** Has undici read on, after it was told to wait. */
  private resume: (() => void) | null
  private over: boolean

  constructor(receiver: Receiver) {
    this.phase = 'connecting'
    this.receiver = receiver
    this.abort = null
    this.resume = null
    this.over = false
  }

  /** Whatever it has of an upstream is let go. */
  giveUp(reason: Error): void {
    if (this.over) return
    this.over = true
    this.abort?.(reason)
  }

  /** There is an answer whose end has not come. */
  get reading(): boolean {
    return this.resume !== null
  }

  readOn(): void {
    this.resume?.()
  }

  onConnect(abort: (reason?: Error) => void): void {
    if (this.over) {
      abort(GIVEN_UP)
      return
    }
    this.abort = abort
    this.phase = 'waiting'
    this.receiver.onConnected()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    // 102 and 103: the final answer is still to come. A gateway need not pass them on, and old clients break on it.
    if (this.over || status < 200) return true
    this.resume = resume
    // If it throws, undici calls onError.
    this.receiver.onHead(status, raw, reason)
    this.phase = 'streaming'
    return true
  }

  onData(piece: Buffer): boolean {
    return this.over || this.receiver.onData(piece)
  }

  onComplete(): void {
    this.letGo()
    if (!this.over) this.receiver.onEnd()
  }

  onError(error: Error): void {
    this.letGo()
    if (this.over) return
    if (this.phase === 'streaming') this.receiver.onCut(error)
    else this.receiver.onFailed(error, this.phase)
  }

  /** The connection is no longer ours: whoever has it next is not to be disturbed. */
  private letGo(): void {
    this.abort = null
    this.resume = null
  }
}

import type { Dispatcher } from 'undici'
import type { BodyUpload } from '../exchange/request-body-handle.js'
import type { Failure } from '../routing/outcome.js'
import type { Target } from '../routing/route.js'
import type { CreateTranslation } from '../translate/translation.js'
import { type TappedSocket, takeRawSocket } from '../upstream/connector.js'
import type { Upstream } from '../upstream/upstream.js'
import type { Failover } from './failover.js'
import type { AttemptPhase } from './failure.js'
import type { ProbedResponse } from './probed-response.js'

/** Who takes the body of an answer. */
export interface BodyHandler {
  /** @returns false if nothing more is to be read for now */
  onData(piece: Buffer): boolean
  onEnd(): void
  /** It broke off. */
  onCut(error: Error): void
}

/** The head of an answer, as undici gives it. */
export interface ResponseHead {
  readonly status: number
  /** Names and values by turns. */
  readonly raw: readonly Buffer[]
  readonly reason: string
  /**
   * The connection, if the chunks of the body can be taken off it as they are. Null if not, and once `onHead` has returned:
   * undici then has the connection.
   */
  rawSocket: TappedSocket | null
}

const GIVEN_UP = new Error('nobody waits for this answer')

/**
 * One request to one upstream: undici's handler. Of the two kinds that undici 7 takes this is the older one (`onConnect`,
 * `onHeaders`): the newer one is a wrapper around it, which makes an object of each answer's headers that nobody reads here.
 *
 * Once it was given up nothing more comes of it, although undici may still call: an abort ends in `onError`, synchronously.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly target: Target<Upstream>
  /** `performance.now()` */
  readonly startedAt: number
  /** Of the target's health. */
  readonly ticket: number
  /** Its target was asked just before, by way of a connection that had gone stale. */
  readonly isRetry: boolean
  phase: AttemptPhase
  /** Its answer, as long as that is held back. */
  probe: ProbedResponse | null
  /** How its body is sent, if that came while it was; else it has been handed over whole. */
  upload: BodyUpload | null
  /** What the answer goes through on its way to the client; null if that is nothing. Set before there is one. */
  translate: CreateTranslation | null
  private readonly failover: Failover
  private taker: BodyHandler | null
  /** Null while the request waits for a connection, as undici has no way to abort it until then; and when it is over. */
  private abort: ((reason: Error) => void) | null
  /** Has undici read on, after it was told to wait. */
  private resume: (() => void) | null
  private over: boolean
  private ended: boolean

  constructor(failover: Failover, target: Target<Upstream>, again: boolean) {
    this.target = target
    this.isRetry = again
    this.startedAt = performance.now()
    this.ticket = target.breaker.begin(this.startedAt)
    target.upstream.inFlight++
    this.phase = 'connecting'
    this.probe = null
    this.upload = null
    this.translate = null
    this.failover = failover
    this.taker = null
    this.abort = null
    this.resume = null
    this.over = false
    this.ended = false
  }

  /** Whatever it has of an upstream is let go. */
  giveUp(reason: Error): void {
    if (this.over) return
    this.over = true
    this.probe?.kept.letGo()
    this.probe = null
    this.end()
    this.abort?.(reason)
  }

  /** What it is to fail now. @param reused see `wasReused` */
  failure(code: string, reused: boolean): Failure {
    const { probe, phase, upload } = this
    const reached = probe !== null ? 'silent' : phase === 'connecting' ? 'connecting' : 'waiting'
    return { code, phase: reached, reused, sentWhole: upload === null || upload.written }
  }

  /** The rest of its answer is another's. */
  handTo(taker: BodyHandler): void {
    this.taker = taker
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
    this.failover.onConnected()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    // 102 and 103: the final answer is still to come. A gateway need not pass them on, and old clients break on it.
    if (this.over || status < 200) return true
    this.resume = resume
    // If it throws, undici calls onError.
    const head: ResponseHead = { status, raw, reason, rawSocket: takeRawSocket() }
    this.taker = this.failover.onHead(this, head)
    head.rawSocket = null
    this.phase = 'streaming'
    return true
  }

  onData(piece: Buffer): boolean {
    return this.over || this.taker === null || this.taker.onData(piece)
  }

  onComplete(): void {
    this.end()
    this.letGo()
    if (!this.over) this.taker?.onEnd()
  }

  onError(error: Error): void {
    this.end()
    this.letGo()
    if (this.over) return
    if (this.taker !== null) this.taker.onCut(error)
    else {
      this.over = true
      this.failover.onFailed(this, error)
    }
  }

  /** It takes nothing of its target any more. */
  private end(): void {
    if (this.ended) return
    this.ended = true
    this.target.breaker.end(this.ticket)
    this.target.upstream.inFlight--
  }

  /** The connection is no longer ours: whoever has it next is not to be disturbed. */
  private letGo(): void {
    this.abort = null
    this.resume = null
  }
}

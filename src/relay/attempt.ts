import type { ConversationApi } from '../api/apis.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { RawHeaders } from '../http/flat-headers.js'
import type { BodyUpload } from '../lib/body-upload.js'
import type { Failure } from '../routing/outcome.js'
import type { Target } from '../routing/route.js'
import type { CreateTranslation } from '../translate/translation.js'
import type { Connection } from '../upstream/connection.js'
import type { Reuse } from '../upstream/connection-pool.js'
import type { DispatchHandler, RawHeaderList } from '../upstream/dispatch-handler.js'
import { type RawSocket, takeRawSocket } from '../upstream/raw-socket.js'
import type { RelayLinks } from '../upstream/relay-links.js'
import type { Upstream } from '../upstream/upstream.js'
import type { Failover } from './failover.js'
import type { AttemptPhase } from './failure.js'
import type { ProbedResponse } from './probed-response.js'
import type { RefusedRequest } from './refused-request.js'
import { SilentConnection } from './silent-connection.js'

/** Receives the body of a response. */
export interface BodyHandler {
  /** @returns false to pause reading until `readOn` */
  onData(chunk: Buffer): boolean
  onEnd(): void
  /** The response broke off before its end. */
  onCut(error: Error): void
}

/** The head of a response. */
export interface ResponseHead {
  readonly status: number
  /** Names and values alternate. */
  readonly raw: RawHeaders
  readonly reason: string
  /**
   * The connection, if the chunks of the body can be read from it unparsed. Null otherwise, and after `onHead` has
   * returned, because the parser reads the connection from then on.
   */
  rawSocket: RawSocket | null
}

/** What a request was fitted to. */
export interface FittedTo {
  readonly api: ConversationApi
  readonly traits: ModelTraits
}

const CANCELLED = new Error('the attempt was cancelled')

/**
 * One request to one upstream: the handler of its response.
 *
 * `connecting` (no connection yet) > `waiting` (sent, no head yet) > `streaming`. After `giveUp` nothing is handed on,
 * although the connection may still call: an abort calls `onError` synchronously.
 */
export class Attempt implements DispatchHandler {
  readonly target: Target<Upstream>
  /** `performance.now()` */
  readonly startedAt: number
  /** Identifies the attempt to the target's circuit breaker. */
  readonly ticket: number
  /** The attempt before this one, at the same target, met a stale connection. */
  readonly isRetry: boolean
  /** How often the request was changed after a refusal before this attempt. */
  readonly corrections: number
  phase: AttemptPhase
  /** The response while it is held back (see `ProbedResponse`); else null. */
  probe: ProbedResponse | null
  /** The refusal while its body is waited for; else null. */
  refused: RefusedRequest | null
  /** The upload, if the body was sent while it arrived; null if it was sent complete. */
  upload: BodyUpload | null
  /** Creates the translation of the response; null if it passes unchanged. Set before the request is sent. */
  translate: CreateTranslation | null
  /** Rewrites URLs of the upstream in the head of the response. Null before the request is sent. */
  links: RelayLinks | null
  /** How the request was fitted to the target's model; null if it was sent as it came. */
  fitted: FittedTo | null
  /** The connection that has the request; null before it is dispatched. */
  connection: Connection | null
  private silence: SilentConnection | null
  private readonly failover: Failover
  private receiver: BodyHandler | null
  /** Null while the request waits for a connection, because it cannot be aborted before; null again after the end. */
  private abort: ((reason: Error) => void) | null
  /** Reads on after a pause; null before the head and after the end. */
  private resume: (() => void) | null
  private isGivenUp: boolean
  private isReported: boolean

  constructor(failover: Failover, target: Target<Upstream>, isRetry: boolean, corrections: number) {
    this.target = target
    this.isRetry = isRetry
    this.corrections = corrections
    this.startedAt = performance.now()
    this.ticket = target.breaker.begin(this.startedAt)
    target.upstream.inFlight++
    this.phase = 'connecting'
    this.probe = null
    this.refused = null
    this.upload = null
    this.translate = null
    this.links = null
    this.fitted = null
    this.connection = null
    this.silence = null
    this.failover = failover
    this.receiver = null
    this.abort = null
    this.resume = null
    this.isGivenUp = false
    this.isReported = false
  }

  /** Aborts the request. Nothing is handed on after this. */
  giveUp(reason: Error): void {
    if (this.isGivenUp) return
    this.isGivenUp = true
    this.probe?.held.free()
    this.probe = null
    this.refused?.stop()
    this.refused = null
    this.reportEnd()
    this.abort?.(reason)
  }

  /** Describes a failure at this moment. @param reused see `wasConnectionReused` */
  failure(code: string, reused: boolean): Failure {
    const { probe, phase, upload } = this
    const reached = probe !== null ? 'silent' : phase === 'connecting' ? 'connecting' : 'waiting'
    return { code, phase: reached, reused, sentWhole: upload === null || upload.written }
  }

  /** A request that has met a lost connection gets a new one; one that may not be repeated gets no old one. */
  get reuse(): Reuse {
    if (this.isRetry && this.corrections === 0) return 'none'
    return this.failover.isRepeatable ? 'any' : 'recent'
  }

  /** The upstream acknowledges nothing on this connection, which was kept. The connection is dropped then. */
  isForgotten(now: number): boolean {
    if (this.phase !== 'waiting' || this.probe !== null || this.connection === null) return false
    const limitMs = this.target.upstream.timeouts.upstreamAckMs
    if (now - this.startedAt < limitMs / 2) return false
    this.silence ??= new SilentConnection(this.connection)
    if (!this.silence.isForgotten(now, limitMs)) return false
    this.silence.drop()
    return true
  }

  /** Sends the rest of the response to another receiver. */
  setReceiver(receiver: BodyHandler): void {
    this.receiver = receiver
  }

  /** The response has begun, and has not ended. */
  get reading(): boolean {
    return this.resume !== null
  }

  readOn(): void {
    this.resume?.()
  }

  onConnect(abort: (reason?: Error) => void): void {
    if (this.isGivenUp) {
      abort(CANCELLED)
      return
    }
    this.abort = abort
    this.phase = 'waiting'
    this.failover.onConnected()
  }

  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean {
    // 102 and 103: the final response is still to come. A gateway need not forward them, and old clients break on them.
    if (this.isGivenUp || status < 200) return true
    this.resume = resume
    // If it throws, the connection calls onError.
    const head: ResponseHead = { status, raw, reason, rawSocket: takeRawSocket() }
    this.receiver = this.failover.onHead(this, head)
    head.rawSocket = null
    this.phase = 'streaming'
    return true
  }

  onData(chunk: Buffer): boolean {
    return this.isGivenUp || this.receiver === null || this.receiver.onData(chunk)
  }

  onComplete(): void {
    this.reportEnd()
    this.releaseConnection()
    if (!this.isGivenUp) this.receiver?.onEnd()
  }

  onError(error: Error): void {
    this.reportEnd()
    this.releaseConnection()
    if (this.isGivenUp) return
    if (this.receiver !== null) this.receiver.onCut(error)
    else {
      this.isGivenUp = true
      this.failover.onFailed(this, error)
    }
  }

  /** Reports the end to the target's breaker and to its count of requests in flight. */
  private reportEnd(): void {
    if (this.isReported) return
    this.isReported = true
    this.target.breaker.end(this.ticket)
    this.target.upstream.inFlight--
  }

  /** Forgets the callbacks: the connection gets another request next. */
  private releaseConnection(): void {
    this.abort = null
    this.resume = null
  }
}

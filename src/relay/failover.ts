import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { readErrorCode } from '../lib/error-code.js'
import { type Failure, FIRST_BYTE_LATE, FIRST_TOKEN_LATE, type Outcome } from '../routing/outcome.js'
import {
  type AttemptState,
  type Decision,
  decide,
  isFailoverDefault,
  isIdempotent,
} from '../routing/retry-policy.js'
import type { Target } from '../routing/route.js'
import { wasConnectionReused } from '../upstream/connector.js'
import type { Upstream } from '../upstream/upstream.js'
import { Attempt, type BodyHandler, type ResponseHead } from './attempt.js'
import type { FailoverOptions, ResponseHandler } from './failover-options.js'
import { classifyError, TOO_SLOW } from './failure.js'
import { FallbackResponse } from './fallback-response.js'
import type { HeldResponse } from './held-response.js'
import { type ErrorEvent, ProbedResponse } from './probed-response.js'
import { RefusedRequest } from './refused-request.js'
import { reportFailure, reportOvertaken, reportStatus } from './target-reports.js'

/** How often a request is changed and sent once more: a model may refuse one field after another. */
const MOST_CORRECTIONS = 3

/** What vendors answer to a request that their model does not take. */
const REFUSALS: readonly number[] = [400, 404, 422]

/**
 * Tries the targets of a request in order, until one gives a usable response. If none does, the client gets the last
 * error response of an upstream, or an error of the relay. Nothing is repeated once a byte has gone to the client.
 *
 * States: attempts are open > `winner` is set (the response is handed on) or `isOver` (cancelled, or failed).
 */
export class Failover {
  /** The exchange that upstream usage is billed to; moves when that subscriber leaves. */
  exchange: Exchange
  private readonly receiver: ResponseHandler
  private readonly options: FailoverOptions
  /** Index into `order` of the next target. */
  private nextIndex: number
  /** Attempts that may still give a response. */
  private readonly attempts: Attempt[]
  /** The attempt whose response the client gets. */
  private winner: Attempt | null
  /** The last error response, kept in case no other target succeeds. */
  private fallback: FallbackResponse | null
  private hedgeTimer: NodeJS.Timeout | null
  private isOver: boolean

  constructor(exchange: Exchange, receiver: ResponseHandler, options: FailoverOptions) {
    this.exchange = exchange
    this.receiver = receiver
    this.options = options
    this.nextIndex = 0
    this.attempts = []
    this.winner = null
    this.fallback = null
    this.hedgeTimer = null
    this.isOver = false
  }

  start(): void {
    const { hedge, order } = this.options
    if (hedge !== null && order.length > 1) {
      this.hedgeTimer = setTimeout(startHedge, hedge.afterMs, this).unref()
    }
    this.attempt(this.takeNext())
  }

  /** Aborts everything: no client is left, or the response reached a limit. */
  giveUp(reason: Error): void {
    this.isOver = true
    this.stopHedging()
    this.fallback?.drop()
    this.fallback?.free()
    this.fallback = null
    for (const attempt of this.attempts.splice(0)) attempt.giveUp(reason)
    this.winner?.giveUp(reason)
  }

  /** The request may be sent twice to one upstream, also if that has acted on it. */
  get isRepeatable(): boolean {
    return this.mayRepeat || isIdempotent(this.exchange.request.method)
  }

  /** The winning response has not ended yet. */
  get reading(): boolean {
    return this.winner?.reading === true
  }

  readOn(): void {
    this.winner?.readOn()
  }

  /** Checks the time limits; called while no attempt has won. @param now `performance.now()` */
  onTick(now: number): void {
    const { attempts } = this
    // A late attempt is removed from the list, or wins. Its replacement is added at the end, and is not late yet.
    for (let i = 0; i < attempts.length && !this.isSettled; ) {
      const attempt = attempts[i] as Attempt
      if (this.isLate(attempt, now)) this.onLate(attempt)
      else if (this.isRepeatable && attempt.isForgotten(now)) this.onForgotten(attempt)
      else i++
    }
  }

  /** Moves billing to `heir`, so that attempts and usage are recorded exactly once. */
  moveTo(heir: Exchange): void {
    const { exchange } = this
    exchange.moveBillingTo(heir)
    this.exchange = heir
  }

  /** Tries the second target, if the first takes longer than it usually does. */
  startHedge(): void {
    const { hedge } = this.options
    this.hedgeTimer = null
    if (hedge === null || this.isSettled || this.attempts.length !== 1 || !this.hasNext()) return
    const now = performance.now()
    const left = this.hedgeDelay(this.attempts[0] as Attempt, hedge.afterMs, now)
    if (left > 0) this.hedgeTimer = setTimeout(startHedge, left, this).unref()
    else if (this.next.breaker.allows(now) && hedge.budget.take()) this.attempt(this.takeNext())
  }

  // An attempt's side

  onConnected(): void {
    this.exchange.isConnected = true
  }

  onHead(attempt: Attempt, head: ResponseHead): BodyHandler {
    const { status } = head
    if (status >= 400) reportStatus(attempt, head)
    if (status >= 400 && this.decide(attempt, status) === 'next')
      return this.holdFallback(attempt, head, String(status))
    if (this.mayCorrect(attempt, status)) return new RefusedRequest(this, attempt, head, this.options.budget)
    if (status === 200 && this.options.firstTokenMs !== null && this.mayRepeat && this.hasOther()) {
      attempt.probe = new ProbedResponse(this, attempt, head, this.options.budget)
      return attempt.probe
    }
    this.take(attempt, head)
    return this.receiver
  }

  /** A response that was held back goes to the client. @returns false to pause reading */
  onContent({ attempt, head, held }: HeldResponse): boolean {
    try {
      this.take(attempt, head)
    } catch (error) {
      this.onFailed(attempt, error)
      return true
    }
    attempt.probe = null
    attempt.setReceiver(this.receiver)
    let more = true
    for (const chunk of held.chunks) more = this.receiver.onData(chunk)
    held.free()
    return more
  }

  /** A stream begins with an error: as good as a response with that status. @returns false to pause reading */
  onErrorEvent(probe: ProbedResponse, { status, type }: ErrorEvent): boolean {
    const { attempt, head, held } = probe
    if (this.decide(attempt, status) !== 'next') return this.onContent(probe)
    if (status >= 500) attempt.target.breaker.fail(attempt.ticket, performance.now(), type)
    attempt.probe = null
    const fallback = this.holdFallback(attempt, head, type)
    attempt.setReceiver(fallback)
    for (const chunk of held.chunks) fallback.onData(chunk)
    held.free()
    return true
  }

  /** A refusal is complete. @returns whether the request is sent once more, changed */
  onRefusal({ attempt, head, held }: RefusedRequest): boolean {
    const { target, corrections } = attempt
    if (this.isSettled || this.options.correct?.(attempt, head.status, Buffer.concat(held.chunks)) !== true)
      return false
    this.remove(attempt, 'corrected')
    this.attempt(target, true, corrections + 1)
    return true
  }

  onFailed(attempt: Attempt, error: unknown): void {
    if (this.isOver || !this.attempts.includes(attempt)) return
    const code = readErrorCode(error)
    const written = attempt.phase !== 'connecting'
    const failure = attempt.failure(code, wasConnectionReused(error, written))
    this.lose(attempt, failure, code, classifyError(error, written ? 'waiting' : 'connecting'))
  }

  // What happens

  /** An attempt has won, or nothing is waited for any longer. */
  private get isSettled(): boolean {
    return this.isOver || this.winner !== null
  }

  /** Whether the request may be repeated although an upstream may have acted on it. */
  private get mayRepeat(): boolean {
    return (
      this.options.failover ?? isFailoverDefault(this.exchange.request.method, this.exchange.request.path)
    )
  }

  /** Whether a target is left to try. Skips targets at their limit of concurrent requests. */
  private hasNext(): boolean {
    const { order } = this.options
    while (this.nextIndex < order.length && this.next.upstream.full) this.nextIndex++
    return this.nextIndex < order.length
  }

  /** Whether anything but a single open attempt may still give a response. */
  private hasOther(): boolean {
    return this.attempts.length > 1 || this.hasNext()
  }

  private get next(): Target<Upstream> {
    const { targets, order } = this.options
    return targets[order[this.nextIndex] as number] as Target<Upstream>
  }

  private takeNext(): Target<Upstream> {
    const { next } = this
    this.nextIndex++
    return next
  }

  private decide(attempt: Attempt, outcome: Outcome): Decision {
    const idempotent = isIdempotent(this.exchange.request.method)
    const state: AttemptState = {
      retried: attempt.isRetry,
      hasOther: this.hasOther(),
      failover: this.mayRepeat,
      idempotent,
    }
    return decide(outcome, state)
  }

  private mayCorrect({ corrections }: Attempt, status: number): boolean {
    return this.options.correct !== null && REFUSALS.includes(status) && corrections < MOST_CORRECTIONS
  }

  /** Keeps an error response for the case that no other target succeeds, and tries the next one. */
  private holdFallback(attempt: Attempt, head: ResponseHead, why: string): FallbackResponse {
    this.remove(attempt, why)
    const fallback = new FallbackResponse(attempt, head, this.options.budget, this.fallback)
    this.fallback = fallback
    if (this.attempts.length === 0) this.attempt(this.takeNext())
    return fallback
  }

  private attempt(target: Target<Upstream>, isRetry = false, corrections = 0): void {
    const { exchange } = this
    const attempt = new Attempt(this, target, isRetry, corrections)
    exchange.countAttempt(target.upstream.name, target.model)
    this.attempts.push(attempt)
    try {
      this.options.send(this.exchange, attempt)
    } catch (error) {
      this.attempts.splice(this.attempts.indexOf(attempt), 1)
      attempt.giveUp(TOO_SLOW)
      // The caller of `start` handles the error of the first attempt. Later attempts are called by undici or a timer.
      if (exchange.outcome.attempts === 1) throw error
      if (this.attempts.length === 0) this.finish('internal_error', readErrorCode(error))
    }
  }

  /** Start of the first-byte timeout: dispatch or end of upload, whichever is later. */
  private waitsSince(attempt: Attempt): number {
    return Math.max(attempt.startedAt, this.exchange.timeline.attemptStartedAt ?? 0)
  }

  private isLate(attempt: Attempt, now: number): boolean {
    const since = this.waitsSince(attempt)
    if (attempt.probe === null) return now - since > attempt.target.upstream.timeouts.firstByteMs
    const { firstTokenMs } = this.options
    return firstTokenMs !== null && now - Math.max(since, attempt.probe.since) > firstTokenMs
  }

  /** A kept connection does not even take the request, which may be sent again on another one. */
  private onForgotten(attempt: Attempt): void {
    this.lose(attempt, attempt.failure('ETIMEDOUT', true), 'upstreamAckMs', 'upstream_timeout')
  }

  /** The attempt has reached a time limit. */
  private onLate(attempt: Attempt): void {
    const { probe } = attempt
    const outcome = attempt.failure(probe === null ? FIRST_BYTE_LATE : FIRST_TOKEN_LATE, false)
    // No other target is left: go on with this response, as if there were no limit.
    if (probe !== null && this.decide(attempt, outcome) === 'accept') this.onContent(probe)
    else this.lose(attempt, outcome, probe === null ? 'firstByteMs' : 'firstTokenMs', 'upstream_timeout')
  }

  /** The attempt has failed. @param code the client's error if no target succeeds */
  private lose(attempt: Attempt, outcome: Failure, why: string, code: ErrorCode): void {
    const decision = this.decide(attempt, outcome)
    const { target } = attempt
    reportFailure(attempt, outcome, why)
    this.remove(attempt, why)
    attempt.giveUp(TOO_SLOW)
    if (decision === 'retry') this.attempt(target, true)
    // Another attempt is still open.
    else if (this.attempts.length > 0) return
    else if (decision === 'next') this.attempt(this.takeNext())
    else this.finish(code, why)
  }

  /** Milliseconds until a second target may be tried beside this attempt. */
  private hedgeDelay(attempt: Attempt, afterMs: number, now: number): number {
    // The response has begun, or the upload has not ended: the time has not started.
    if (attempt.probe !== null || this.exchange.body?.isComplete === false) return afterMs
    return afterMs - (now - this.waitsSince(attempt))
  }

  /** Makes an attempt the winner. @throws if the head cannot be sent on */
  private take(attempt: Attempt, head: ResponseHead): void {
    const { exchange, receiver, attempts } = this
    const { breaker, upstream, model } = attempt.target
    exchange.setWinner(upstream.name, model, attempt.startedAt)
    // A response that came before the end of the upload says nothing about latency.
    const isEarly = exchange.body?.isComplete === false
    receiver.onHead(head, attempt)
    const now = performance.now()
    if (head.status < 400) {
      breaker.succeed(attempt.ticket, now, isEarly ? null : now - this.waitsSince(attempt))
      exchange.setResponder(breaker, attempt.ticket)
    }
    this.winner = attempt
    this.stopHedging()
    this.fallback?.free()
    this.fallback = null
    for (const other of attempts) if (other !== attempt) this.passOver(other, now)
    attempts.length = 0
  }

  /** Gives up an attempt because another one was faster. */
  private passOver(attempt: Attempt, now: number): void {
    reportOvertaken(attempt, now - this.waitsSince(attempt), now)
    this.exchange.addOvertaken(attempt.target.name, attempt.phase !== 'connecting')
    attempt.giveUp(TOO_SLOW)
  }

  private remove(attempt: Attempt, why: string): void {
    const { exchange, attempts } = this
    attempts.splice(attempts.indexOf(attempt), 1)
    exchange.addFailure(`${attempt.target.name} ${why}`)
  }

  /** No target has succeeded: the client gets the fallback response, or an error of the relay. */
  private finish(code: ErrorCode, cause: string): void {
    const { fallback } = this
    this.stopHedging()
    if (fallback === null) this.fail(code, cause)
    else fallback.whenSettled(() => this.useFallback(fallback.best, code, cause))
  }

  private useFallback(fallback: FallbackResponse | null, code: ErrorCode, cause: string): void {
    if (this.isOver) return
    if (fallback === null) {
      this.fail(code, cause)
      return
    }
    const { exchange, receiver } = this
    const { upstream, model } = fallback.attempt.target
    exchange.setWinner(upstream.name, model, fallback.attempt.startedAt)
    try {
      receiver.onHead(fallback.head, fallback.attempt)
    } catch (error) {
      this.fail(classifyError(error, 'waiting'), readErrorCode(error))
      return
    }
    this.winner = fallback.attempt
    for (const chunk of fallback.held.chunks) receiver.onData(chunk)
    this.fallback?.free()
    this.fallback = null
    receiver.onEnd()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.isOver = true
    this.fallback?.free()
    this.receiver.onFailed(code, cause)
  }

  private stopHedging(): void {
    if (this.hedgeTimer !== null) clearTimeout(this.hedgeTimer)
    this.hedgeTimer = null
  }
}

function startHedge(failover: Failover): void {
  failover.startHedge()
}

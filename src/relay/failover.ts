import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { readErrorCode } from '../lib/error-code.js'
import type { ErrorFacts } from '../routing/error-facts.js'
import { CREDENTIAL_MISSING, classifyFailure, EMPTY_RESPONSE, type FailureKind } from '../routing/outcome.js'
import { isDecidedByBody } from '../routing/refusal.js'
import type { Decision } from '../routing/retry-policy.js'
import type { Target } from '../routing/route.js'
import { wasConnectionReused } from '../upstream/connection-loss.js'
import type { Upstream } from '../upstream/upstream.js'
import { AccountWatch } from './account-watch.js'
import { Attempt, type BodyHandler, type ResponseHead } from './attempt.js'
import { findLapse, hedgeDelay, type Lapse, waitsSince } from './attempt-limits.js'
import type { FailoverOptions, ResponseHandler } from './failover-options.js'
import { classifyError, TOO_SLOW } from './failure.js'
import type { FallbackResponse } from './fallback-response.js'
import { FallbackResponses } from './fallback-responses.js'
import { HedgeTimer } from './hedge-timer.js'
import type { HeldResponse } from './held-response.js'
import { isPlain, ProbedResponse } from './probed-response.js'
import { type Asked, judgeErrorEvent, judgeRefusal } from './refusal-reports.js'
import { RefusedRequest } from './refused-request.js'
import { TargetChoice } from './target-choice.js'
import { reportOutcome, reportOvertaken, reportServed, reportStatus } from './target-reports.js'

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
  private readonly choice: TargetChoice
  /** Attempts that may still give a response. */
  private readonly attempts: Attempt[]
  /** The attempt whose response the client gets. */
  private winner: Attempt | null
  /** Error responses, kept in case no other target succeeds; null before the first. */
  private fallbacks: FallbackResponses | null
  /** Null where a second target is never tried beside the first. */
  private readonly hedgeTimer: HedgeTimer | null
  private isOver: boolean

  constructor(exchange: Exchange, receiver: ResponseHandler, options: FailoverOptions) {
    this.exchange = exchange
    this.receiver = receiver
    this.options = options
    this.choice = new TargetChoice(exchange.request, options)
    this.attempts = []
    this.winner = null
    this.fallbacks = null
    this.hedgeTimer = options.hedge === null ? null : new HedgeTimer(this)
    this.isOver = false
  }

  start(): void {
    const { hedge, order } = this.options
    if (hedge !== null && order.length > 1) this.hedgeTimer?.start(hedge.afterMs)
    this.attempt(this.choice.take())
  }

  /** Aborts everything: no client is left, or the response reached a limit. */
  giveUp(reason: Error): void {
    this.isOver = true
    this.hedgeTimer?.stop()
    this.fallbacks?.drop()
    for (const attempt of this.attempts.splice(0)) attempt.giveUp(reason)
    this.winner?.giveUp(reason)
  }

  /** The request may be sent twice to one upstream, also if that has acted on it. */
  get isRepeatable(): boolean {
    return this.choice.isRepeatable
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
      const lapse = findLapse(attempt, this.exchange, this.options, this.isRepeatable, now)
      if (lapse === null) i++
      else this.onLapse(attempt, lapse)
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
    if (hedge === null || this.isSettled || this.attempts.length !== 1 || !this.choice.hasNext()) return
    const now = performance.now()
    const left = hedgeDelay(this.attempts[0] as Attempt, this.exchange, hedge.afterMs, now)
    if (left > 0) this.hedgeTimer?.start(left)
    else if (this.choice.peekHealthy(now) !== null && hedge.budget.take()) this.attempt(this.choice.take())
  }

  // An attempt's side

  onConnected(): void {
    this.exchange.isConnected = true
  }

  onHead(attempt: Attempt, head: ResponseHead): BodyHandler {
    if (head.status >= 400) return this.onErrorHead(attempt, head)
    if (this.choice.mayProbe(head, this.attempts.length > 1 || this.fallbacks !== null)) {
      attempt.probe = new ProbedResponse(this, attempt, head, this.options.budget)
      return attempt.probe
    }
    this.take(attempt, head)
    return this.receiver
  }

  /** A response that was held back goes to the client. @returns false to pause reading */
  onContent(held: HeldResponse): boolean {
    const { attempt, head } = held
    held.offerSocket(true)
    try {
      this.take(attempt, head)
    } catch (error) {
      this.onFailed(attempt, error)
      return true
    }
    held.offerSocket(false)
    attempt.probe = null
    attempt.refused = null
    attempt.setReceiver(this.receiver)
    return held.release(this.receiver)
  }

  /** A response begins with an error: as good as a response with that status. @returns false to pause reading */
  onErrorEvent(probe: ProbedResponse, facts: ErrorFacts): boolean {
    const { attempt } = probe
    const { model, isOwn } = this.asked(attempt)
    const { kind, why, askedMs } = judgeErrorEvent(facts, isOwn)
    // Its health hears of it at the end of the response.
    const decision = this.decide(attempt, kind)
    if (decision === 'accept' && this.fallbacks === null) return this.onContent(probe)
    reportOutcome(attempt, { kind, why, askedMs, model })
    return this.giveWay(probe, kind, why, decision)
  }

  /** A response is over without any content. @returns whether another target is tried in its place */
  onEmpty(probe: ProbedResponse): boolean {
    const { attempt } = probe
    const kind = classifyFailure(attempt.failure(EMPTY_RESPONSE, false))
    const decision = this.decide(attempt, kind)
    if (decision === 'accept' && this.fallbacks === null) return false
    reportOutcome(attempt, { kind, why: EMPTY_RESPONSE, askedMs: null, model: null })
    this.giveWay(probe, kind, EMPTY_RESPONSE, decision)
    return true
  }

  /**
   * A refusal is complete, or is not waited for any longer.
   * @param body null if it is not complete; then the status decides
   * @returns false to pause reading
   */
  onRefusal(refused: RefusedRequest, body: Buffer | null): boolean {
    const { attempt, head } = refused
    const { target, corrections } = attempt
    if (this.isSettled || !this.attempts.includes(attempt)) return true
    const mayCorrect = body !== null && this.choice.mayCorrect(attempt, head.status)
    if (mayCorrect && this.options.correct?.(attempt, head.status, body) === true) {
      this.remove(attempt, 'corrected')
      attempt.giveUp(TOO_SLOW)
      this.attempt(target, true, corrections + 1)
      return true
    }
    const kind = judgeRefusal(attempt, head, body, this.asked(attempt))
    const decision = this.decide(attempt, kind)
    if (decision === 'accept' && this.fallbacks === null) return this.onContent(refused)
    return this.giveWay(refused, kind, String(head.status), decision)
  }

  /** A refusal breaks off while its body is waited for. */
  onRefusalCut(refused: RefusedRequest, error: Error): void {
    const { attempt, kind } = refused
    if (this.isSettled || !this.attempts.includes(attempt)) return
    const isNext = this.decide(attempt, kind) !== 'accept'
    if (isNext || this.decide(attempt, 'connection_lost') === 'next') {
      this.onFailed(attempt, error, isNext ? kind : 'connection_lost')
      return
    }
    this.onContent(refused)
    attempt.onError(error)
  }

  /** @param kind if it is known better than by the error */
  onFailed(attempt: Attempt, error: unknown, kind: FailureKind | null = null): void {
    if (this.isOver || !this.attempts.includes(attempt)) return
    const code = readErrorCode(error)
    const written = attempt.phase !== 'connecting'
    const failure = attempt.failure(code, wasConnectionReused(error, written))
    const errorCode = classifyError(error, written ? 'waiting' : 'connecting')
    this.lose(attempt, kind ?? classifyFailure(failure, this.options.ownsCredential), code, errorCode)
  }

  // What happens

  /** An attempt has won, or nothing is waited for any longer. */
  private get isSettled(): boolean {
    return this.isOver || this.winner !== null
  }

  private asked({ target }: Attempt): Asked {
    const { body, request } = this.exchange
    const model = target.model ?? body?.conversation?.modelName ?? request.model
    return { isOwn: this.options.ownsCredential, model }
  }

  private decide(attempt: Attempt, kind: FailureKind): Decision {
    return this.choice.decide(attempt, kind, this.attempts.length)
  }

  private onErrorHead(attempt: Attempt, head: ResponseHead): BodyHandler {
    const { status } = head
    const kind = classifyFailure(status, this.options.ownsCredential)
    const decision = this.decide(attempt, kind)
    const hasOther = this.attempts.length > 1 || this.choice.hasNext() || this.fallbacks !== null
    // A rate limit needs no words to go on.
    const isOpen = isDecidedByBody(status) && isPlain(head.raw) && (status !== 429 || decision === 'accept')
    if (this.choice.mayCorrect(attempt, status) || (isOpen && hasOther)) {
      attempt.refused = new RefusedRequest(this, attempt, head, kind, this.options.budget)
      return attempt.refused
    }
    // Without its body, a 403 may be about the request.
    const isCertain = status !== 403 || decision !== 'accept'
    reportStatus(attempt, head, isCertain ? kind : 'final_status', this.asked(attempt).model)
    if (decision !== 'accept' || this.fallbacks !== null)
      return this.holdFallback(attempt, head, kind, String(status), decision)
    this.take(attempt, head)
    return this.receiver
  }

  /** A response that is held back becomes a fallback. @returns false to pause reading */
  private giveWay(held: HeldResponse, kind: FailureKind, why: string, decision: Decision): boolean {
    const { attempt, head } = held
    attempt.probe = null
    attempt.refused = null
    const fallback = this.holdFallback(attempt, head, kind, why, decision)
    attempt.setReceiver(fallback)
    return held.release(fallback)
  }

  /** Keeps an error response for the case that no other target succeeds, and goes on. */
  private holdFallback(
    attempt: Attempt,
    head: ResponseHead,
    kind: FailureKind,
    why: string,
    decision: Decision,
  ): FallbackResponse {
    this.remove(attempt, why)
    this.fallbacks ??= new FallbackResponses(this.options.budget, this.options.ownsCredential)
    const fallback = this.fallbacks.add(attempt, head, kind)
    if (this.attempts.length > 0) return fallback
    if (decision === 'accept') this.finish('upstream_cut', why)
    else this.attempt(this.choice.takeAfter(attempt.target, kind))
    return fallback
  }

  private attempt(target: Target<Upstream>, isRetry = false, corrections = 0): void {
    const { exchange } = this
    const attempt = new Attempt(this, target, isRetry, corrections)
    exchange.countAttempt(target)
    this.attempts.push(attempt)
    try {
      this.options.send(this.exchange, attempt)
    } catch (error) {
      if (readErrorCode(error) === CREDENTIAL_MISSING) {
        this.onFailed(attempt, error)
        return
      }
      this.attempts.splice(this.attempts.indexOf(attempt), 1)
      attempt.giveUp(TOO_SLOW)
      // The caller of `start` handles the error of the first attempt. Later attempts are called by a connection or a
      // timer.
      if (exchange.outcome.attempts === 1) throw error
      if (this.attempts.length === 0) this.finish('internal_error', readErrorCode(error))
    }
  }

  /** The attempt has reached a time limit. */
  private onLapse(attempt: Attempt, { kind, setting }: Lapse): void {
    const { probe } = attempt
    const isPassed = probe !== null && this.options.firstTokenMs === null
    if (isPassed) this.options.onHeld()
    // Or no other target is left: go on with this response, as if there were no limit.
    if (probe !== null && (isPassed || this.decide(attempt, kind) === 'accept')) this.onContent(probe)
    else this.lose(attempt, kind, setting, 'upstream_timeout')
  }

  /** The attempt has failed. @param code the client's error if no target succeeds */
  private lose(attempt: Attempt, kind: FailureKind, why: string, code: ErrorCode): void {
    const decision = this.decide(attempt, kind)
    const { target } = attempt
    reportOutcome(attempt, { kind, why, askedMs: null, model: this.asked(attempt).model })
    this.remove(attempt, why)
    attempt.giveUp(TOO_SLOW)
    if (decision === 'fresh') this.attempt(target, true)
    // Another attempt is still open.
    else if (this.attempts.length > 0) return
    else if (decision === 'next' || decision === 'key') this.attempt(this.choice.takeAfter(target, kind))
    else this.finish(code, why)
  }

  /** Makes an attempt the winner. @throws if the head cannot be sent on */
  private take(attempt: Attempt, head: ResponseHead): void {
    const { exchange, attempts } = this
    const { breaker } = attempt.target
    // A response that came before the end of the upload says nothing about latency.
    const isEarly = exchange.body?.isComplete === false
    this.hand(attempt, head)
    const now = performance.now()
    if (head.status < 400) {
      breaker.succeed(attempt.ticket, now, isEarly ? null : now - waitsSince(attempt, exchange))
      exchange.setResponder(breaker, attempt.ticket)
      reportServed(attempt, this.asked(attempt).model)
    } else if (this.options.ownsCredential)
      exchange.setResponder(new AccountWatch(attempt, head.status), attempt.ticket)
    this.winner = attempt
    this.hedgeTimer?.stop()
    this.fallbacks?.forget()
    for (const other of attempts) if (other !== attempt) this.passOver(other, now)
    attempts.length = 0
  }

  /** Gives up an attempt because another one was faster. */
  private passOver(attempt: Attempt, now: number): void {
    reportOvertaken(attempt, now - waitsSince(attempt, this.exchange), now)
    this.exchange.addOvertaken(attempt.target.name, attempt.phase !== 'connecting')
    attempt.giveUp(TOO_SLOW)
  }

  private remove(attempt: Attempt, why: string): void {
    const { exchange, attempts } = this
    attempts.splice(attempts.indexOf(attempt), 1)
    exchange.addFailure(`${attempt.target.name} ${why}`)
  }

  /** No target has succeeded: the client gets the best fallback response, or an error of the relay. */
  private finish(code: ErrorCode, cause: string): void {
    this.hedgeTimer?.stop()
    if (this.fallbacks === null) this.fail(code, cause)
    else this.fallbacks.whenSettled((best) => this.useFallback(best, code, cause))
  }

  private useFallback(fallback: FallbackResponse | null, code: ErrorCode, cause: string): void {
    if (this.isOver) return
    if (fallback === null) {
      this.fail(code, cause)
      return
    }
    const { attempt, head, held } = fallback
    try {
      this.hand(attempt, head)
    } catch (error) {
      this.fail(classifyError(error, 'waiting'), readErrorCode(error))
      return
    }
    this.winner = attempt
    for (const chunk of held.chunks) this.receiver.onData(chunk)
    this.fallbacks?.forget()
    this.receiver.onEnd()
  }

  /** The client gets the response of an attempt. @throws if the head cannot be sent on */
  private hand(attempt: Attempt, head: ResponseHead): void {
    this.exchange.setWinner(attempt.target, attempt.startedAt)
    this.receiver.onHead(head, attempt)
  }

  private fail(code: ErrorCode, cause: string): void {
    this.isOver = true
    this.fallbacks?.forget()
    this.receiver.onFailed(code, cause)
  }
}

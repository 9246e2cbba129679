import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { readErrorCode } from '../lib/error-code.js'
import type { HedgeBudget } from '../routing/hedge.js'
import {
  classifyOutcome,
  type Failure,
  FIRST_BYTE_LATE,
  FIRST_TOKEN_LATE,
  type Outcome,
} from '../routing/outcome.js'
import { readCooldownMs } from '../routing/retry-after.js'
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
import type { ByteBudget } from './byte-budget.js'
import { classifyError, TOO_SLOW } from './failure.js'
import { FallbackResponse } from './fallback-response.js'
import { ProbedResponse } from './probed-response.js'

/** Who is to have the answer. */
export interface ResponseHandler extends BodyHandler {
  /**
   * @param attempt that has it
   * @throws on a head that cannot be sent on; nothing has gone to a client then
   */
  onHead(head: ResponseHead, attempt: Attempt): void
  /** There is no answer. Nothing has gone to a client. */
  onFailed(code: ErrorCode, cause: string): void
}

export interface FailoverOptions {
  readonly targets: readonly Target<Upstream>[]
  /** Places in that list, in the order in which they are to be asked. */
  readonly order: readonly number[]
  /** The request may be made again although an upstream may have begun with it; null: if that costs no more than tokens. */
  readonly failover: boolean | null
  /** An upstream whose answer has begun, but not with anything in it, is given so long if there is another. */
  readonly firstTokenMs: number | null
  /** A second one is asked if the first has not begun to answer after so long, and the budget has it: if it is safe to ask twice. */
  readonly hedge: { readonly afterMs: number; readonly budget: HedgeBudget } | null
  /** What is kept of answers before one is the client's counts against it. */
  readonly budget: ByteBudget
  /** Sends the request. Called for each attempt. @param exchange the one that is billed now */
  readonly send: (exchange: Exchange, attempt: Attempt) => void
}

/**
 * A request's way over its targets, until one answers: which of them is asked next, and what the client gets if none does.
 * Before a byte has gone to the client everything can be taken back; behind it, nothing is.
 */
export class Failover {
  /** Whose request it is: of those that share an answer, the one who pays. */
  exchange: Exchange
  private readonly receiver: ResponseHandler
  private readonly options: FailoverOptions
  /** Of the targets, those that were asked or passed over. */
  private asked: number
  /** Attempts of which there may be an answer. */
  private readonly live: Attempt[]
  /** Whose answer it is. */
  private taken: Attempt | null
  /** The last answer that was no good. */
  private fallback: FallbackResponse | null
  private hedge: NodeJS.Timeout | null
  private over: boolean

  constructor(exchange: Exchange, receiver: ResponseHandler, options: FailoverOptions) {
    this.exchange = exchange
    this.receiver = receiver
    this.options = options
    this.asked = 0
    this.live = []
    this.taken = null
    this.fallback = null
    this.hedge = null
    this.over = false
  }

  start(): void {
    const { hedge, order } = this.options
    if (hedge !== null && order.length > 1) {
      this.hedge = setTimeout(askSecond, hedge.afterMs, this).unref()
    }
    this.ask(this.takeNext(), false)
  }

  /** Nobody waits for it any longer, or its answer was not to be waited for. */
  giveUp(reason: Error): void {
    this.over = true
    this.stopHedging()
    this.fallback?.drop()
    this.fallback?.letGo()
    this.fallback = null
    for (const attempt of this.live.splice(0)) attempt.giveUp(reason)
    this.taken?.giveUp(reason)
  }

  /** There is an answer whose end has not come. */
  get reading(): boolean {
    return this.taken?.reading === true
  }

  readOn(): void {
    this.taken?.readOn()
  }

  /** To be called while there is no answer. @param now `performance.now()` */
  onTick(now: number): void {
    const { live } = this
    // One that is late leaves the list, or there is an answer. What is asked in its place comes last, and is not late yet.
    for (let i = 0; i < live.length && !this.settled; ) {
      const attempt = live[i] as Attempt
      if (this.isLate(attempt, now)) this.onLate(attempt)
      else i++
    }
  }

  /** One that shares the answer pays for it from now on: what was asked is in its record, and in no other. */
  moveTo(heir: Exchange): void {
    const { exchange } = this
    exchange.moveBillingTo(heir)
    this.exchange = heir
  }

  /** The second target, if the first takes longer than it usually does. */
  askSecond(): void {
    const { hedge } = this.options
    this.hedge = null
    if (hedge === null || this.settled || this.live.length !== 1 || !this.hasNext()) return
    const now = performance.now()
    const left = this.hedgesIn(this.live[0] as Attempt, hedge.afterMs, now)
    if (left > 0) this.hedge = setTimeout(askSecond, left, this).unref()
    else if (this.next.breaker.allows(now) && hedge.budget.take()) this.ask(this.takeNext(), false)
  }

  // An attempt's side

  onConnected(): void {
    this.exchange.isConnected = true
  }

  onHead(attempt: Attempt, head: ResponseHead): BodyHandler {
    const { status } = head
    if (status >= 400) this.judge(attempt, head)
    if (status >= 400 && this.decide(attempt, status) === 'next') {
      this.forget(attempt, String(status))
      const fallback = new FallbackResponse(attempt, head, this.options.budget, this.fallback)
      this.fallback = fallback
      if (this.live.length === 0) this.ask(this.takeNext(), false)
      return fallback
    }
    if (status === 200 && this.options.firstTokenMs !== null && this.failover && this.hasOther()) {
      attempt.probe = new ProbedResponse(this, attempt, head, this.options.budget)
      return attempt.probe
    }
    this.take(attempt, head)
    return this.receiver
  }

  onBegun(probe: ProbedResponse): boolean {
    const { attempt, head, kept } = probe
    try {
      this.take(attempt, head)
    } catch (error) {
      this.onFailed(attempt, error)
      return true
    }
    attempt.probe = null
    attempt.handTo(this.receiver)
    let more = true
    for (const piece of kept.pieces) more = this.receiver.onData(piece)
    kept.letGo()
    return more
  }

  onFailed(attempt: Attempt, error: unknown): void {
    if (this.over || !this.live.includes(attempt)) return
    const code = readErrorCode(error)
    const written = attempt.phase !== 'connecting'
    const failure = attempt.failure(code, wasConnectionReused(error, written))
    this.lose(attempt, failure, code, classifyError(error, written ? 'waiting' : 'connecting'))
  }

  // What happens

  /** There is an answer, or nobody waits for one. */
  private get settled(): boolean {
    return this.over || this.taken !== null
  }

  /** This request may be asked twice though the first may have been acted on. */
  private get failover(): boolean {
    return (
      this.options.failover ?? isFailoverDefault(this.exchange.request.method, this.exchange.request.path)
    )
  }

  /** Whether there is a target that was not asked. One that has as much to do as it is to have is passed over. */
  private hasNext(): boolean {
    const { order } = this.options
    while (this.asked < order.length && this.next.upstream.full) this.asked++
    return this.asked < order.length
  }

  /** Whether someone else than one that is live may yet answer. */
  private hasOther(): boolean {
    return this.live.length > 1 || this.hasNext()
  }

  private get next(): Target<Upstream> {
    const { targets, order } = this.options
    return targets[order[this.asked] as number] as Target<Upstream>
  }

  private takeNext(): Target<Upstream> {
    const { next } = this
    this.asked++
    return next
  }

  private decide(attempt: Attempt, outcome: Outcome): Decision {
    const { failover } = this
    const idempotent = isIdempotent(this.exchange.request.method)
    const state: AttemptState = { retried: attempt.isRetry, hasOther: this.hasOther(), failover, idempotent }
    return decide(outcome, state)
  }

  private ask(target: Target<Upstream>, again: boolean): void {
    const { exchange } = this
    const attempt = new Attempt(this, target, again)
    exchange.countAttempt(target.upstream.name)
    this.live.push(attempt)
    try {
      this.options.send(this.exchange, attempt)
    } catch (error) {
      this.live.splice(this.live.indexOf(attempt), 1)
      attempt.giveUp(TOO_SLOW)
      // Of the first, whoever started it has to know; behind it there is nobody but undici, or a timer.
      if (exchange.outcome.attempts === 1) throw error
      if (this.live.length === 0) this.end('internal_error', readErrorCode(error))
    }
  }

  /** From when on it is waited for: an upstream that has not heard all of a request is not late. */
  private waitsSince(attempt: Attempt): number {
    return Math.max(attempt.startedAt, this.exchange.timeline.attemptStartedAt ?? 0)
  }

  private isLate(attempt: Attempt, now: number): boolean {
    const since = this.waitsSince(attempt)
    if (attempt.probe === null) return now - since > attempt.target.upstream.timeouts.firstByteMs
    const { firstTokenMs } = this.options
    return firstTokenMs !== null && now - Math.max(since, attempt.probe.since) > firstTokenMs
  }

  /** It has taken too long. */
  private onLate(attempt: Attempt): void {
    const { probe } = attempt
    const outcome = attempt.failure(probe === null ? FIRST_BYTE_LATE : FIRST_TOKEN_LATE, false)
    // There is no other: then this one is waited for, as it would be without a limit.
    if (probe !== null && this.decide(attempt, outcome) === 'accept') this.onBegun(probe)
    else this.lose(attempt, outcome, probe === null ? 'firstByteMs' : 'firstTokenMs', 'upstream_timeout')
  }

  /** There is no answer of it. @param code what the client is told if there is none at all */
  private lose(attempt: Attempt, outcome: Failure, why: string, code: ErrorCode): void {
    const decision = this.decide(attempt, outcome)
    const { target, ticket } = attempt
    const verdict = classifyOutcome(outcome)
    if (verdict === 'failure') target.breaker.fail(ticket, performance.now(), why)
    else if (verdict === 'success') target.breaker.succeed(ticket, performance.now(), null)
    this.forget(attempt, why)
    attempt.giveUp(TOO_SLOW)
    if (decision === 'retry') this.ask(target, true)
    // Another one may yet answer.
    else if (this.live.length > 0) return
    else if (decision === 'next') this.ask(this.takeNext(), false)
    else this.end(code, why)
  }

  /** Milliseconds until a second one may be asked beside it. */
  private hedgesIn(attempt: Attempt, afterMs: number, now: number): number {
    // It is heard, or has not heard all: its time has not begun.
    if (attempt.probe !== null || this.exchange.body?.isComplete === false) return afterMs
    return afterMs - (now - this.waitsSince(attempt))
  }

  /** @throws on a head that cannot be sent on */
  private take(attempt: Attempt, head: ResponseHead): void {
    const { exchange, receiver, live } = this
    const { breaker, upstream } = attempt.target
    exchange.setWinner(upstream.name, attempt.startedAt)
    // Of one that did not wait for the end of the body it cannot be said how soon it answers.
    const early = exchange.body?.isComplete === false
    receiver.onHead(head, attempt)
    const now = performance.now()
    if (head.status < 400) breaker.succeed(attempt.ticket, now, early ? null : now - this.waitsSince(attempt))
    this.taken = attempt
    this.stopHedging()
    this.fallback?.letGo()
    this.fallback = null
    for (const other of live) if (other !== attempt) this.passOver(other, now)
    live.length = 0
  }

  /** Another one was quicker. */
  private passOver(attempt: Attempt, now: number): void {
    const { latency } = attempt.target.breaker
    const waited = now - this.waitsSince(attempt)
    // Or the times that a hedge goes by would be those of winners alone, and become shorter with each. One that has not been
    // waited for as long as usual has told nothing.
    if (waited > (latency.quantile(0.5) ?? Number.POSITIVE_INFINITY)) latency.observe(now, waited)
    attempt.giveUp(TOO_SLOW)
  }

  /** What an answer that is none says of its target. */
  private judge({ target, ticket }: Attempt, { status, raw }: ResponseHead): void {
    const { breaker } = target
    const now = performance.now()
    const verdict = classifyOutcome(status)
    if (verdict === 'failure') breaker.fail(ticket, now, `status ${status}`)
    // How soon an error is told says nothing about a model.
    else if (verdict === 'success') breaker.succeed(ticket, now, null)
    const cooldown = readCooldownMs(status, raw, Date.now())
    if (cooldown > 0) breaker.coolDownUntil(now + cooldown)
  }

  private forget(attempt: Attempt, why: string): void {
    const { exchange, live } = this
    live.splice(live.indexOf(attempt), 1)
    exchange.addFailure(`${attempt.target.name} ${why}`)
  }

  /** Nobody has answered. What the last one said that said anything is then the answer. */
  private end(code: ErrorCode, cause: string): void {
    const { fallback } = this
    this.stopHedging()
    if (fallback === null) this.fail(code, cause)
    else fallback.whenOver(() => this.settleFor(fallback.best, code, cause))
  }

  private settleFor(fallback: FallbackResponse | null, code: ErrorCode, cause: string): void {
    if (this.over) return
    if (fallback === null) {
      this.fail(code, cause)
      return
    }
    const { exchange, receiver } = this
    exchange.setWinner(fallback.attempt.target.upstream.name, fallback.attempt.startedAt)
    try {
      receiver.onHead(fallback.head, fallback.attempt)
    } catch (error) {
      this.fail(classifyError(error, 'waiting'), readErrorCode(error))
      return
    }
    this.taken = fallback.attempt
    for (const piece of fallback.kept.pieces) receiver.onData(piece)
    this.fallback?.letGo()
    this.fallback = null
    receiver.onEnd()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.over = true
    this.fallback?.letGo()
    this.receiver.onFailed(code, cause)
  }

  private stopHedging(): void {
    if (this.hedge !== null) clearTimeout(this.hedge)
    this.hedge = null
  }
}

function askSecond(failover: Failover): void {
  failover.askSecond()
}

import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { ByteBudget } from '../lib/byte-budget.js'
import { systemCode } from '../lib/error-code.js'
import { verdictOn } from '../routing/circuit-breaker.js'
import type { HedgeBudget } from '../routing/hedge.js'
import { cooldownMs } from '../routing/retry-after.js'
import {
  type AttemptState,
  type Decision,
  decide,
  type Failure,
  FIRST_BYTE_LATE,
  FIRST_EVENT_LATE,
  failoverByDefault,
  isIdempotent,
  type Outcome,
} from '../routing/retry-policy.js'
import type { Target } from '../routing/router.js'
import { wasReused } from '../upstream/connector.js'
import { type AnswerHead, Attempt, type AttemptOwner, type BodyTaker } from './attempt.js'
import { failureCode, TOO_SLOW } from './failure.js'
import { Refusal } from './fallback-response.js'
import { HeldAnswer, type HeldAnswerOwner } from './probed-response.js'

/** Who is to have the answer. */
export interface Receiver extends BodyTaker {
  /**
   * @param attempt that has it
   * @throws on a head that cannot be sent on; nothing has gone to a client then
   */
  onHead(head: AnswerHead, attempt: Attempt): void
  /** There is no answer. Nothing has gone to a client. */
  onFailed(code: ErrorCode, cause: string): void
}

export interface CourseOptions {
  readonly targets: readonly Target[]
  /** Places in that list, in the order in which they are to be asked. */
  readonly order: readonly number[]
  /** The request may be made again although an upstream may have begun with it; null: if that costs no more than tokens. */
  readonly failover: boolean | null
  /** An upstream whose answer has begun, but not with anything in it, is given so long if there is another. */
  readonly stallMs: number | null
  /** A second one is asked if the first has not begun to answer after so long, and the budget has it: if it is safe to ask twice. */
  readonly hedge: { readonly afterMs: number; readonly budget: HedgeBudget } | null
  /** What is kept of answers before one is the client's counts against it. */
  readonly budget: ByteBudget
  /** Sends the request on. Called for each attempt. */
  readonly send: (attempt: Attempt) => void
}

/**
 * A request's way over its targets, until one answers: which of them is asked next, and what the client gets if none does.
 * Before a byte has gone to the client everything can be taken back; behind it, nothing is.
 */
export class Course implements AttemptOwner, HeldAnswerOwner {
  /** Whose request it is: of those that share an answer, the one who pays. */
  x: Exchange
  private readonly receiver: Receiver
  private readonly options: CourseOptions
  /** Of the targets, those that were asked or passed over. */
  private asked: number
  /** Attempts of which there may be an answer. */
  private readonly live: Attempt[]
  /** Whose answer it is. */
  private taken: Attempt | null
  /** The last answer that was no good. */
  private refusal: Refusal | null
  private hedge: NodeJS.Timeout | null
  private over: boolean

  constructor(x: Exchange, receiver: Receiver, options: CourseOptions) {
    this.x = x
    this.receiver = receiver
    this.options = options
    this.asked = 0
    this.live = []
    this.taken = null
    this.refusal = null
    this.hedge = null
    this.over = false
  }

  start(): void {
    const { hedge, order } = this.options
    this.x.attempts = 0
    this.x.failures = null
    if (hedge !== null && order.length > 1) {
      this.hedge = setTimeout(askSecond, hedge.afterMs, this).unref()
    }
    this.ask(this.takeNext(), false)
  }

  /** Nobody waits for it any longer, or its answer was not to be waited for. */
  giveUp(reason: Error): void {
    this.over = true
    this.stopHedging()
    this.refusal?.drop()
    this.refusal?.letGo()
    this.refusal = null
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
    const { x } = this
    heir.attempts = x.attempts
    heir.failures = x.failures
    heir.upstream = x.upstream
    heir.connected = x.connected
    x.attempts = 0
    x.failures = null
    this.x = heir
  }

  /** The second target, if the first takes longer than it usually does. */
  askSecond(): void {
    const { hedge } = this.options
    this.hedge = null
    if (hedge === null || this.settled || this.live.length !== 1 || !this.hasNext()) return
    const now = performance.now()
    const left = this.hedgesIn(this.live[0] as Attempt, hedge.afterMs, now)
    if (left > 0) this.hedge = setTimeout(askSecond, left, this).unref()
    else if (this.next.health.allows(now) && hedge.budget.take()) this.ask(this.takeNext(), false)
  }

  // An attempt's side

  onConnected(): void {
    this.x.connected = true
  }

  onHead(attempt: Attempt, head: AnswerHead): BodyTaker {
    const { status } = head
    if (status >= 400) this.judge(attempt, head)
    if (status >= 400 && this.decide(attempt, status) === 'next') {
      this.forget(attempt, String(status))
      const refusal = new Refusal(attempt, head, this.options.budget, this.refusal)
      this.refusal = refusal
      if (this.live.length === 0) this.ask(this.takeNext(), false)
      return refusal
    }
    if (status === 200 && this.options.stallMs !== null && this.failover && this.hasOther()) {
      attempt.held = new HeldAnswer(this, attempt, head, this.options.budget)
      return attempt.held
    }
    this.take(attempt, head)
    return this.receiver
  }

  onBegun(held: HeldAnswer): boolean {
    const { attempt, head, kept } = held
    try {
      this.take(attempt, head)
    } catch (error) {
      this.onFailed(attempt, error)
      return true
    }
    attempt.held = null
    attempt.handTo(this.receiver)
    let more = true
    for (const piece of kept.pieces) more = this.receiver.onData(piece)
    kept.letGo()
    return more
  }

  onFailed(attempt: Attempt, error: unknown): void {
    if (this.over || !this.live.includes(attempt)) return
    const code = systemCode(error)
    const written = attempt.phase !== 'connecting'
    const failure = attempt.failure(code, wasReused(error, written))
    this.lose(attempt, failure, code, failureCode(error, written ? 'waiting' : 'connecting'))
  }

  // What happens

  /** There is an answer, or nobody waits for one. */
  private get settled(): boolean {
    return this.over || this.taken !== null
  }

  /** This request may be asked twice though the first may have been acted on. */
  private get failover(): boolean {
    return this.options.failover ?? failoverByDefault(this.x.method, this.x.path)
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

  private get next(): Target {
    const { targets, order } = this.options
    return targets[order[this.asked] as number] as Target
  }

  private takeNext(): Target {
    const { next } = this
    this.asked++
    return next
  }

  private decide(attempt: Attempt, outcome: Outcome): Decision {
    const { failover } = this
    const idempotent = isIdempotent(this.x.method)
    const state: AttemptState = { sameTried: attempt.again, another: this.hasOther(), failover, idempotent }
    return decide(outcome, state)
  }

  private ask(target: Target, again: boolean): void {
    const { x } = this
    const attempt = new Attempt(this, target, again)
    x.attempts++
    x.upstream = target.upstream.name
    this.live.push(attempt)
    try {
      this.options.send(attempt)
    } catch (error) {
      this.live.splice(this.live.indexOf(attempt), 1)
      attempt.giveUp(TOO_SLOW)
      // Of the first, whoever started it has to know; behind it there is nobody but undici, or a timer.
      if (x.attempts === 1) throw error
      if (this.live.length === 0) this.end('internal_error', systemCode(error))
    }
  }

  /** From when on it is waited for: an upstream that has not heard all of a request is not late. */
  private waitsSince(attempt: Attempt): number {
    return Math.max(attempt.startedAt, this.x.attemptAt)
  }

  private isLate(attempt: Attempt, now: number): boolean {
    const since = this.waitsSince(attempt)
    if (attempt.held === null) return now - since > attempt.target.upstream.timeouts.firstByteMs
    const { stallMs } = this.options
    return stallMs !== null && now - Math.max(since, attempt.held.since) > stallMs
  }

  /** It has taken too long. */
  private onLate(attempt: Attempt): void {
    const { held } = attempt
    const outcome = attempt.failure(held === null ? FIRST_BYTE_LATE : FIRST_EVENT_LATE, false)
    // There is no other: then this one is waited for, as it would be without a limit.
    if (held !== null && this.decide(attempt, outcome) === 'answer') this.onBegun(held)
    else this.lose(attempt, outcome, held === null ? 'firstByteMs' : 'stallMs', 'upstream_timeout')
  }

  /** There is no answer of it. @param code what the client is told if there is none at all */
  private lose(attempt: Attempt, outcome: Failure, why: string, code: ErrorCode): void {
    const decision = this.decide(attempt, outcome)
    const { target, ticket } = attempt
    const verdict = verdictOn(outcome)
    if (verdict === 'unwell') target.health.fail(ticket, performance.now(), why)
    else if (verdict === 'well') target.health.succeed(ticket, performance.now(), null)
    this.forget(attempt, why)
    attempt.giveUp(TOO_SLOW)
    if (decision === 'same') this.ask(target, true)
    // Another one may yet answer.
    else if (this.live.length > 0) return
    else if (decision === 'next') this.ask(this.takeNext(), false)
    else this.end(code, why)
  }

  /** Milliseconds until a second one may be asked beside it. */
  private hedgesIn(attempt: Attempt, afterMs: number, now: number): number {
    // It is heard, or has not heard all: its time has not begun.
    if (attempt.held !== null || this.x.body?.whole === false) return afterMs
    return afterMs - (now - this.waitsSince(attempt))
  }

  /** @throws on a head that cannot be sent on */
  private take(attempt: Attempt, head: AnswerHead): void {
    const { x, receiver, live } = this
    const { health, upstream } = attempt.target
    x.upstream = upstream.name
    x.askedAt = attempt.startedAt
    // Of one that did not wait for the end of the body it cannot be said how soon it answers.
    const early = x.body?.whole === false
    receiver.onHead(head, attempt)
    const now = performance.now()
    if (head.status < 400) health.succeed(attempt.ticket, now, early ? null : now - this.waitsSince(attempt))
    this.taken = attempt
    this.stopHedging()
    this.refusal?.letGo()
    this.refusal = null
    for (const other of live) if (other !== attempt) this.passOver(other, now)
    live.length = 0
  }

  /** Another one was quicker. */
  private passOver(attempt: Attempt, now: number): void {
    const { latency } = attempt.target.health
    const waited = now - this.waitsSince(attempt)
    // Or the times that a hedge goes by would be those of winners alone, and become shorter with each. One that has not been
    // waited for as long as usual has told nothing.
    if (waited > (latency.quantile(0.5) ?? Number.POSITIVE_INFINITY)) latency.observe(now, waited)
    attempt.giveUp(TOO_SLOW)
  }

  /** What an answer that is none says of its target. */
  private judge({ target, ticket }: Attempt, { status, raw }: AnswerHead): void {
    const { health } = target
    const now = performance.now()
    const verdict = verdictOn(status)
    if (verdict === 'unwell') health.fail(ticket, now, `status ${status}`)
    // How soon an error is told says nothing about a model.
    else if (verdict === 'well') health.succeed(ticket, now, null)
    const cooldown = cooldownMs(status, raw, Date.now())
    if (cooldown > 0) health.coolUntil(now + cooldown)
  }

  private forget(attempt: Attempt, why: string): void {
    const { x, live } = this
    live.splice(live.indexOf(attempt), 1)
    const failure = `${attempt.target.name} ${why}`
    x.failures = x.failures === null ? failure : `${x.failures}, ${failure}`
  }

  /** Nobody has answered. What the last one said that said anything is then the answer. */
  private end(code: ErrorCode, cause: string): void {
    const { refusal } = this
    this.stopHedging()
    if (refusal === null) this.fail(code, cause)
    else refusal.whenOver(() => this.settleFor(refusal.best, code, cause))
  }

  private settleFor(refusal: Refusal | null, code: ErrorCode, cause: string): void {
    if (this.over) return
    if (refusal === null) {
      this.fail(code, cause)
      return
    }
    const { x, receiver } = this
    x.upstream = refusal.attempt.target.upstream.name
    x.askedAt = refusal.attempt.startedAt
    try {
      receiver.onHead(refusal.head, refusal.attempt)
    } catch (error) {
      this.fail(failureCode(error, 'waiting'), systemCode(error))
      return
    }
    this.taken = refusal.attempt
    for (const piece of refusal.kept.pieces) receiver.onData(piece)
    this.refusal?.letGo()
    this.refusal = null
    receiver.onEnd()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.over = true
    this.refusal?.letGo()
    this.receiver.onFailed(code, cause)
  }

  private stopHedging(): void {
    if (this.hedge !== null) clearTimeout(this.hedge)
    this.hedge = null
  }
}

function askSecond(course: Course): void {
  course.askSecond()
}

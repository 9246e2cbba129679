import type { Exchange } from '../exchange.js'
import type { ErrorCode } from '../http/errors.js'
import { wasReused } from '../routing/connector.js'
import {
  type AttemptState,
  type Decision,
  decide,
  FIRST_BYTE_LATE,
  FIRST_EVENT_LATE,
  failoverByDefault,
  isIdempotent,
  type Outcome,
} from '../routing/decide.js'
import { verdictOn } from '../routing/health.js'
import type { HedgeBudget } from '../routing/hedge.js'
import { cooldownMs } from '../routing/retry-after.js'
import type { Target } from '../routing/router.js'
import { type AnswerHead, Attempt, type AttemptOwner, type BodyTaker } from './attempt.js'
import type { RequestBody } from './body.js'
import { failureCode, systemCode, TOO_SLOW } from './failure.js'
import { HeldAnswer, type HeldAnswerOwner } from './held-answer.js'
import { Refusal } from './refusal.js'

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
  /** A second one is asked if the first has not begun to answer after so long, and the budget has it. */
  readonly hedge: { readonly afterMs: number; readonly budget: HedgeBudget } | null
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
  private readonly body: RequestBody | null
  private readonly options: CourseOptions
  /** Of the targets, those that were asked. */
  private asked: number
  private sameTried: boolean
  /** Attempts of which there may be an answer. */
  private readonly live: Attempt[]
  /** Whose answer it is. */
  private taken: Attempt | null
  private held: HeldAnswer | null
  /** The last answer that was no good. */
  private refusal: Refusal | null
  private hedge: NodeJS.Timeout | null
  private over: boolean

  constructor(x: Exchange, receiver: Receiver, body: RequestBody | null, options: CourseOptions) {
    this.x = x
    this.receiver = receiver
    this.body = body
    this.options = options
    this.asked = 0
    this.sameTried = false
    this.live = []
    this.taken = null
    this.held = null
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
    this.askNext()
  }

  /** Nobody waits for it any longer, or its answer was not to be waited for. */
  giveUp(reason: Error): void {
    this.over = true
    this.stopHedging()
    this.refusal?.drop()
    for (const attempt of this.live) attempt.giveUp(reason)
    this.live.length = 0
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
    const { stallMs } = this.options
    for (const attempt of [...this.live]) {
      const held = this.held?.attempt === attempt ? this.held : null
      if (held !== null) {
        if (stallMs !== null && now - held.since > stallMs) this.onLate(attempt, FIRST_EVENT_LATE)
        continue
      }
      // The clock runs from the end of the body.
      const since = Math.max(attempt.startedAt, this.x.attemptAt)
      if (now - since > attempt.target.upstream.timeouts.firstByteMs) this.onLate(attempt, FIRST_BYTE_LATE)
    }
  }

  /** One that shares the answer pays for it from now on. */
  moveTo(x: Exchange): void {
    const { attempts, failures, upstream, connected } = this.x
    Object.assign(x, { attempts, failures, upstream, connected })
    this.x = x
  }

  /** The second target, if the first takes longer than it usually does. */
  askSecond(): void {
    this.hedge = null
    if (this.over || this.taken !== null || this.held !== null || this.live.length !== 1 || !this.another)
      return
    if (this.options.hedge?.budget.take()) this.askNext()
  }

  // An attempt's side

  onConnected(): void {
    this.x.connected = true
  }

  onHead(attempt: Attempt, head: AnswerHead): BodyTaker {
    const { status } = head
    if (status >= 400) this.judge(attempt, head)
    if (status >= 400 && this.decide(status) === 'next') {
      this.forget(attempt, String(status))
      this.refusal?.drop()
      const refusal = new Refusal(attempt, head)
      this.refusal = refusal
      if (this.live.length === 0) this.askNext()
      return refusal
    }
    if (status === 200 && this.options.stallMs !== null && this.held === null && this.another) {
      this.held = new HeldAnswer(this, attempt, head)
      return this.held
    }
    this.take(attempt, head)
    return this.receiver
  }

  onBegun(held: HeldAnswer): void {
    const { attempt, head, pieces } = held
    this.held = null
    try {
      this.take(attempt, head)
    } catch (error) {
      attempt.giveUp(TOO_SLOW)
      this.onFailed(attempt, error)
      return
    }
    attempt.handTo(this.receiver)
    for (const piece of pieces) this.receiver.onData(piece)
  }

  onFailed(attempt: Attempt, error: unknown): void {
    if (this.over || !this.live.includes(attempt)) return
    const { body } = this
    const phase =
      this.held?.attempt === attempt ? 'silent' : attempt.phase === 'connecting' ? 'connecting' : 'waiting'
    const code = systemCode(error)
    if (phase === 'silent') this.held = null
    const outcome = { code, phase, reused: wasReused(error), sentWhole: body === null || body.whole } as const
    const decision = this.decide(outcome)
    const { target, ticket } = attempt
    if (verdictOn(outcome) === 'unwell') target.health.fail(ticket, performance.now(), code)
    this.forget(attempt, code)
    // The other one may yet answer.
    if (this.live.length > 0) return
    if (decision === 'same') {
      this.sameTried = true
      this.ask(target)
    } else if (decision === 'next') this.askNext()
    else this.end(failureCode(error, phase === 'connecting' ? 'connecting' : 'waiting'), code)
  }

  // What happens

  private get another(): boolean {
    return this.asked < this.options.order.length
  }

  private decide(outcome: Outcome): Decision {
    const { sameTried, another, x, options } = this
    const failover = options.failover ?? failoverByDefault(x.method, x.path)
    const state: AttemptState = { sameTried, another, failover, idempotent: isIdempotent(x.method) }
    return decide(outcome, state)
  }

  private askNext(): void {
    this.ask(this.options.targets[this.options.order[this.asked++] as number] as Target)
  }

  private ask(target: Target): void {
    const { x } = this
    const attempt = new Attempt(this, target)
    x.attempts++
    x.upstream = target.upstream.name
    this.live.push(attempt)
    this.options.send(attempt)
  }

  /** It has taken too long. */
  private onLate(attempt: Attempt, code: string): void {
    const silent = code === FIRST_EVENT_LATE
    const outcome = { code, phase: silent ? 'silent' : 'waiting', reused: false, sentWhole: true } as const
    const decision = this.decide(outcome)
    if (decision === 'answer') {
      // There is no other: then this one is waited for, as it would be without a limit.
      if (this.held !== null) this.onBegun(this.held)
      return
    }
    if (silent) this.held = null
    const limit = silent ? 'stallMs' : 'firstByteMs'
    attempt.target.health.fail(attempt.ticket, performance.now(), limit)
    this.forget(attempt, limit)
    attempt.giveUp(TOO_SLOW)
    if (this.live.length > 0) return
    if (decision === 'next') this.askNext()
    else this.end('upstream_timeout', 'firstByteMs')
  }

  /** @throws on a head that cannot be sent on */
  private take(attempt: Attempt, head: AnswerHead): void {
    const { x, receiver } = this
    const { target } = attempt
    x.upstream = target.upstream.name
    x.askedAt = attempt.startedAt
    receiver.onHead(head, attempt)
    const now = performance.now()
    if (head.status < 400) target.health.succeed(attempt.ticket, now, now - attempt.startedAt)
    this.taken = attempt
    this.stopHedging()
    this.refusal = null
    for (const other of this.live) {
      if (other === attempt) continue
      // Or the times that a hedge goes by would be those of winners alone, and become shorter with each.
      other.target.health.latency.observe(now, now - other.startedAt)
      other.giveUp(TOO_SLOW)
    }
    this.live.length = 0
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
    else refusal.whenOver(() => this.settleFor(refusal, code, cause))
  }

  private settleFor(refusal: Refusal, code: ErrorCode, cause: string): void {
    if (this.over) return
    if (refusal.state !== 'whole') {
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
    for (const piece of refusal.pieces) receiver.onData(piece)
    receiver.onEnd()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.over = true
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

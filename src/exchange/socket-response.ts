import type { ErrorCode } from '../api/errors.js'
import { MessageMeter } from '../metering/message-meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { Exchange } from './exchange.js'
import type { LimitTicket } from './limit-ticket.js'
import type { OpenRecord } from './open-record.js'
import { type End, Outcome } from './outcome.js'
import { RequestFacts } from './request-facts.js'
import { RequestSummary } from './summary.js'
import { Timeline } from './timeline.js'

/** What a response on a WebSocket is asked for with. */
export interface SocketRequest {
  readonly model: string | null
  /** Responses of one lane come one after another (`stream_id`); empty for the lane without a name. */
  readonly lane: string
  /** Bytes of its frames. */
  readonly bytes: number
  readonly prompt: PromptSample | null
  /** Null if it was not said. */
  readonly store: boolean | null
  readonly background: boolean | null
}

/**
 * The record of one response on a WebSocket. It has the facts of the handshake, a model of its own, and the id of the
 * connection. It counts as the POST that it stands for.
 */
export class SocketResponse implements OpenRecord {
  readonly lane: string
  readonly meter: MessageMeter
  /** Id that the upstream gave it; null before its first event. */
  upstreamId: string | null
  /** `performance.now()` when it began, of its last event, and of an error that may have ended it; null for none. */
  readonly startedAt: number
  lastEventAt: number | null
  failedAt: number | null
  journaledAt: number
  readonly request: Readonly<RequestFacts>
  readonly outcome: Readonly<Outcome>
  private readonly facts: RequestFacts
  private readonly times: Timeline
  private readonly result: Outcome
  private isClosed: boolean

  /**
   * @param id unique, as the id of an exchange
   * @param now `performance.now()`
   */
  constructor(connection: Exchange, id: string, request: SocketRequest, now: number) {
    const { request: handshake } = connection
    const facts = new RequestFacts(id, connection.req)
    facts.method = 'POST'
    facts.path = handshake.path
    facts.isCursor = handshake.isCursor
    facts.errorFormat = handshake.errorFormat
    facts.requestId = handshake.requestId
    facts.key = handshake.key
    facts.clientAddress = handshake.clientAddress
    facts.tags = handshake.tags
    facts.connectionId = handshake.id
    facts.model = request.model
    facts.stream = true
    facts.store = request.store
    facts.background = request.background
    this.lane = request.lane
    this.meter = new MessageMeter()
    this.upstreamId = null
    this.startedAt = now
    this.lastEventAt = null
    this.failedAt = null
    this.journaledAt = 0
    this.facts = facts
    this.times = new Timeline(now)
    this.result = new Outcome()
    this.request = this.facts
    this.outcome = this.result
    this.result.phase = 'plan'
    this.result.bytesIn = request.bytes
    this.result.prompt = request.prompt
    this.result.meter = this.meter
    this.isClosed = false
  }

  get model(): string | null {
    return this.facts.model
  }

  /** It has been sent to an upstream. */
  get wasSent(): boolean {
    return this.times.attemptStartedAt !== null
  }

  /** The limits let it pass. @param observed names of rules that only observe, and would have refused it */
  setTicket(ticket: LimitTicket | null, observed: string | null): void {
    this.facts.ticket = ticket
    this.result.observedRules = observed
  }

  /** @param rule name of the limit rule that refuses it */
  setLimitRule(rule: string): void {
    this.result.limitRule = rule
  }

  /** @param model that the upstream is asked for; null for the requested one */
  rename(model: string | null): void {
    this.result.sentModel = model
  }

  /** @param now `performance.now()` */
  send(upstream: string, now: number): void {
    this.result.phase = 'attempt'
    this.result.upstream = upstream
    this.result.attempts = 1
    this.times.attemptStartedAt ??= now
  }

  /** An event of it has come. @param bytes of its frames @param now `performance.now()` */
  countEvent(bytes: number, now: number): void {
    const { result, times } = this
    if (times.responseStartedAt === null) {
      times.responseStartedAt = now
      result.phase = 'respond'
      result.status = 200
    }
    this.lastEventAt = now
    result.bytesOut += bytes
    result.countChunk(now)
  }

  /** The upstream has refused it, with a status as an HTTP response would have. */
  setStatus(status: number): void {
    this.result.status = status
  }

  get isPending(): boolean {
    return !this.isClosed
  }

  summarizeOpen(now: number): RequestSummary {
    const outcome = Object.assign(new Outcome(), this.result)
    outcome.end = 'crashed'
    // No upstream has read it.
    if (!this.wasSent) outcome.prompt = null
    return new RequestSummary(this.facts, this.times, outcome, now)
  }

  /**
   * Closes the record. Exactly one call returns the summary; later ones return null.
   * @param now `performance.now()`
   */
  close(
    end: End,
    now: number,
    code: ErrorCode | null = null,
    cause: string | null = null,
  ): RequestSummary | null {
    if (this.isClosed) return null
    this.isClosed = true
    // No upstream has read it.
    if (!this.wasSent) this.result.prompt = null
    this.result.end = end
    this.result.errorCode = code
    this.result.cause = cause
    return new RequestSummary(this.facts, this.times, this.result, now)
  }
}

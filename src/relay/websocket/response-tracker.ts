import type { ErrorCode } from '../../api/errors.js'
import type { UpstreamTimeouts } from '../../config/upstreams.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { End } from '../../exchange/outcome.js'
import { type SocketRequest, SocketResponse } from '../../exchange/socket-response.js'
import type { RequestSummary } from '../../exchange/summary.js'
import { asObject, isObject, type JsonObject, parseJson, stringOr } from '../../json/values.js'
import type { PricedTarget } from '../../limits/request-costs.js'
import { PromptSample } from '../../metering/prompt-sample.js'
import type { Upstream } from '../../upstream/upstream.js'
import { type ClientEvent, findEventType } from './client-event.js'
import type { LongMessage, MessageHandler } from './message-reader.js'
import { findCurrent, findPending, type OpenResponse } from './open-response.js'
import { checkUnasked, estimateEvent, ResponseCheck } from './response-check.js'
import { BEGINNINGS, ENDS, TRANSCRIBED } from './response-events.js'
import { SessionModels } from './session-models.js'
import type { EventRefusal, SocketRules } from './socket-rules.js'

/** Most responses that one connection may have open; OpenAI's limit is 16. */
const MOST_OPEN = 64

/** Milliseconds that an error event may be followed by the last event of its response. */
const SETTLE_MS = 2_000

/** What the event names, or what the limits say of it, is known in a moment: it is held until then. */
export const LATER = Symbol('later')

const UNSAID = { prompt: null, store: null, background: null } as const

type TrackerRules = Pick<
  SocketRules,
  'admit' | 'releaseFurther' | 'checkLimits' | 'whenChecked' | 'cancelLimits' | 'bar' | 'record'
>

/**
 * The responses of one WebSocket: each gets a record of its own. It reads the events of the upstream after they have
 * left for the client.
 */
export class ResponseTracker implements MessageHandler {
  /** `performance.now()`, of the upstream's last message. */
  lastMessageAt: number
  private readonly exchange: Exchange
  private readonly isRealtime: boolean
  private readonly rules: TrackerRules
  /** In the order in which they began. */
  private readonly open: OpenResponse[]
  private upstream: Upstream | null
  private count: number
  private isUnreadable: boolean
  /** When a response ended last: `performance.now()`. */
  private lastEndAt: number
  /** Of the Realtime API: the response that was asked for last, and has not begun. */
  private asked: SocketResponse | null
  private readonly session: SessionModels
  /** The response that waits for the limits; null for none. Nothing else is asked for meanwhile. */
  private checked: ResponseCheck | null
  /** Why the limits refuse the last response that the upstream began by itself; null if they do not. */
  private refusal: EventRefusal | null

  /**
   * @param isRealtime responses of the Realtime API begin by themselves; those of the Responses API follow requests
   */
  constructor(exchange: Exchange, isRealtime: boolean, rules: TrackerRules) {
    this.lastMessageAt = performance.now()
    this.exchange = exchange
    this.isRealtime = isRealtime
    this.rules = rules
    this.open = []
    this.upstream = null
    this.count = 0
    this.isUnreadable = false
    this.lastEndAt = 0
    this.asked = null
    this.session = new SessionModels()
    this.checked = null
    this.refusal = null
  }

  /** Responses that have not ended. One with an error counts no longer, although its last event may still come. */
  get openCount(): number {
    let count = 0
    for (const { response } of this.open) if (response.failedAt === null) count++
    return count
  }

  /**
   * Why the connection ends; null if it goes on. A response that the upstream began by itself, as an answer to speech,
   * cannot be refused any more: it is the last one.
   */
  get ending(): EventRefusal | null {
    return this.open.length > 0 ? null : this.refusal
  }

  private get target(): PricedTarget {
    return { upstream: this.upstream?.name ?? null, model: null }
  }

  setUpstream(upstream: Upstream): void {
    this.upstream = upstream
    const now = performance.now()
    for (const entry of this.open) this.send(entry, now)
  }

  /**
   * A client asks for a response.
   * @param bytes of its frames
   * @param sentModel by which the upstream knows the model; null for the requested name
   * @param target that gets it
   * @returns why it is refused; null if it may be sent; `LATER`: it is to be begun again when `awaited` resolves
   */
  begin(
    event: ClientEvent,
    bytes: number,
    sentModel: string | null,
    target: PricedTarget,
  ): EventRefusal | typeof LATER | null {
    const { checked } = this
    if (checked?.event === event) {
      this.checked = null
      return this.conclude(checked.response, checked.refusal, sentModel, checked.takesPlace)
    }
    const takesPlace = this.open.length > 0 && !this.isRealtime
    const refusal = this.admit()
    if (refusal !== null) {
      this.refuse(event, bytes, { code: refusal })
      return { code: refusal }
    }
    const response = this.create(this.describe(event, bytes), performance.now())
    const limited = this.rules.checkLimits(response, estimateEvent(event), target)
    if (limited !== 'later') return this.conclude(response, limited, sentModel, takesPlace)
    this.checked = new ResponseCheck(event, response, takesPlace, this.rules)
    return LATER
  }

  private conclude(
    response: SocketResponse,
    limited: EventRefusal | null,
    sentModel: string | null,
    takesPlace: boolean,
  ): EventRefusal | null {
    const now = performance.now()
    if (limited !== null) {
      if (takesPlace) this.rules.releaseFurther()
      this.record(response.close('refused', now, limited.code))
      return limited
    }
    if (this.isRealtime) {
      this.dropAsked()
      this.asked = response
      return null
    }
    const entry = this.add(response, takesPlace)
    response.rename(sentModel)
    if (this.upstream !== null) this.send(entry, now)
    return null
  }

  /** Resolves when the limits have answered for the event that is held; null if none waits for them. */
  get awaited(): Promise<void> | null {
    return this.checked?.done ?? null
  }

  /** The response that waits for the limits does not begin. */
  private dropChecked(end: End): void {
    const response = this.checked?.drop(this.rules) ?? null
    this.checked = null
    if (response !== null) this.record(response.close(end, performance.now()))
  }

  /** What a client asks with. The Realtime API bills no estimate: its prompt is the whole conversation. */
  private describe(event: ClientEvent, bytes: number): SocketRequest {
    const { lane } = event
    if (this.isRealtime)
      return { model: this.exchange.request.model ?? this.session.model, lane, bytes, ...UNSAID }
    const { store, background } = event.peek()
    return { model: event.model, lane, bytes, prompt: PromptSample.of([event.prompt]), store, background }
  }

  /** The response that was asked for has not begun, and will not. */
  private dropAsked(): void {
    if (this.asked !== null) this.rules.cancelLimits(this.asked)
    this.asked = null
  }

  /** The upstream of the connection knows the model of what is open by this name. */
  renameOpen(sentModel: string): void {
    for (const { response } of this.open) response.rename(sentModel)
  }

  /** Records a response that is not begun. */
  refuse(event: ClientEvent, bytes: number, { code, barredBy }: EventRefusal): void {
    const { model, lane } = event
    const request = { model, lane, bytes, ...UNSAID }
    const now = performance.now()
    const isChecked = this.checked?.event === event
    const response = (isChecked ? this.checked?.drop(this.rules) : null) ?? this.create(request, now)
    if (isChecked) this.checked = null
    if (barredBy !== undefined) this.rules.bar(response, barredBy)
    this.record(response.close('refused', now, code))
  }

  /** An event of the upstream. @param bytes of its frames */
  onMessage(payload: Buffer, bytes: number): void {
    this.lastMessageAt = performance.now()
    const event = parseJson(payload.toString())
    if (!isObject(event) || typeof event.type !== 'string') {
      findCurrent(this.open, '')?.response.meter.read(undefined)
      return
    }
    const { type } = event
    if (type.startsWith('response.')) this.onResponseEvent(type, event, bytes)
    else if (type === 'error') this.onError(event, bytes)
    else if (type === TRANSCRIBED) this.onTranscribed(event, bytes)
    else if (isObject(event.session)) this.session.read(event.session)
  }

  /** The upstream sends no valid frames: nothing more is known of the responses that are open. */
  onUnreadable(): void {
    this.isUnreadable = true
    for (const { response } of this.open) response.meter.read(undefined)
  }

  /** An event that was too long to be kept. */
  onLongMessage({ beginning, facts }: LongMessage, bytes: number): void {
    this.lastMessageAt = performance.now()
    const type = findEventType(beginning) ?? ''
    const entry = findCurrent(this.open, '')
    if (entry === null) return
    entry.response.countEvent(bytes, performance.now())
    entry.response.meter.skip(facts)
    if (ENDS.has(type)) this.finish(entry, 'done')
  }

  /** Whether a response has been silent for too long. @param now `performance.now()` */
  hasSilent({ firstByteMs, idleMs }: UpstreamTimeouts, now: number): boolean {
    if (this.isUnreadable) return false
    return this.open.some(({ response, upstream }) => {
      if (upstream === null || response.failedAt !== null) return false
      if (response.lastEventAt !== null) return now - response.lastEventAt > idleMs
      // It waits for its turn: the responses of a lane come one after another.
      if (findCurrent(this.open, response.lane)?.response !== response) return false
      return now - Math.max(response.startedAt, this.lastEndAt) > firstByteMs
    })
  }

  /** Ends responses whose error was their last event after all. @param now `performance.now()` */
  settle(now: number): void {
    for (const entry of [...this.open]) {
      const { failedAt } = entry.response
      if (failedAt !== null && now - failedAt > SETTLE_MS) this.finish(entry, 'done')
    }
  }

  /** The connection is over: a response that is open ends as the connection does. */
  close(): void {
    const { end, errorCode, cause } = this.exchange.outcome
    this.dropAsked()
    const isOrderly = end === null || end === 'done' || end === 'refused'
    this.dropChecked(isOrderly ? 'client_gone' : end)
    for (const entry of [...this.open]) {
      if (entry.response.failedAt !== null) this.finish(entry, 'done')
      else this.finish(entry, isOrderly ? 'client_gone' : end, errorCode, cause)
    }
  }

  /** No upstream has taken the connection; one has said why with this status. */
  refuseOpen(status: number, error: JsonObject): void {
    for (const entry of [...this.open]) {
      entry.response.meter.read({ type: 'error', error })
      entry.response.setStatus(status)
      this.finish(entry, 'done')
    }
  }

  private admit(): ErrorCode | null {
    if (this.open.length >= MOST_OPEN) return 'key_busy'
    return this.rules.admit(this.upstream, this.open.length > 0 && !this.isRealtime)
  }

  private onResponseEvent(type: string, event: JsonObject, bytes: number): void {
    const now = performance.now()
    const entry =
      this.find(type, event) ?? (type === 'response.created' ? this.beginByItself(event, now) : null)
    if (entry === null) return
    const { response } = entry
    response.countEvent(bytes, now)
    response.meter.nameModel(this.session.model)
    response.meter.read(event)
    if (ENDS.has(type)) this.finish(entry, 'done')
  }

  private find(type: string, event: JsonObject): OpenResponse | null {
    const lane = stringOr(event.stream_id, '')
    const id = stringOr(event.response_id, stringOr(asObject(event.response).id, null))
    if (id === null) return findCurrent(this.open, lane)
    const known = this.open.find(({ response }) => response.upstreamId === id)
    if (known !== undefined) return known
    if (!BEGINNINGS.has(type) && !ENDS.has(type)) return null
    const next = findPending(this.open, lane)
    if (next !== null) next.response.upstreamId = id
    return next
  }

  /** A response that nobody has asked for by name: the Realtime API answers speech by itself. */
  private beginByItself(event: JsonObject, now: number): OpenResponse | null {
    if (this.open.length >= MOST_OPEN) return null
    const model = this.exchange.request.model ?? this.session.model
    const lane = stringOr(event.stream_id, '')
    const response = this.asked ?? this.create({ model, lane, bytes: 0, ...UNSAID }, now)
    if (this.asked === null)
      checkUnasked(response, this.target, this.rules, (refusal) => {
        this.refusal = refusal
      })
    this.asked = null
    const entry = this.add(response, false)
    entry.response.upstreamId = stringOr(asObject(event.response).id, '')
    this.send(entry, now)
    return entry
  }

  private onError(event: JsonObject, bytes: number): void {
    // An error of the Realtime API is about one event of the client; a response that is open goes on.
    this.dropAsked()
    if (this.isRealtime) return
    const entry = findCurrent(this.open, stringOr(event.stream_id, ''))
    if (entry === null) return
    const { response } = entry
    const now = performance.now()
    const hasBegun = response.upstreamId !== null
    response.countEvent(bytes, now)
    response.meter.read(event)
    if (hasBegun) {
      response.failedAt = now
      return
    }
    const { status } = event
    if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600)
      response.setStatus(status)
    this.finish(entry, 'done')
  }

  /** The transcript of what a user has said has a model and usage of its own. */
  private onTranscribed(event: JsonObject, bytes: number): void {
    const now = performance.now()
    const request = { model: this.session.transcription, lane: '', bytes: 0, ...UNSAID }
    const response = this.create(request, now)
    if (this.upstream !== null) response.send(this.upstream.name, now)
    response.countEvent(bytes, now)
    response.meter.nameModel(this.session.transcription)
    response.meter.read(event)
    this.record(response.close('done', now))
  }

  private create(request: SocketRequest, now: number): SocketResponse {
    const { exchange } = this
    this.count++
    return new SocketResponse(exchange, `${exchange.request.id}.${this.count}`, request, now)
  }

  private add(response: SocketResponse, takesPlace: boolean): OpenResponse {
    const entry: OpenResponse = { response, upstream: null, takesPlace }
    this.open.push(entry)
    const { exchange } = this
    exchange.responses ??= []
    exchange.responses.push(response)
    return entry
  }

  private send(entry: OpenResponse, now: number): void {
    const { upstream } = this
    if (upstream === null || entry.upstream !== null) return
    entry.upstream = upstream
    upstream.inFlight++
    entry.response.send(upstream.name, now)
  }

  private finish(
    entry: OpenResponse,
    end: End,
    code: ErrorCode | null = null,
    cause: string | null = null,
  ): void {
    const at = this.open.indexOf(entry)
    if (at === -1) return
    this.open.splice(at, 1)
    // In the same order as `open`.
    this.exchange.responses?.splice(at, 1)
    if (entry.upstream !== null) entry.upstream.inFlight--
    if (entry.takesPlace) this.rules.releaseFurther()
    this.lastEndAt = performance.now()
    this.record(entry.response.close(end, this.lastEndAt, code, cause))
  }

  private record(summary: RequestSummary | null): void {
    if (summary !== null) this.rules.record(summary)
  }
}

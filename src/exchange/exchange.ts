import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeyRecord } from '../access/keyring.js'
import { isAtOrBelow } from '../api/api-of-path.js'
import type { BodyApi } from '../api/apis.js'
import type { ErrorCode } from '../api/errors.js'
import type { RequestTarget } from '../api/request-target.js'
import type { Peek } from '../json/peek.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { LimitTicket } from './limit-ticket.js'
import { formatFields } from './log-text.js'
import type { OpenRecord } from './open-record.js'
import { type CacheOutcome, type End, Outcome, PHASES, type Phase, type ResponderHealth } from './outcome.js'
import type { RequestBodyHandle } from './request-body-handle.js'
import { RequestFacts } from './request-facts.js'
import type { Stage } from './stage.js'
import { RequestSummary } from './summary.js'
import { Timeline } from './timeline.js'

/** Where an attempt goes. */
interface AttemptedTarget {
  readonly upstream: { readonly name: string }
  /** Name of the upstream's key, if it has several. */
  readonly keyName: string | null
  /** The model that the upstream is asked for; null for the requested one. */
  readonly model: string | null
}
const NO_KEYS: readonly string[] = []

const BOOT = randomBytes(4).toString('hex')
let count = 0

/**
 * The record of one request, from its head to its summary. Everybody may read it; it changes only through its methods.
 * Phases go forward only: admit, read, plan, cache, attempt, respond.
 */
export class Exchange implements OpenRecord {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly request: Readonly<RequestFacts>
  readonly timeline: Readonly<Timeline>
  readonly outcome: Readonly<Outcome>
  /** The component that handles the exchange now; null before the first, and behind the last. */
  stage: Stage | null
  /** Null if the request has none. */
  body: RequestBodyHandle | null
  /** Bytes of the request body that count against `limits.bufferedBytes`. */
  heldBytes: number
  /** Keys that stood in the query; they are in it no more. */
  queryKeys: readonly string[]
  /** The client waits for `100 Continue` before it sends its body. */
  awaitsContinue: boolean
  /** It is admitted, and counts against the limits of requests at one time. */
  holdsSlot: boolean
  /** The limits were asked about it. */
  isChecked: boolean
  /** One of many refused requests that one record stands for. */
  isSummed: boolean
  /** The upstream has a connection for the request, and may have read some of it. */
  isConnected: boolean
  /** Index among the exchanges in flight; null when it is not one of them. */
  place: number | null
  journaledAt: number
  /** Of a WebSocket: the records of its responses that are open. Null before the first one. */
  responses: OpenRecord[] | null
  // The same objects as above, open for change.
  private readonly facts: RequestFacts
  private readonly times: Timeline
  private readonly result: Outcome
  private isClosed: boolean

  /** @param now `performance.now()` */
  constructor(req: IncomingMessage, res: ServerResponse, now: number) {
    count++
    this.req = req
    this.res = res
    this.facts = new RequestFacts(`tw-${BOOT}-${count.toString(36)}`, req)
    this.times = new Timeline(now)
    this.result = new Outcome()
    this.request = this.facts
    this.timeline = this.times
    this.outcome = this.result
    this.stage = null
    this.body = null
    this.heldBytes = 0
    this.queryKeys = NO_KEYS
    this.awaitsContinue = false
    this.holdsSlot = false
    this.isChecked = false
    this.isSummed = false
    this.isConnected = false
    this.place = null
    this.journaledAt = 0
    this.responses = null
    this.isClosed = false
  }

  /** Never backwards: a request that is planned again while it is attempted stays where it is. */
  enter(phase: Phase): void {
    if (PHASES.indexOf(phase) > PHASES.indexOf(this.result.phase)) this.result.phase = phase
  }

  // admit

  setTarget(target: RequestTarget): void {
    this.facts.setTarget(target)
  }

  setClientAddress(address: string | null): void {
    this.facts.clientAddress = address
  }

  setTags(tags: string): void {
    this.facts.tags = tags
  }

  admit(key: KeyRecord): void {
    this.facts.key = key
  }

  /** It has no body. @param now `performance.now()` */
  passBody(now: number): void {
    this.enter('read')
    this.times.admittedAt = now
  }

  // read

  /** @param now `performance.now()` */
  startBody(now: number): void {
    this.times.bodyStartedAt = now
  }

  /** @param received bytes of the body so far @param peeked what was found in them */
  readBody(received: number, peeked: Peek): void {
    const { facts } = this
    this.result.bytesIn = received
    const { model, sessionModel } = peeked
    const inSession =
      sessionModel !== null && isAtOrBelow(facts.path, '/realtime') ? sessionModel.value : null
    this.setModel(model?.value ?? inSession)
    facts.stream = peeked.stream?.value ?? facts.usualStream
    facts.store = peeked.store
    facts.background = peeked.background
  }

  /** All bytes of the body are there; they have not been looked at. @param now `performance.now()` */
  markBodyArrived(now: number): void {
    this.times.bodyArrivedAt = now
  }

  /** The body is complete. @param now `performance.now()` */
  endBody(now: number): void {
    this.times.bodyMs = now - (this.times.bodyStartedAt ?? now)
  }

  /** It is a WebSocket: records of its responses name it by its id. */
  setConnection(): void {
    this.facts.connectionId = this.facts.id
  }

  /** The relay accepts a WebSocket itself; the first message is its body. @param now `performance.now()` */
  acceptUpgrade(now: number): void {
    this.enter('read')
    this.result.status = 101
    this.times.bodyStartedAt = now
  }

  /** Bytes that a WebSocket has passed upstream. */
  countBytesIn(bytes: number): void {
    if (!this.isClosed) this.result.bytesIn += bytes
  }

  /** A model in the path wins over one in the body or the query. */
  setModel(model: string | null): void {
    this.facts.model = this.facts.pathModel ?? model
  }

  // plan

  markTranslated(): void {
    this.facts.isTranslated = true
  }

  setBodyApi(api: BodyApi | null): void {
    this.facts.bodyApi = api
  }

  /** The limits let it pass. @param observed names of rules that only observe, and would have refused it */
  setTicket(ticket: LimitTicket | null, observed: string | null): void {
    this.isChecked = true
    this.facts.ticket = ticket
    this.result.observedRules = observed
  }

  /** @param rule name of the limit rule that refuses it */
  setLimitRule(rule: string): void {
    this.result.limitRule = rule
  }

  // cache

  /** @param now `performance.now()` */
  startCache(now: number): void {
    this.enter('cache')
    this.times.cacheStartedAt = now
  }

  setCache(cache: CacheOutcome): void {
    this.result.cache = cache
  }

  setSharedUsage(shared: Outcome['sharedUsage']): void {
    this.result.sharedUsage = shared
  }

  // attempt

  /** The request goes to the first target. @param now `performance.now()` */
  startAttempts(now: number): void {
    this.enter('attempt')
    this.times.attemptStartedAt = now
    this.times.sendMs = null
    this.isConnected = false
    this.result.attempts = 0
    this.result.failures = null
    this.result.overtaken = null
    this.result.overtakenCount = 0
  }

  /** The first upstream's connection has been given the request. @param now `performance.now()` */
  markSent(now: number): void {
    this.times.markSent(now)
  }

  /** The upload is complete: from here on the upstream is waited for. @param now `performance.now()` */
  restartAttemptClock(now: number): void {
    this.times.restartAttempt(now)
  }

  countAttempt({ upstream, model, keyName }: AttemptedTarget): void {
    this.result.attempts++
    this.result.upstream = upstream.name
    this.result.upstreamKey = keyName
    this.result.sentModel = model
  }

  /** @param fields that the target of the last attempt was not sent, by the client's names for them */
  setDroppedFields(fields: readonly string[]): void {
    this.result.droppedFields = formatFields(fields)
  }

  /** @param failure target and cause, such as `azure 429` */
  addFailure(failure: string): void {
    const { result } = this
    result.failures = result.failures === null ? failure : `${result.failures}, ${failure}`
  }

  /** Another attempt has overtaken this one. @param wasSent so that the upstream may bill the prompt */
  addOvertaken(target: string, wasSent: boolean): void {
    const { result } = this
    result.overtaken = result.overtaken === null ? target : `${result.overtaken}, ${target}`
    if (wasSent) result.overtakenCount++
  }

  setUpstream(upstream: string | null): void {
    this.result.upstream = upstream
  }

  /** @param startedAt of the attempt that won: `performance.now()` */
  setWinner({ upstream, model, keyName }: AttemptedTarget, startedAt: number): void {
    this.result.upstream = upstream.name
    this.result.upstreamKey = keyName
    this.result.sentModel = model
    this.times.winnerStartedAt = startedAt
  }

  /** @param ticket identifies the attempt */
  setResponder(responder: ResponderHealth, ticket: number): void {
    this.result.responder = responder
    this.result.responderTicket = ticket
  }

  /** Moves attempts and usage to another exchange that shares the response, so that they are recorded exactly once. */
  moveBillingTo(heir: Exchange): void {
    this.result.moveBillingTo(heir.result)
    heir.isConnected = this.isConnected
  }

  // respond

  /** The head of the response that the client gets is there. @param now `performance.now()` */
  markHeadArrived(now: number): void {
    this.times.headArrivedAt = now
  }

  /** The response of an upstream has begun. @param now `performance.now()` */
  startResponse(status: number, upstreamRequestId: string | null, now: number): void {
    this.enter('respond')
    this.result.status = status
    this.result.upstreamRequestId = upstreamRequestId
    this.times.responseStartedAt = now
  }

  /** The relay makes the response itself. */
  startLocalResponse(status: number, bytes: number): void {
    this.stage = null
    this.result.status = status
    this.result.bytesOut = bytes
  }

  /** The head of the response has been handed to the client's socket. @param now `performance.now()` */
  markHeadSent(now: number): void {
    const { responseStartedAt } = this.times
    if (responseStartedAt !== null) this.times.headMs ??= now - responseStartedAt
  }

  setMeter(meter: Meter | null): void {
    this.result.meter = meter
  }

  setPrompt(prompt: PromptSample | null): void {
    this.result.prompt = prompt
  }

  /** A chunk of the response has arrived. */
  countChunk(): void {
    if (!this.isClosed) this.result.countChunk(performance.now())
  }

  /** Bytes that have been handed to the client's socket. */
  countBytesOut(bytes: number): void {
    if (!this.isClosed) this.result.bytesOut += bytes
  }

  // The end

  /**
   * Records the end reason. The first call wins: what follows (a closed socket, an abort) is its consequence.
   * @param cause for the log alone: never a secret or a part of a prompt
   */
  conclude(end: End, cause: string | null = null, code: ErrorCode | null = null): void {
    const { result } = this
    if (result.end !== null) return
    result.end = end
    result.cause ??= cause
    result.errorCode ??= code
  }

  setError(code: ErrorCode, cause: string | null = null): void {
    this.result.errorCode = code
    this.result.cause ??= cause
  }

  /** The request is not valid HTTP: the error is written to the bare socket. */
  refuse(status: number, code: ErrorCode, cause: string | null): void {
    this.result.status = status
    this.setError(code, cause)
    this.conclude('refused')
  }

  get startedAt(): number {
    return this.times.startedAt
  }

  get isPending(): boolean {
    const { end, phase } = this.result
    return this.place !== null && !this.isSummed && !(end === 'local' && phase === 'admit')
  }

  summarizeOpen(now: number): RequestSummary {
    const outcome = Object.assign(new Outcome(), this.result)
    outcome.end = 'crashed'
    outcome.prompt ??= this.body?.samplePrompt() ?? null
    return new RequestSummary(this.facts, this.times, outcome, now)
  }

  /**
   * Closes the exchange. Exactly one call returns the summary; later ones return null.
   * @param now `performance.now()`
   */
  close(now: number): RequestSummary | null {
    if (this.isClosed) return null
    this.isClosed = true
    this.stage?.onClose()
    // The meter ends after the stage: the stage may still move it to another exchange that shares the response.
    this.result.meter?.end()
    this.conclude('client_gone')
    this.body?.release()
    return new RequestSummary(this.facts, this.times, this.result, now)
  }
}

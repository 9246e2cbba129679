import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ClientAddresses } from '../access/client-address.js'
import { describeRefusedKey } from '../access/refused-key.js'
import { NO_DETAILS, type RefusalDetails } from '../api/error-response.js'
import type { ErrorCode } from '../api/errors.js'
import type { ResponseCache } from '../cache/response-cache.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { InFlight } from '../exchange/in-flight.js'
import { closeStage } from '../exchange/stage.js'
import type { RequestSummary } from '../exchange/summary.js'
import { readContentLength } from '../http/request-headers.js'
import { MAX_GATHER_MS } from '../ledger/write/ledger.js'
import { BoundCounters } from '../lib/limit-counters.js'
import type { Log } from '../observe/log.js'
import type { MetricsSource } from '../observe/metrics.js'
import { Readiness } from '../observe/readiness.js'
import type { LedgerState } from '../observe/relay-state.js'
import { ByteBudget } from '../relay/byte-budget.js'
import type { ClientRequest } from '../relay/client-request.js'
import { sendError } from '../relay/local-response.js'
import { countEnd, RelayContext } from '../relay/relay-context.js'
import type { RequestBody } from '../relay/request-body.js'
import { destroyResponse } from '../relay/reset.js'
import { UnreadResponse } from '../relay/unread-response.js'
import type { Router } from '../routing/router.js'
import type { Upstream } from '../upstream/upstream.js'
import { Admission } from './admission.js'
import { BodyIntake } from './body-intake.js'
import { CheckWait } from './check-wait.js'
import { markPlanned } from './exchange-notes.js'
import { LATER, LimitGate, type Refused } from './limit-gate.js'
import { LocalAnswers } from './local-answers.js'
import type { ProxyPlan } from './plan.js'
import { createLastResponse, openExchange } from './raw-socket.js'
import { Recorder } from './recorder.js'
import { Refusals } from './refusals.js'
import { aimRequest } from './request-aim.js'
import { RequestDispatcher } from './request-dispatcher.js'
import type { RequestHandlerParts } from './request-handler-parts.js'
import { findHeadFlaw, findProblem } from './request-problem.js'
import { type Refuse, SocketDispatcher } from './socket-dispatcher.js'
import { StoredLookup } from './stored-lookup.js'
import { Waiting } from './waiting.js'

/**
 * Leads each request through its phases: admit, read, plan, cache, attempt, respond. Each step calls the next one: no
 * promise and no turn of the event loop delays the upstream request after the last byte of the body.
 */
export class RequestHandler implements MetricsSource {
  readonly inFlight: InFlight
  readonly context: RelayContext
  readonly readiness: Readiness
  /** False while the process is about to run out of file descriptors. */
  hasFiles: boolean
  /** Requests on open connections are still served during a drain: other connections wait for the next relay. */
  isHandingOver: boolean
  private readonly config: Config
  readonly addresses: ClientAddresses
  /** Of requests without a key. */
  readonly refusals: Refusals
  private readonly admission: Admission
  private readonly limits: LimitGate
  private readonly local: LocalAnswers
  private readonly log: Log
  private readonly ledger: RequestHandlerParts['ledger']
  private readonly recorder: Recorder
  private readonly stored: StoredLookup
  readonly dispatcher: RequestDispatcher
  private readonly sockets: SocketDispatcher
  private readonly bodies: BodyIntake

  constructor(parts: RequestHandlerParts) {
    const { config, router, log, limiter } = parts
    this.config = config
    this.log = log
    this.ledger = parts.ledger
    const gatherMs = Math.min(config.ledger.flushMs, MAX_GATHER_MS)
    this.recorder = new Recorder(parts.sinks, gatherMs, (summary) => parts.stored.prepare(summary))
    this.inFlight = new InFlight()
    this.context = new RelayContext(new BoundCounters(), new ByteBudget(config.limits.bufferedBytes))
    const { context } = this
    const stored = new StoredLookup(parts.stored, this.recorder, this.inFlight)
    this.stored = stored
    const { thoughts = null } = parts
    this.dispatcher = new RequestDispatcher(config, router, context, log, stored, limiter, thoughts)
    this.addresses = new ClientAddresses(config.trustedProxies)
    this.admission = new Admission(config, parts.keyring, context.bounds, this.addresses)
    const { admission } = this
    const limits = new LimitGate(limiter, () => this.recorder.flush())
    this.limits = limits
    const record = (summary: RequestSummary): void => {
      this.limits.release(summary.request.ticket)
      this.recorder.add(summary)
    }
    this.local = new LocalAnswers(this, admission)
    this.refusals = new Refusals(config, this.addresses, context.bounds, log, record)
    const refuse: Refuse = (exchange, code, details) => this.refuse(exchange, code, details)
    this.sockets = new SocketDispatcher(config, router, context, admission, record, stored, limits, refuse)
    this.hasFiles = true
    this.isHandingOver = false
    this.readiness = new Readiness()
    this.bodies = new BodyIntake(
      config,
      context,
      this.dispatcher,
      (exchange, body) => this.continue(exchange, body),
      refuse,
    )
  }

  /** @param expects the client waits for 100 Continue before it sends its body */
  handle(req: ClientRequest, res: ServerResponse, expects: boolean): void {
    const exchange = this.open(req, res)
    exchange.awaitsContinue = expects
    this.guard(exchange, () => this.begin(exchange, req))
  }

  /** Handles a WebSocket handshake. The bare socket gets a response object: refusals are sent in the usual way. */
  handleUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const exchange = this.open(req, createLastResponse(req, socket))
    this.guard(exchange, () => this.beginUpgrade(exchange, socket, head))
  }

  /** Refuses CONNECT, which asks for a tunnel to any host. */
  refuseConnect(req: IncomingMessage, socket: Socket): void {
    this.refuse(this.open(req, createLastResponse(req, socket)), 'invalid_path', {
      message: 'CONNECT is not for a relay of APIs.',
    })
  }

  /** Refuses a request with an `Expect` that nobody knows (RFC 9110, 10.1.1). */
  refuseExpectation(req: IncomingMessage, res: ServerResponse): void {
    this.refuse(this.open(req, res), 'expectation_failed')
  }

  /** Finds an exchange by a linear search: it is rare (a client broke the protocol), and an index would cost more. */
  exchangeOf(res: ServerResponse): Exchange | undefined {
    return this.inFlight.find((exchange) => exchange.res === res)
  }

  tick(now: number): void {
    this.refusals.tick(now)
    this.admission.tick(now)
    this.recorder.tick(now)
    this.noteOpen(now)
    this.inFlight.forEach((exchange) => {
      this.limits.renew(exchange, now)
      try {
        // The relay's own response has been sent, and is not over yet.
        exchange.stage ??= new UnreadResponse(exchange, this.context, this.config.timeouts.clientStallMs)
        exchange.stage.onTick(now)
      } catch (error) {
        this.crash(exchange, error)
      }
    })
  }

  /** Tells the ledger of the requests that are open, in case the relay is killed. @param now `performance.now()` */
  noteOpen(now: number): void {
    this.ledger?.noteOpen(this.inFlight, now, this.context.draining)
  }

  /** Sends new requests by another config. Open requests keep the one that they began with. */
  reconfigure(config: Config, router: Router<Upstream>): void {
    this.dispatcher.reconfigure(config, router)
    this.sockets.reconfigure(config, router)
  }

  /** Ends all open exchanges, when the time for draining is up. They are closed when this returns. */
  cutOpen(): void {
    this.inFlight.forEach((exchange) => {
      exchange.conclude('shutdown')
      destroyResponse(exchange.res)
      this.close(exchange)
    })
  }

  /** Hands all summaries to the log and the ledger now, and not some milliseconds later. */
  writeDown(): void {
    this.refusals.flush(performance.now())
    this.recorder.close()
  }

  private open(req: IncomingMessage, res: ServerResponse): Exchange {
    return openExchange(req, res, this.inFlight, (exchange) => this.close(exchange))
  }

  private begin(exchange: Exchange, req: ClientRequest): void {
    if (!this.hasSoundHead(exchange)) return
    if (req.method === 'OPTIONS') {
      this.local.answerPreflight(exchange)
      return
    }
    if (!this.aim(exchange) || this.local.answerProbe(exchange)) return
    if (!this.admit(exchange)) return
    const problem = findProblem(req)
    if (problem !== null) {
      this.refuse(exchange, 'invalid_request', { message: problem })
      return
    }
    const length = readContentLength(req.rawHeaders)
    if (length === 0) {
      exchange.passBody(performance.now())
      this.execute(exchange, null)
      return
    }
    exchange.enter('read')
    if (exchange.awaitsContinue && length <= this.config.limits.bodyBytes) {
      exchange.awaitsContinue = false
      exchange.res.writeContinue()
    }
    this.bodies.start(exchange, req, length)
  }

  private beginUpgrade(exchange: Exchange, socket: Socket, head: Buffer): void {
    if (!this.hasSoundHead(exchange) || !this.aim(exchange) || !this.admit(exchange, true)) return
    exchange.enter('plan')
    const refusal = this.sockets.open(exchange, socket, head)
    if (refusal !== null) this.refuse(exchange, refusal.code, refusal.details)
  }

  /** False if the request was refused. */
  private hasSoundHead(exchange: Exchange): boolean {
    const flaw = findHeadFlaw(exchange.req, this.config.limits.headerFields)
    if (flaw === null) return true
    if (flaw.code === 'headers_too_large') this.context.bounds.hit('headerFields')
    this.refuse(exchange, flaw.code, { message: flaw.detail }, flaw.isLast)
    return false
  }

  /** Reads what the request asks for. False if it was refused. */
  private aim(exchange: Exchange): boolean {
    const refusal = aimRequest(exchange, this.config.keys.mode === 'passthrough')
    if (refusal !== null) this.refuse(exchange, refusal.code, { message: refusal.detail })
    return refusal === null
  }

  /** The body is complete, or says enough to be sent on while it arrives. */
  private continue(exchange: Exchange, body: RequestBody | null, isLast = false): void {
    this.guard(exchange, () => this.execute(exchange, body, isLast))
  }

  private guard(exchange: Exchange, act: () => void): void {
    try {
      act()
    } catch (error) {
      this.crash(exchange, error)
    }
  }

  /** Plans the request and carries the plan out. @param body null if it has none @param isLast see `planRequest` */
  private execute(exchange: Exchange, body: RequestBody | null, isLast = false): void {
    const plan = this.dispatcher.plan(exchange, body, isLast)
    if (plan.kind === 'wait') return
    if (plan.kind === 'later') {
      const again = (): void => this.continue(exchange, body, true)
      const fail = (): void => this.refuse(exchange, 'stored_unavailable')
      Waiting.start(exchange, this.stored.whenKnown(plan.ids), again, fail)
      return
    }
    exchange.enter('plan')
    switch (plan.kind) {
      case 'refuse':
        if (exchange.request.isCursor) exchange.setBodyApi(plan.bodyApi)
        if (plan.field?.rule !== undefined) this.limits.bar(exchange, plan.field.rule)
        this.refuse(exchange, plan.code, plan.field ?? NO_DETAILS)
        return
      case 'local':
        this.local.answer(exchange, plan.status, plan.body)
        return
      case 'key': {
        const report = this.limits.describeKey(plan.key, exchange.request.clientAddress)
        this.local.answerLater(exchange, report, () => this.refuse(exchange, 'limits_unavailable'))
        return
      }
      case 'pending':
        this.local.answerLater(exchange, plan.body, () => this.refuse(exchange, 'internal_error'))
        return
      case 'proxy': {
        const pending = plan.conversation?.whenReady() ?? null
        const go = (): void => this.guard(exchange, () => this.carryOut(exchange, plan, body))
        if (pending === null) this.carryOut(exchange, plan, body)
        else Waiting.start(exchange, pending, go, go)
      }
    }
  }

  private carryOut(exchange: Exchange, plan: ProxyPlan, body: RequestBody | null): void {
    markPlanned(exchange, plan, body)
    const checked = this.limits.check(exchange, plan, body)
    if (checked === null) this.proxy(exchange, plan, body)
    else if (checked !== LATER) this.refuse(exchange, checked.code, checked.details)
    else this.awaitCheck(exchange, plan, body)
  }

  private proxy(exchange: Exchange, plan: ProxyPlan, body: RequestBody | null): void {
    const refusal = this.dispatcher.proxy(exchange, plan, body)
    if (refusal !== null) this.refuse(exchange, refusal.code, refusal.details)
  }

  private awaitCheck(exchange: Exchange, plan: ProxyPlan, body: RequestBody | null): void {
    const onChecked = (refused: Refused | null, isPlanned: boolean): void => {
      if (refused !== null) this.refuse(exchange, refused.code, refused.details)
      else if (isPlanned) this.proxy(exchange, plan, body)
      else this.execute(exchange, body)
    }
    const onCrash = (error: unknown): void => this.crash(exchange, error)
    CheckWait.start(exchange, body, this.limits, this.dispatcher, onChecked, onCrash)
  }

  /** No exchange is open, and every response has been metered. */
  get idle(): boolean {
    return this.inFlight.size === 0 && this.recorder.unreadCount === 0
  }

  get openCount(): number {
    return this.inFlight.size
  }

  get draining(): boolean {
    return this.readiness.isLeaving || this.context.draining
  }

  get bounds(): BoundCounters {
    return this.context.bounds
  }

  get bufferedBytes(): number {
    return this.context.budget.taken
  }

  get targetHealth(): MetricsSource['targetHealth'] {
    return this.dispatcher.targetHealth
  }

  /** Null if the cache is off. */
  get cache(): ResponseCache | null {
    return this.dispatcher.cache
  }

  get cacheBytes(): number {
    return this.dispatcher.cacheBytes
  }

  get ledgerState(): LedgerState | null {
    return this.ledger?.state ?? null
  }

  /** Returns false if the request was refused. */
  private admit(exchange: Exchange, isHandshake = false): boolean {
    const credentials = this.admission.keysOf(exchange, isHandshake)
    const isRefused = this.context.draining && !this.isHandingOver
    const refusal = isRefused ? 'draining' : this.admission.admit(exchange, credentials)
    if (refusal !== null)
      this.refuse(exchange, refusal, { message: describeRefusedKey(refusal, credentials) })
    return refusal === null
  }

  /** @param isLast close the connection after it */
  refuse(
    exchange: Exchange,
    code: ErrorCode,
    details: RefusalDetails = NO_DETAILS,
    isLast: boolean = false,
  ): void {
    exchange.conclude('refused')
    this.limits.cancel(exchange)
    const { draining } = this.context
    if (exchange.holdsSlot || exchange.request.key !== null) this.admission.release(exchange)
    else if (!this.admission.hasKey(exchange) && this.refusals.isTooMany(exchange, code)) {
      sendError(exchange, 'too_many_refusals', true)
      return
    }
    sendError(exchange, code, isLast || draining, details)
  }

  private crash(exchange: Exchange, error: unknown): void {
    this.log.error({ id: exchange.request.id, err: error }, 'internal error while handling a request')
    exchange.conclude('crashed')
    this.limits.cancelUnsent(exchange)
    closeStage(exchange)
    sendError(exchange, 'internal_error', this.context.draining)
  }

  private close(exchange: Exchange): void {
    const summary = exchange.close(performance.now())
    if (summary === null) return
    this.inFlight.delete(exchange)
    const { budget, bounds } = this.context
    budget.give(exchange.heldBytes)
    this.admission.release(exchange)
    this.limits.release(exchange.request.ticket)
    countEnd(exchange.outcome, bounds)
    if (exchange.isSummed) this.refusals.addBytes(exchange)
    else this.recorder.add(summary)
  }
}

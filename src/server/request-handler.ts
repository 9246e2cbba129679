import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { presented, subprotocolKeys } from '../access/credentials.js'
import type { Keyring } from '../access/keyring.js'
import { answerProbe } from '../admin/probes.js'
import type { ErrorCode } from '../api/errors.js'
import { readTarget } from '../api/request-target.js'
import type { Config } from '../config/config.js'
import { Exchange } from '../exchange/exchange.js'
import { LiveExchanges } from '../exchange/in-flight.js'
import { answerPreflight } from '../http/cors.js'
import { declaredLength, hasOneHost, headerValue } from '../http/headers.js'
import type { Ledger, LedgerState } from '../ledger/write/ledger.js'
import { ByteBudget } from '../lib/byte-budget.js'
import { BoundCounters } from '../lib/limit-counters.js'
import type { Log } from '../observe/log.js'
import type { Metrics, MetricsSource } from '../observe/metrics.js'
import { answerError, answerJson } from '../relay/local-response.js'
import { type BodyLimits, type BodyOwner, type BodyRefusal, RequestBody } from '../relay/request-body.js'
import { resetSocket } from '../relay/reset.js'
import type { Router } from '../routing/router.js'
import { Admission } from './admission.js'
import { Forwarder, type ForwarderOwner } from './proxy-phase.js'
import { Books } from './recorder.js'

export interface GatewayParts {
  readonly config: Config
  /** Null in the modes that ask for no key. */
  readonly keyring: Pick<Keyring, 'find'> | null
  readonly router: Router
  readonly log: Log
  /** Null where nothing is taken down: in a rehearsal. */
  readonly ledger: Pick<Ledger, 'add' | 'state'> | null
  readonly metrics?: Pick<Metrics, 'onSettled'> | null
}

/**
 * The life of a request, from its head to the log line: admit, read, route, attempt, relay. Every step hands on to
 * the next by a plain call, so that between the last byte of a body and the first of the upstream request there is
 * neither a promise nor a turn of the event loop.
 */
export class Gateway implements ForwarderOwner, BodyOwner, MetricsSource {
  readonly live: LiveExchanges
  readonly bounds: BoundCounters
  readonly budget: ByteBudget
  draining: boolean
  /** What `/readyz` says while it is not draining. Requests are answered in any case. */
  ready: boolean
  private readonly config: Config
  private readonly admission: Admission
  private readonly log: Log
  private readonly ledger: GatewayParts['ledger']
  private readonly books: Books
  private readonly forwarder: Forwarder
  private readonly bodyLimits: BodyLimits

  constructor(parts: GatewayParts) {
    this.config = parts.config
    this.log = parts.log
    this.ledger = parts.ledger
    this.books = new Books(parts.log, parts.ledger, parts.metrics ?? null, parts.config.log.slowMs)
    this.forwarder = new Forwarder(parts.config, parts.router, this)
    this.live = new LiveExchanges()
    this.bounds = new BoundCounters()
    this.admission = new Admission(parts.config, parts.keyring, this.bounds)
    this.draining = false
    this.ready = true
    this.budget = new ByteBudget(parts.config.limits.bufferedBytes)
    this.bodyLimits = {
      bodyBytes: parts.config.limits.bodyBytes,
      requestMs: parts.config.timeouts.requestMs,
    }
  }

  /** @param expects the client waits for 100 Continue before it sends its body */
  handle(req: IncomingMessage, res: ServerResponse, expects: boolean): void {
    const x = this.open(req, res)
    x.awaitsContinue = expects
    try {
      this.begin(x)
    } catch (error) {
      this.crash(x, error)
    }
  }

  /**
   * A WebSocket handshake. Node hands over the bare socket; a response object on it lets refusals and failures be
   * answered as everywhere else.
   */
  handleUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const x = this.adopt(req, socket)
    try {
      this.beginUpgrade(x, socket, head)
    } catch (error) {
      this.crash(x, error)
    }
  }

  /** CONNECT asks for a tunnel to anywhere. */
  refuseConnect(req: IncomingMessage, socket: Socket): void {
    this.refuse(this.adopt(req, socket), 'invalid_path', 'CONNECT is not for a relay of APIs.')
  }

  /** Refuses a request with an `Expect` that nobody knows (RFC 9110, 10.1.1). */
  refuseExpectation(req: IncomingMessage, res: ServerResponse): void {
    this.refuse(this.open(req, res), 'expectation_failed')
  }

  /** Walks all of them: asked only when a client breaks the protocol within an exchange, and cheaper than an index. */
  exchangeOf(res: ServerResponse): Exchange | undefined {
    return this.live.find((x) => x.res === res)
  }

  tick(now: number): void {
    this.books.tick(now)
    this.live.forEach((x) => {
      try {
        x.stage?.onTick(now)
      } catch (error) {
        this.crash(x, error)
      }
    })
  }

  /** Requests from now on are sent on by these. Those that are under way keep what they have. */
  reconfigure(config: Config, router: Router): void {
    this.forwarder.reconfigure(config, router)
  }

  /** Ends what is still open, when the time for draining is up. Every exchange is settled when this returns. */
  shutDown(): void {
    this.live.forEach((x) => {
      x.conclude('shutdown')
      // Where a body ends with its connection, a FIN would make the cut look like the end.
      if (x.req.httpVersionMinor === 0) resetSocket(x.res.socket)
      x.res.destroy()
      this.settle(x)
    })
    this.writeDown()
  }

  /** Hands what is over to the log and the ledger; without it, that is done a moment later. */
  writeDown(): void {
    this.books.close()
  }

  private open(req: IncomingMessage, res: ServerResponse): Exchange {
    const x = new Exchange(req, res, performance.now())
    this.live.add(x)
    res.once('close', () => this.settle(x))
    // A write that meets a closing socket is told here; 'close' follows, and is where it is dealt with.
    res.on('error', ignore)
    if (res.socket === null) this.watchSocket(x)
    return x
  }

  /** A pipelined request has no socket yet, and would not hear of its closing. */
  private watchSocket(x: Exchange): void {
    const { socket } = x.req
    const leave = (): void => this.settle(x)
    // There may be any number in the queue.
    socket.setMaxListeners(0)
    socket.once('close', leave)
    // The connection may outlive thousands of them.
    x.res.once('close', () => socket.removeListener('close', leave))
  }

  /** Opens an exchange for a request whose socket Node has handed over, with a response that can be its last. */
  private adopt(req: IncomingMessage, socket: Socket): Exchange {
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    // Node may have set its keep-alive limit, if there was a request before.
    socket.setTimeout(0)
    socket.on('error', ignore)
    res.assignSocket(socket)
    res.once('finish', () => socket.destroySoon())
    return this.open(req, res)
  }

  private begin(x: Exchange): void {
    const { req, res } = x
    if (req.method === 'OPTIONS') {
      x.conclude('local')
      x.status = 204
      answerPreflight(res, req.rawHeaders, x.requestId)
      return
    }
    if (!this.aim(x)) return
    if (this.answerLocally(x) || !this.admit(x, presented(req.rawHeaders))) return
    if (req.method === 'TRACE') {
      // RFC 9110, 9.3.8: whoever sends it must put no credential into it.
      this.refuse(x, 'invalid_request', 'TRACE would send back what the relay puts on, and is not relayed.')
      return
    }

    const coding = headerValue(req.rawHeaders, 'transfer-encoding')
    if (coding !== undefined && !/^\s*chunked\s*$/i.test(coding)) {
      // Node undoes the chunks and nothing else, so what is under them is not the body that the headers speak of.
      this.refuse(x, 'invalid_request', 'The only transfer-encoding that is understood is chunked.')
      return
    }
    const length = declaredLength(req.rawHeaders)
    x.phase = 'read'
    if (length === 0) {
      this.forwarder.forward(x, null)
      return
    }
    if (x.awaitsContinue && length <= this.config.limits.bodyBytes) {
      x.awaitsContinue = false
      res.writeContinue()
    }
    const body = new RequestBody(x, length, this, this.bodyLimits, this.budget)
    x.body = body
    x.stage = body
    body.start()
  }

  private beginUpgrade(x: Exchange, socket: Socket, head: Buffer): void {
    const raw = x.req.rawHeaders
    if (!this.aim(x) || !this.admit(x, [...presented(raw), ...subprotocolKeys(raw)])) return
    this.forwarder.tunnel(x, socket, head)
  }

  /** Reads what the request asks for. False if it was refused. */
  private aim(x: Exchange): boolean {
    if (!hasOneHost(x.req.rawHeaders, x.req.httpVersionMinor)) {
      this.refuse(x, 'invalid_request', 'The request must have one Host header (RFC 9112, 3.2).')
      return false
    }
    const target = readTarget(x.req.url ?? '/')
    if ('problem' in target) {
      this.refuse(x, 'invalid_path', target.problem)
      return false
    }
    x.setTarget(target)
    return true
  }

  onBody(x: Exchange, body: RequestBody): void {
    try {
      this.forwarder.forward(x, body)
    } catch (error) {
      this.crash(x, error)
    }
  }

  onBodyRefused(x: Exchange, reason: BodyRefusal): void {
    const bound = {
      body_too_large: 'bodyBytes',
      relay_busy: 'bufferedBytes',
      request_timeout: 'requestMs',
    } as const
    this.bounds.hit(bound[reason])
    this.refuse(x, reason)
  }

  /** What needs neither a key nor an upstream: is the relay there, is it ready. */
  private answerLocally(x: Exchange): boolean {
    if (x.method !== 'GET' && x.method !== 'HEAD') return false
    const answer = answerProbe(x.path, this, x.req)
    if (answer === null) return false
    this.answerLocal(x, answer.status, answer.body)
    return true
  }

  /** Whether all that was asked is over, and has been looked at to its end. */
  get idle(): boolean {
    return this.live.size === 0 && this.books.unreadCount === 0
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.live.size
  }

  get bufferedBytes(): number {
    return this.budget.taken
  }

  get targetHealth(): MetricsSource['targetHealth'] {
    return this.forwarder.targetHealth
  }

  get cacheBytes(): number {
    return this.forwarder.cacheBytes
  }

  get ledgerState(): LedgerState | null {
    return this.ledger?.state ?? null
  }

  /** Whether the request may go on. False if it was refused. */
  private admit(x: Exchange, credentials: readonly string[]): boolean {
    const refusal = this.draining ? 'draining' : this.admission.admit(x, credentials, this.live.size)
    if (refusal !== null) this.refuse(x, refusal)
    return refusal === null
  }

  refuse(x: Exchange, code: ErrorCode, detail?: string): void {
    x.conclude('refused')
    answerError(x, code, this.draining, detail)
  }

  answerLocal(x: Exchange, status: number, value: unknown): void {
    x.conclude('local')
    answerJson(x, status, value, this.draining)
  }

  private crash(x: Exchange, error: unknown): void {
    this.log.error({ id: x.id, err: error }, 'a request met a fault of the relay')
    x.conclude('crashed')
    const { stage } = x
    x.stage = null
    try {
      // What it holds of an upstream, and others that go on with that.
      stage?.onClose()
    } catch {
      // It may be where the fault is.
    }
    answerError(x, 'internal_error', this.draining)
  }

  private settle(x: Exchange): void {
    if (x.settled) return
    x.settled = true
    x.tap?.end()
    x.stage?.onClose()
    x.conclude('client_gone')
    this.live.delete(x)
    x.body?.release()
    this.budget.give(x.heldBytes)
    this.admission.release(x)
    if (x.end === 'upstream_idle') this.bounds.hit('idleMs')
    if (x.errorCode === 'answer_too_long') this.bounds.hit('answerBytes')
    if (x.end === 'client_stalled') this.bounds.hit('clientStallMs')
    this.books.settle(x, performance.now())
  }
}

function ignore(): void {
  // See where it is attached.
}

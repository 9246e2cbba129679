import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Admission } from './access/admission.js'
import { presented, subprotocolKeys, withoutSubprotocolKeys } from './access/credential.js'
import type { Keyring } from './access/keyring.js'
import { Books } from './books.js'
import { AnswerCache } from './cache/cache.js'
import type { Config } from './config/config.js'
import { Exchange } from './exchange.js'
import { answerPreflight } from './http/cors.js'
import { ERRORS, type ErrorCode } from './http/errors.js'
import { declaredLength, hasOneHost, headerValue, requestHeaders } from './http/headers.js'
import { splice } from './http/splice.js'
import { readTarget } from './http/target.js'
import type { Ledger, LedgerState } from './ledger/ledger.js'
import { LiveExchanges } from './live.js'
import { BoundCounters } from './ops/counters.js'
import type { Log } from './ops/log.js'
import { answerProbe, type Health } from './ops/probes.js'
import { answerError, answerJson } from './relay/answer.js'
import {
  type BodyLimits,
  type BodyOwner,
  type BodyRefusal,
  ByteBudget,
  inOne,
  RequestBody,
  type Upload,
} from './relay/body.js'
import { Relay, type RelayOwner } from './relay/relay.js'
import { resetSocket } from './relay/reset.js'
import { Tunnel } from './relay/tunnel.js'
import { describeModels } from './routing/models.js'
import { outgoing } from './routing/outgoing.js'
import type { Router } from './routing/router.js'
import type { Upstream } from './routing/upstream.js'

export interface GatewayParts {
  readonly config: Config
  /** Null in the modes that ask for no key. */
  readonly keyring: Pick<Keyring, 'find'> | null
  readonly router: Router
  readonly log: Log
  /** Null where nothing is taken down: in a rehearsal. */
  readonly ledger: Pick<Ledger, 'add' | 'state'> | null
}

/**
 * The life of a request, from its head to the log line: admit, read, route, attempt, relay. Every step hands on to
 * the next by a plain call, so that between the last byte of a body and the first of the upstream request there is
 * neither a promise nor a turn of the event loop.
 */
export class Gateway implements RelayOwner, BodyOwner, Health {
  readonly live: LiveExchanges
  readonly bounds: BoundCounters
  draining: boolean
  /** What `/readyz` says while it is not draining. Requests are answered in any case. */
  ready: boolean
  private readonly config: Config
  private readonly admission: Admission
  private readonly router: Router
  private readonly log: Log
  private readonly ledger: GatewayParts['ledger']
  private readonly books: Books
  /** Null if nothing is to be kept. */
  private readonly cache: AnswerCache | null
  private readonly budget: ByteBudget
  private readonly bodyLimits: BodyLimits

  constructor(parts: GatewayParts) {
    this.config = parts.config
    this.router = parts.router
    this.log = parts.log
    this.ledger = parts.ledger
    this.books = new Books(parts.log, parts.ledger, parts.config.log.slowMs)
    this.cache = parts.config.cache.enabled ? new AnswerCache(parts.config, this) : null
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

    const coding = headerValue(req.rawHeaders, 'transfer-encoding')
    if (coding !== undefined && !/^\s*chunked\s*$/i.test(coding)) {
      // Node undoes the chunks and nothing else, so what is under them is not the body that the headers speak of.
      this.refuse(x, 'invalid_request', 'The only transfer-encoding that is understood is chunked.')
      return
    }
    const length = declaredLength(req.rawHeaders)
    x.phase = 'read'
    if (length === 0) {
      this.route(x, null)
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
    x.phase = 'route'
    x.model = new URLSearchParams(x.query).get('model')
    const choice = this.router.choose(x.path, x.model)
    if (choice === null) {
      this.refuse(x, 'no_route')
      return
    }
    const { upstream } = choice
    x.upstream = upstream.name
    x.phase = 'attempt'
    x.attemptAt = performance.now()
    const tunnel = new Tunnel(x, socket, head, this, this.config.timeouts)
    x.stage = tunnel
    const passthrough = this.config.keys.mode === 'passthrough'
    const headers = requestHeaders(raw, upstream.headersFor(x.path, passthrough), passthrough)
    tunnel.open({
      origin: upstream.origin,
      path: upstream.basePath + x.path + x.query,
      headers: passthrough ? headers : withoutSubprotocolKeys(headers),
    })
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
    x.setTarget(target.path, target.query)
    return true
  }

  onBody(x: Exchange, body: RequestBody): void {
    try {
      this.route(x, body)
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
    const answer = answerProbe(x.path, this)
    if (answer === null) return false
    this.answerLocal(x, answer.status, answer.body)
    return true
  }

  /** Whether all that was asked is over, and has been looked at to its end. */
  get idle(): boolean {
    return this.live.size === 0 && this.books.unreadCount === 0
  }

  /** Requests under way, less the one that asks. */
  get inFlight(): number {
    return this.live.size - 1
  }

  get bufferedBytes(): number {
    return this.budget.taken
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

  /** @param body null if the request has none; one that is not whole may be left until it is */
  private route(x: Exchange, body: RequestBody | null): void {
    x.phase = 'route'
    if (x.path.startsWith('/models') && (x.method === 'GET' || x.method === 'HEAD')) {
      const models = describeModels(this.router.aliases, x.path)
      if (models !== null) {
        this.answerLocal(x, 200, models)
        return
      }
    }
    const choice = this.router.choose(x.path, x.model)
    if (choice === null) {
      if (body === null || body.whole) this.refuse(x, 'no_route')
      else x.phase = 'read'
      return
    }
    const { upstream } = choice
    if (body?.whole === false && this.hasToBeWhole(x, body, upstream)) {
      x.phase = 'read'
      return
    }
    let key: string | null = null
    if (this.cache !== null && body !== null) {
      x.phase = 'cache'
      const known = this.cache.answer(x, { upstream: upstream.name, model: choice.model }, body)
      if (known === 'answered') return
      key = known?.key ?? null
    }
    x.upstream = upstream.name
    const { method, path } = x
    const { rawHeaders } = x.req
    const incoming = { method, path, rawHeaders, found: body?.found ?? null }
    const { headers, edits, usageUnasked } = outgoing(
      incoming,
      choice,
      this.config.keys.mode === 'passthrough',
    )

    x.phase = 'attempt'
    x.attemptAt = performance.now()
    x.connected = false
    const target = upstream.basePath + path + x.query
    if (key !== null && this.cache !== null && body !== null) {
      const sent = inOne(splice(body.pieces, edits))
      const flight = this.cache.start(x, key, usageUnasked, body)
      upstream.dispatch({ method, path: target, headers, body: sent }, flight.attempt)
      return
    }
    const relay = new Relay(x, this, {
      timeouts: this.config.timeouts,
      crossOrigin: headerValue(rawHeaders, 'origin') !== undefined,
      usageUnasked,
    })
    let sent: Buffer | Upload | null = null
    if (body === null) x.stage = relay
    else {
      const pieces = splice(body.pieces, edits)
      if (!body.whole)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = body.send(pieces, relay)
    }
    upstream.dispatch({ method, path: target, headers, body: sent }, relay.attempt)
  }

  /** Whether what is asked for may turn on the end of a body. */
  private hasToBeWhole(x: Exchange, body: RequestBody, upstream: Upstream): boolean {
    return upstream.asksUsage(x.method, x.path) || this.cache?.mayHold(x, body.length) === true
  }

  onAttemptFailed(x: Exchange, code: ErrorCode, cause: string): void {
    if (code === 'upstream_timeout') this.bounds.hit('firstByteMs')
    x.cause = cause
    // A request that undici would not take is the client's matter; all else is the upstream's.
    x.conclude(code === 'invalid_request' ? 'refused' : 'upstream_failed')
    const detail = code === 'invalid_request' ? undefined : `${ERRORS[code].message} (${cause})`
    answerError(x, code, this.draining, detail)
  }

  onSuperseded(x: Exchange): void {
    answerError(x, 'superseded', this.draining)
  }

  private refuse(x: Exchange, code: ErrorCode, detail?: string): void {
    x.conclude('refused')
    answerError(x, code, this.draining, detail)
  }

  private answerLocal(x: Exchange, status: number, value: unknown): void {
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
    if (x.end === 'client_stalled') this.bounds.hit('clientStallMs')
    this.books.settle(x, performance.now())
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

function ignore(): void {
  // See where it is attached.
}

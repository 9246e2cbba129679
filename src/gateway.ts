import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { judge, presented, subprotocolKeys, withoutSubprotocolKeys } from './access/credential.js'
import type { KeyRecord, Keyring } from './access/keyring.js'
import { isLocalCaller } from './access/local.js'
import type { Config } from './config/config.js'
import { Exchange } from './exchange.js'
import {
  type BodyLimits,
  type BodyOwner,
  BodyReader,
  type BodyRefusal,
  ByteBudget,
  declaredLength,
} from './http/body.js'
import { answerPreflight } from './http/cors.js'
import { ERRORS, type ErrorCode, errorBody, errorHeaders } from './http/errors.js'
import { headerValue, requestHeaders } from './http/headers.js'
import { peek, spliceModel } from './http/peek.js'
import { readTarget } from './http/target.js'
import { BoundCounters } from './ops/counters.js'
import type { Log } from './ops/log.js'
import { Relay, type RelayOwner } from './relay/relay.js'
import { Tunnel } from './relay/tunnel.js'
import type { Router } from './routing/router.js'

/** A body that is still coming when its request was refused is read on for so long, that the answer can be read. */
const LINGER_MS = 10_000

/** Bodies up to this are left to Node, which reads them to the end and keeps the connection. */
const SMALL_BODY = 64 * 1024

export interface GatewayParts {
  readonly config: Config
  /** Null in the modes that ask for no key. */
  readonly keyring: Keyring | null
  readonly router: Router
  readonly log: Log
}

/**
 * The life of a request, from its head to the log line: admit, read, route, attempt, relay. Every step hands on to
 * the next by a plain call, so that between the last byte of a body and the first of the upstream request there is
 * neither a promise nor a turn of the event loop.
 */
export class Gateway implements RelayOwner, BodyOwner {
  readonly live: Set<Exchange>
  readonly bounds: BoundCounters
  draining: boolean
  private readonly config: Config
  private readonly keyring: Keyring | null
  private readonly router: Router
  private readonly log: Log
  private readonly budget: ByteBudget
  private readonly bodyLimits: BodyLimits
  /** Requests in flight by key. Keyed by the record, which a re-read of the key file does not replace. */
  private readonly liveByKey: Map<KeyRecord, number>

  constructor(parts: GatewayParts) {
    this.config = parts.config
    this.keyring = parts.keyring
    this.router = parts.router
    this.log = parts.log
    this.live = new Set()
    this.bounds = new BoundCounters()
    this.draining = false
    this.budget = new ByteBudget(parts.config.limits.bufferedBytes)
    this.bodyLimits = {
      bodyBytes: parts.config.limits.bodyBytes,
      requestMs: parts.config.timeouts.requestMs,
    }
    this.liveByKey = new Map()
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
    for (const x of this.live) if (x.res === res) return x
    return undefined
  }

  tick(now: number): void {
    for (const x of this.live) x.stage?.onTick(now)
  }

  /** Ends what is still open, when the time for draining is up. Every exchange is settled when this returns. */
  shutDown(): void {
    for (const x of this.live) {
      x.conclude('shutdown')
      // Where a body ends with its connection, a FIN would make the cut look like the end.
      if (x.req.httpVersionMinor === 0) x.res.socket?.resetAndDestroy()
      x.res.destroy()
      this.settle(x)
    }
  }

  private open(req: IncomingMessage, res: ServerResponse): Exchange {
    const x = new Exchange(req, res, performance.now())
    this.live.add(x)
    res.once('close', () => this.settle(x))
    // A write that meets a closing socket is told here; 'close' follows, and is where it is dealt with.
    res.on('error', ignore)
    // A pipelined request has no socket yet, and would not hear of its closing.
    if (res.socket === null) req.socket.once('close', () => this.settle(x))
    return x
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
    const reader = new BodyReader(x, length, this, this.bodyLimits, this.budget)
    x.stage = reader
    reader.start()
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
    if (!hasOneHost(x.req)) {
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

  onBody(x: Exchange, body: Buffer): void {
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
    switch (x.path) {
      // Some clients ask for the base URL before they start, and go by whether it answers at all.
      case '/':
        this.answerJson(x, 200, { object: 'relay', name: 'thinwire', status: 'ok' })
        return true
      case '/healthz':
        this.answerJson(x, 200, { status: 'ok' })
        return true
      case '/readyz':
        this.answerJson(x, this.draining ? 503 : 200, {
          status: this.draining ? 'draining' : 'ready',
          // Less this one.
          in_flight: this.live.size - 1,
          buffered_bytes: this.budget.taken,
          bounds_hit: this.bounds.snapshot(),
        })
        return true
      default:
        return false
    }
  }

  /** Whether the request may go on. False if it was refused. */
  private admit(x: Exchange, credentials: readonly string[]): boolean {
    const { mode } = this.config.keys
    const { limits } = this.config
    if (this.draining) {
      this.refuse(x, 'draining')
      return false
    }
    if (this.keyring !== null) {
      const verdict = judge(credentials, this.keyring)
      if ('refusal' in verdict) {
        this.refuse(x, verdict.refusal)
        return false
      }
      const inFlight = this.liveByKey.get(verdict.record) ?? 0
      if (inFlight >= limits.exchangesPerKey) {
        this.bounds.hit('exchangesPerKey')
        this.refuse(x, 'key_busy')
        return false
      }
      this.liveByKey.set(verdict.record, inFlight + 1)
      x.key = verdict.record
    } else if (mode === 'off' && !isLocalCaller(x.req.rawHeaders)) {
      this.refuse(x, 'forbidden_origin')
      return false
    }
    if (this.live.size > limits.exchanges) {
      this.bounds.hit('exchanges')
      this.refuse(x, 'relay_busy')
      return false
    }
    return true
  }

  /** @param body null if the request has none */
  private route(x: Exchange, body: Buffer | null): void {
    x.phase = 'route'
    x.bytesIn = body?.length ?? 0
    const found = body === null ? null : peek(body)
    if (found !== null) {
      x.model = found.model
      x.stream = found.stream
    }
    if (x.path.startsWith('/models') && this.answerModels(x)) return
    const choice = this.router.choose(x.path, x.model)
    if (choice === null) {
      this.refuse(x, 'no_route')
      return
    }
    const { upstream } = choice
    x.upstream = upstream.name
    const passthrough = this.config.keys.mode === 'passthrough'
    const raw = x.req.rawHeaders
    const headers = requestHeaders(raw, upstream.headersFor(x.path, passthrough), passthrough)
    const fallback = upstream.defaultHeaderFor(x.path)
    if (fallback !== null && headerValue(raw, fallback[0]) === undefined) headers.push(...fallback)

    x.phase = 'attempt'
    x.attemptAt = performance.now()
    const relay = new Relay(x, this, {
      timeouts: this.config.timeouts,
      crossOrigin: headerValue(raw, 'origin') !== undefined,
    })
    x.stage = relay
    upstream.dispatch(
      {
        method: x.method as 'GET',
        path: upstream.basePath + x.path + x.query,
        headers,
        body:
          found === null || choice.model === null ? body : spliceModel(body ?? EMPTY, found, choice.model),
      },
      relay,
    )
  }

  onAttemptFailed(x: Exchange, code: ErrorCode, cause: string): void {
    if (code === 'upstream_timeout') this.bounds.hit('firstByteMs')
    x.cause = cause
    // A request that undici would not take is the client's matter; all else is the upstream's.
    x.conclude(code === 'invalid_request' ? 'refused' : 'upstream_failed')
    this.answerError(x, code, code === 'invalid_request' ? undefined : `${ERRORS[code].message} (${cause})`)
  }

  private refuse(x: Exchange, code: ErrorCode, detail?: string): void {
    x.conclude('refused')
    this.answerError(x, code, detail)
  }

  /** GET /models from the config's aliases, if there are any. */
  private answerModels(x: Exchange): boolean {
    const { aliases } = this.router
    if (aliases.length === 0 || (x.method !== 'GET' && x.method !== 'HEAD')) return false
    if (x.path === '/models') {
      const data = aliases.map(describeAlias)
      this.answerJson(x, 200, {
        object: 'list',
        data,
        // What an Anthropic client looks for in the same list (API reference, List Models).
        has_more: false,
        first_id: aliases[0],
        last_id: aliases.at(-1),
      })
      return true
    }
    const name = decodeName(x.path.slice('/models/'.length))
    if (!x.path.startsWith('/models/') || !aliases.includes(name)) return false
    this.answerJson(x, 200, describeAlias(name))
    return true
  }

  private answerJson(x: Exchange, status: number, value: unknown): void {
    x.conclude('local')
    const body = `${JSON.stringify(value)}\n`
    this.answer(x, status, body, [
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      String(Buffer.byteLength(body)),
      'cache-control',
      'no-store',
      'x-request-id',
      x.requestId,
      'access-control-allow-origin',
      '*',
    ])
  }

  private answerError(x: Exchange, code: ErrorCode, detail?: string): void {
    x.errorCode = code
    const body = errorBody(code, x.dialect, x.requestId, detail)
    this.answer(
      x,
      ERRORS[code].status,
      body,
      errorHeaders(code, x.dialect, x.requestId, Buffer.byteLength(body)),
    )
  }

  private answer(x: Exchange, status: number, body: string, headers: string[]): void {
    const { req, res } = x
    if (res.headersSent || res.destroyed) {
      res.destroy()
      return
    }
    x.status = status
    x.stage = null
    const bytes = x.method === 'HEAD' ? '' : body
    x.bytesOut = Buffer.byteLength(bytes)
    const length = req.complete ? 0 : declaredLength(req.rawHeaders)
    const unread = length === -1 || length > SMALL_BODY
    // A client that did not send what it announced may send it any time: it would be read as its next request.
    const late = x.errorCode === 'request_timeout'
    if (unread || late || this.draining) headers.push('connection', 'close')
    // The reason is given so that one left behind by an answer that could not be sent is not used.
    res.writeHead(status, STATUS_CODES[status] ?? '', headers)
    if (!unread || late || x.awaitsContinue) {
      res.end(bytes)
      return
    }
    // Closing a socket with unread bytes resets it, and a reset throws away what the client has not read yet: the
    // very answer. So it is all sent, and the rest of the body is read and dropped before the connection closes.
    res.write(bytes)
    const close = () => res.end()
    const timer = setTimeout(close, LINGER_MS).unref()
    req.once('close', () => clearTimeout(timer))
    req.once('end', close)
    req.resume()
  }

  private crash(x: Exchange, error: unknown): void {
    this.log.error({ id: x.id, err: error }, 'a request met a fault of the relay')
    x.conclude('crashed')
    x.stage = null
    this.answerError(x, 'internal_error')
  }

  private settle(x: Exchange): void {
    if (x.settled) return
    x.settled = true
    x.stage?.onClose()
    x.conclude('client_gone')
    this.live.delete(x)
    this.budget.give(x.heldBytes)
    if (x.key !== null) {
      const inFlight = (this.liveByKey.get(x.key) ?? 1) - 1
      if (inFlight === 0) this.liveByKey.delete(x.key)
      else this.liveByKey.set(x.key, inFlight)
    }
    this.log.exchange(x, performance.now())
  }
}

const EMPTY = Buffer.alloc(0)

function describeAlias(name: string): Record<string, unknown> {
  return { id: name, object: 'model', type: 'model', display_name: name, created: 0, owned_by: 'thinwire' }
}

/** Node would answer by itself, in no API's format and without a line in the log; doubled ones it lets through. */
function hasOneHost(req: IncomingMessage): boolean {
  const raw = req.rawHeaders
  let hosts = 0
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts === 1 || (hosts === 0 && req.httpVersionMinor === 0)
}

/** A model's name from a path segment; as it stands if it is not well percent-encoded. */
function decodeName(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function ignore(): void {
  // See where it is attached.
}

import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { ERRORS } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { ListenPlace } from '../config/listen.js'
import { bindServer } from '../lib/bind-server.js'
import { EMPTY } from '../lib/bytes.js'
import { clamp } from '../lib/clamp.js'
import { ignore } from '../lib/ignore.js'
import { findListeningHandle, type ListeningHandle } from '../lib/listening-handle.js'
import { waitUnreferenced } from '../lib/wait-unreferenced.js'
import type { Log } from '../observe/log.js'
import type { ClientRequest } from '../relay/client-request.js'
import { type ClientError, readErrorCodeOf, sendLastError } from './client-error.js'
import { ConnectionCounts } from './connection-counts.js'
import { HeldBytes } from './held-bytes.js'
import { OpenFiles, readFileLimit } from './open-files.js'
import { Pipelining, STOPPED } from './pipelining.js'
import { queueUpgrade } from './queued-upgrade.js'
import { messageOf } from './raw-socket.js'
import type { RequestHandler } from './request-handler.js'
import { createServerOptions } from './server-options.js'
import type { ServerCertificate } from './tls-certificate.js'
import { TlsServer } from './tls-server.js'
import { isHandshake, withoutUpgrade } from './upgrade-offer.js'

/** Longest time between two ticks. The ledger is to know of every request that has run for a second. */
const TICK_MS = 250

/** Milliseconds between the checks of a drain for open exchanges. */
const DRAIN_POLL_MS = 25

/** How long compressed responses that are over, or were cut, may still be read for their usage behind a drain. */
const READ_MS = 2_000

/** How long clients that are connected are still served when the next relay gets the new connections. */
const HAND_OVER_MS = 500

/** Node's HTTP server with all limits set, one clock for all exchanges, and the drain at shutdown. */
export class Listener {
  private readonly http: HttpServer<typeof ClientRequest>
  /** Null without TLS. */
  private readonly tls: TlsServer | null
  /** Makes HTTP, or TLS and then HTTP, of a TCP connection. */
  private readonly accept: (this: Listener['http'], socket: Socket) => void
  private readonly handler: RequestHandler
  private readonly config: Config
  private readonly log: Log
  private readonly clock: NodeJS.Timeout
  private readonly pipelining: Pipelining
  private readonly connections: ConnectionCounts
  private readonly files: OpenFiles
  /** Where it listens; null before the first time, and after the last. */
  private place: ListenPlace | null
  /** Several workers listen at the same address. */
  private readonly isShared: boolean

  /**
   * @param certificate null: it speaks HTTP without TLS
   * @param isShared whether other workers listen at the same address; means nothing outside of a worker
   */
  constructor(
    config: Config,
    handler: RequestHandler,
    log: Log,
    certificate: ServerCertificate | null,
    isShared: boolean,
  ) {
    const { limits, timeouts } = config
    this.config = config
    this.handler = handler
    this.log = log
    this.place = null
    this.isShared = isShared
    const options = createServerOptions(config)
    const { headersMs } = timeouts
    const reports = { refusals: handler.refusals, bounds: handler.bounds, log }
    this.tls =
      certificate === null
        ? null
        : new TlsServer(options, certificate, { headersMs, bufferBytes: limits.clientBufferBytes }, reports)
    this.http = this.tls?.http ?? createServer(options)
    // Node silently drops headers beyond this. `findHeadFlaw` sees that there was one too many.
    this.http.maxHeadersCount = limits.headerFields + 1
    this.http.maxConnections = limits.connections
    this.pipelining = new Pipelining(
      limits.unansweredRequestsPerConnection,
      handler.bounds,
      handler.context.budget,
      (socket, bytes) => this.mayHold(socket, bytes),
    )
    this.connections = new ConnectionCounts(config, handler.addresses, handler.bounds, log)
    this.files = new OpenFiles(readFileLimit(), log, {
      pause: () => this.pause(),
      resume: () => this.resume(),
      count: () => handler.bounds.hit('openFiles'),
    })
    // Node's own listener takes a connection when it has been counted.
    const [accept = ignore] = this.http.listeners('connection')
    this.accept = accept as Listener['accept']
    this.http.removeAllListeners('connection')
    this.http.on('connection', (socket) => this.onConnection(socket))
    this.tls?.http.on('secureConnection', (socket) => this.pipelining.watch(socket))
    this.http.on('request', (req, res) => this.onRequest(req, res, 'none'))
    this.http.on('checkContinue', (req, res) => this.onRequest(req, res, 'continue'))
    this.http.on('checkExpectation', (req, res) => this.onRequest(req, res, 'other'))
    this.http.on('clientError', (error, socket) => this.onClientError(error, socket as Socket))
    this.http.on('upgrade', (req, socket, head) => this.onUpgrade(req, socket as Socket, head))
    this.http.on('connect', (req, socket) => this.onConnect(req, socket as Socket))
    this.http.on('drop', () => handler.bounds.hit('connections'))
    // One timer for all exchanges: limits are minutes, and a timer per exchange would be moved with each chunk.
    this.clock = setInterval(() => this.tick(performance.now()), tickMsOf(timeouts)).unref()
  }

  /** Starts to listen. @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL */
  async listen(): Promise<AddressInfo> {
    const { listen, limits } = this.config
    const address = await bindServer(this.http, { ...listen, exclusive: !this.isShared })
    this.place = { ...listen, port: address.port }
    this.http.on('error', (error) => this.log.error({ err: error }, 'listener error'))
    this.files.check(limits.connections)
    return address
  }

  /** Whether another process has opened the socket, so that connections wait there when this one is gone. */
  private get isInherited(): boolean {
    return this.config.listen.fd !== undefined
  }

  /**
   * Refuses connections; those that are open go on. A socket that was handed over cannot be opened again:
   * `onConnection` closes what it gets.
   */
  private pause(): void {
    this.handler.hasFiles = false
    if (!this.isInherited) this.stopAccepting()
  }

  /** Node's HTTP server would also close the idle connections. */
  private stopAccepting(): void {
    NetServer.prototype.close.call(this.http)
  }

  private resume(): void {
    if (this.place === null) return
    if (this.isInherited) {
      this.handler.hasFiles = true
      return
    }
    bindServer(this.http, { ...this.place, exclusive: !this.isShared }).then(
      () => {
        this.handler.hasFiles = true
      },
      // Another program may have taken the port in the meantime.
      () => this.files.tryAgain(),
    )
  }

  private tick(now: number): void {
    this.handler.tick(now)
    this.connections.tick(now)
    this.files.tick(this.connections.open)
  }

  /**
   * Lets `/readyz` fail for `timeouts.readyGraceMs`, if anybody asks for it. Then stops accepting, lets open exchanges
   * come to their end until `timeouts.drainMs` have passed, and closes what is left.
   * @returns how many had to be cut
   */
  async drain(): Promise<number> {
    const { drainMs, readyGraceMs } = this.config.timeouts
    const deadline = performance.now() + drainMs
    if (this.handler.readiness.isProbed) {
      this.handler.readiness.isLeaving = true
      await waitUnreferenced(Math.min(readyGraceMs, drainMs))
    }
    this.handler.context.draining = true
    this.place = null
    // WebSockets without an open response are closed at once.
    this.handler.tick(performance.now())
    // The platform may not wait for as long as `drainMs`.
    this.handler.noteOpen(performance.now())
    if (this.isInherited && this.config.listen.isTakenOver !== true)
      await this.handOver(Math.min(HAND_OVER_MS, deadline - performance.now()))
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()))
    // A compressed response is metered for some milliseconds after it has been sent.
    while (!this.handler.idle && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
      // Connections whose last exchange has ended since.
      this.http.closeIdleConnections()
      this.tls?.closeHandshakes()
    }
    const cut = await this.cutRest()
    await closed
    return cut
  }

  /**
   * Leaves new connections to the next relay, for which they wait. A client that is connected shall not be refused
   * either: its next request is served here for a moment, and the response closes the connection.
   */
  private async handOver(ms: number): Promise<void> {
    const until = performance.now() + ms
    this.handler.isHandingOver = true
    this.stopAccepting()
    while (this.connections.open > 0 && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
    this.handler.isHandingOver = false
  }

  /**
   * Stops accepting, as another process has taken over. Connections that are open are served until they end: the next
   * response is their last. What is open after `timeouts.drainMs` is cut.
   * @returns how many had to be cut
   */
  async retire(): Promise<number> {
    const deadline = performance.now() + this.config.timeouts.drainMs
    this.handler.context.retiring = true
    this.place = null
    this.handler.inFlight.forEach(({ res }) => {
      if (!res.headersSent) res.shouldKeepAlive = false
    })
    // WebSockets without an open response are closed.
    this.handler.tick(performance.now())
    this.handler.noteOpen(performance.now())
    // Node's HTTP server would also close the idle connections: their clients may have sent a request just now.
    this.stopAccepting()
    while ((this.connections.open > 0 || !this.handler.idle) && performance.now() < deadline)
      await waitUnreferenced(DRAIN_POLL_MS)
    return this.cutRest()
  }

  /** @returns how many exchanges were open */
  private async cutRest(): Promise<number> {
    const cut = this.handler.inFlight.size
    if (cut > 0) this.handler.bounds.hit('drainMs')
    this.handler.cutOpen()
    // Their clients need not wait for what is still being read.
    this.http.closeAllConnections()
    const deadline = performance.now() + READ_MS
    while (!this.handler.idle && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
    this.close()
    return cut
  }

  /** The listening socket, for a process that takes over; null while there is none. */
  get handle(): ListeningHandle | null {
    return findListeningHandle(this.http)
  }

  /** Closes everything at once. */
  close(): void {
    clearInterval(this.clock)
    this.place = null
    this.handler.cutOpen()
    this.handler.writeDown()
    this.http.close()
    this.http.closeAllConnections()
    this.tls?.closeHandshakes()
  }

  private onConnection(socket: Socket): void {
    // It comes while the listener is paused only from a socket that was handed over.
    if (this.files.isPaused || !this.connections.add(socket)) {
      socket.destroy()
      return
    }
    this.tls?.begin(socket)
    this.accept.call(this.http, socket)
    // With TLS, there is no parser before the end of the handshake.
    if (this.tls === null) this.pipelining.watch(socket)
    this.files.onConnection(socket, this.connections.open)
  }

  /** Gives a connection that Node has let go of to a parser again. It has been counted. */
  private parseAgain(socket: Socket): void {
    if (this.tls !== null) {
      this.http.emit('secureConnection', socket)
      return
    }
    this.accept.call(this.http, socket)
    this.pipelining.watch(socket)
  }

  /** New connections get this certificate from now on. Does nothing without TLS. */
  useCertificate(certificate: ServerCertificate): void {
    this.tls?.use(certificate)
  }

  private onRequest(req: ClientRequest, res: ServerResponse, expects: Expectation): void {
    // Behind the last response of a connection nothing is served (RFC 9112, 9.6).
    if (!req.socket.writable) {
      this.pipelining.stop()
      return
    }
    const isHeld =
      res.socket === null && this.pipelining.hold(req.socket, res, () => this.begin(req, res, expects))
    if (!isHeld) this.begin(req, res, expects)
  }

  private begin(req: ClientRequest, res: ServerResponse, expects: Expectation): void {
    if (this.handler.context.retiring) res.shouldKeepAlive = false
    if (expects === 'other') this.handler.refuseExpectation(req, res)
    else this.handler.handle(req, res, expects === 'continue')
  }

  /** A client with a key may send as much ahead as one request can have, so that it is seen when it leaves. */
  private mayHold(socket: Socket, bytes: number): boolean {
    const { bodyBytes, headerBytes } = this.config.limits
    const message = messageOf(socket)
    return (
      bytes <= bodyBytes + headerBytes &&
      message !== undefined &&
      this.handler.exchangeOf(message)?.holdsSlot === true
    )
  }

  private onUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = messageOf(socket)
    if (before !== undefined) {
      queueUpgrade(
        before,
        socket,
        new HeldBytes(socket, this.handler.context.budget, (_, bytes) => this.mayHold(socket, bytes)),
        head,
        (pieces) => this.onUpgrade(req, socket, pieces),
      )
      return
    }
    if (isHandshake(req)) {
      this.handler.handleUpgrade(req, socket, head)
      return
    }
    // Any other upgrade is an offer that a server may ignore (RFC 9110, 7.8): curl --http2 makes one with every plain
    // request. Node has taken the socket from its parser by now, so the request is put back without the offer and
    // parsed again.
    socket.unshift(Buffer.concat([withoutUpgrade(req), head]))
    this.parseAgain(socket)
    socket.resume()
  }

  private onConnect(req: IncomingMessage, socket: Socket): void {
    if (messageOf(socket) === undefined) this.handler.refuseConnect(req, socket)
    else socket.destroy()
  }

  /** Refuses a request that Node could not parse: not HTTP, conflicting lengths, or a head too large or too slow. */
  private onClientError(error: ClientError, socket: Socket): void {
    if (error.code === STOPPED) {
      this.pipelining.onStopped(socket, error.rawPacket?.subarray(error.bytesParsed) ?? EMPTY)
      return
    }
    // Bytes behind a request with `Connection: close` are not read (RFC 9112, 9.6). The request itself is served.
    if (error.code === 'HPE_CLOSED_CONNECTION') return
    const message = messageOf(socket)
    const exchange = message === undefined ? undefined : this.handler.exchangeOf(message)
    // The parser reports a client that has left within a message by HPE_INVALID_EOF_STATE.
    const gone =
      error.code === 'ECONNRESET' || error.code === 'EPIPE' || error.code === 'HPE_INVALID_EOF_STATE'
    if (gone || !socket.writable || message?.headersSent) {
      // A response of the relay may still be on its way to a client whose body then was invalid.
      if (!gone && exchange?.stage === null) message?.end(() => socket.destroySoon())
      else socket.destroy()
      return
    }
    const code = readErrorCodeOf(error)
    if (code === 'headers_too_large') this.handler.bounds.hit('headerBytes')
    if (code === 'request_timeout') this.handler.bounds.hit('headersMs')
    if (exchange === undefined) {
      if (this.handler.refusals.isWorthALine(socket.remoteAddress))
        this.log.info(
          { end: 'refused', status: ERRORS[code].status, error_code: code, cause: error.code },
          `refused: ${code}`,
        )
    } else {
      exchange.refuse(ERRORS[code].status, code, error.code ?? null)
    }
    const { errorFormat = 'openai', requestId = '' } = exchange?.request ?? {}
    sendLastError(socket, code, errorFormat, requestId)
  }
}

/** What the client expects before it sends its body (RFC 9110, 10.1.1). */
type Expectation = 'none' | 'continue' | 'other'

/** Milliseconds between two ticks of a listener: a quarter of the shortest time that it has to keep. */
export function tickMsOf({
  firstByteMs,
  idleMs,
  clientStallMs,
  requestMs,
  connectMs,
}: Config['timeouts']): number {
  return clamp(Math.min(firstByteMs, idleMs, clientStallMs, requestMs, connectMs) / 4, 10, TICK_MS)
}

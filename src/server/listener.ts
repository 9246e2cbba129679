import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buildErrorHeaders, ERRORS, type ErrorCode, formatErrorBody } from '../api/errors.js'
import type { Config } from '../config/config.js'
import { ignore } from '../lib/ignore.js'
import type { Log } from '../observe/log.js'
import type { RequestHandler } from './request-handler.js'

/** Milliseconds that a refused connection is still read, so that the client can read the response. */
const LINGER_MS = 2_000

/** Bytes that a client may send after an upgrade that waits for its turn. */
const QUEUED_BYTES = 64 * 1024

/** Longest time between two ticks. The ledger is to know of every request that has run for a second. */
const TICK_MS = 250

/** Milliseconds between the checks of a drain for open exchanges. */
const DRAIN_POLL_MS = 25

/** Node's HTTP server with all limits set, one clock for all exchanges, and the drain at shutdown. */
export class Listener {
  private readonly http: HttpServer
  private readonly handler: RequestHandler
  private readonly config: Config
  private readonly log: Log
  private readonly clock: NodeJS.Timeout

  constructor(config: Config, handler: RequestHandler, log: Log) {
    const { limits, timeouts } = config
    this.config = config
    this.handler = handler
    this.log = log
    const options: ServerOptions & UpgradeOption = {
      noDelay: true,
      // Finds clients that are gone without a FIN, such as a closed laptop.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: timeouts.headersMs,
      // `RequestBody` limits the time of the body, because it can send the error in the client's format.
      requestTimeout: 0,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: clamp(timeouts.headersMs / 4, 50, 5_000),
      // `RequestHandler` checks the header, because it can send the error in the client's format.
      requireHostHeader: false,
      highWaterMark: limits.clientBufferBytes,
      shouldUpgradeCallback: isHandshake,
    }
    this.http = createServer(options)
    // Node's default silently drops headers beyond the 2,000th. Their bytes are limited already.
    this.http.maxHeadersCount = 0
    this.http.maxConnections = limits.connections
    this.http.on('request', (req, res) => handler.handle(req, res, false))
    this.http.on('checkContinue', (req, res) => handler.handle(req, res, true))
    this.http.on('checkExpectation', (req, res) => handler.refuseExpectation(req, res))
    this.http.on('clientError', (error, socket) => this.onClientError(error, socket as Socket))
    this.http.on('upgrade', (req, socket, head) => this.onUpgrade(req, socket as Socket, head))
    this.http.on('connect', (req, socket) => this.onConnect(req, socket as Socket))
    this.http.on('drop', () => handler.bounds.hit('connections'))
    const shortest = Math.min(
      timeouts.firstByteMs,
      timeouts.idleMs,
      timeouts.clientStallMs,
      timeouts.requestMs,
      timeouts.connectMs,
    )
    // One timer for all exchanges: limits are minutes, and a timer per exchange would be moved with each chunk.
    this.clock = setInterval(() => handler.tick(performance.now()), clamp(shortest / 4, 10, TICK_MS)).unref()
  }

  /** Starts to listen. @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL */
  listen(): Promise<AddressInfo> {
    const { host, port } = this.config.listen
    return new Promise((resolve, reject) => {
      this.http.once('error', reject)
      this.http.listen({ host, port, backlog: 1024 }, () => {
        this.http.removeListener('error', reject)
        this.http.on('error', (error) => this.log.error({ err: error }, 'listener error'))
        resolve(this.http.address() as AddressInfo)
      })
    })
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
      await waitWhileListening(Math.min(readyGraceMs, drainMs))
    }
    this.handler.context.draining = true
    // WebSockets without an open response are closed at once.
    this.handler.tick(performance.now())
    // The platform may not wait for as long as `drainMs`.
    this.handler.noteOpen(performance.now())
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()))
    // A compressed response is metered for some milliseconds after it has been sent.
    while (!this.handler.idle && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
      // Connections whose last exchange has ended since.
      this.http.closeIdleConnections()
    }
    const cut = this.handler.inFlight.size
    if (cut > 0) this.handler.bounds.hit('drainMs')
    this.close()
    await closed
    return cut
  }

  /** Closes everything at once. */
  close(): void {
    clearInterval(this.clock)
    this.handler.shutDown()
    this.http.close()
    this.http.closeAllConnections()
  }

  private onUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = messageOf(socket)
    if (before !== undefined) {
      this.queueUpgrade(before, req, socket, head)
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
    this.http.emit('connection', socket)
    socket.resume()
  }

  /**
   * Queues an upgrade that was pipelined after a request, until the response to that request is complete. Node has
   * removed its listeners from the socket, so until then this function notices a client that leaves.
   */
  private queueUpgrade(before: ServerResponse, req: IncomingMessage, socket: Socket, head: Buffer): void {
    const held = [head]
    let bytes = head.length
    const keep = (piece: Buffer): void => {
      held.push(piece)
      bytes += piece.length
      if (bytes > QUEUED_BYTES) socket.pause()
    }
    const leave = (): unknown => socket.destroy()
    socket.on('error', ignore)
    socket.on('data', keep)
    socket.once('end', leave)
    before.once('close', () => {
      socket.removeListener('data', keep)
      socket.removeListener('end', leave)
      // Later bytes belong to the next reader of the socket.
      socket.pause()
      if (socket.writable) this.onUpgrade(req, socket, Buffer.concat(held))
    })
  }

  private onConnect(req: IncomingMessage, socket: Socket): void {
    if (messageOf(socket) === undefined) this.handler.refuseConnect(req, socket)
    else socket.destroy()
  }

  /** Refuses a request that Node could not parse: not HTTP, conflicting lengths, or a head too large or too slow. */
  private onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
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
    const code = clientErrorCode(error)
    if (code === 'headers_too_large') this.handler.bounds.hit('headerBytes')
    if (code === 'request_timeout') this.handler.bounds.hit('headersMs')
    if (exchange === undefined) {
      this.log.info(
        { end: 'refused', status: ERRORS[code].status, error_code: code, cause: error.code },
        `refused: ${code}`,
      )
    } else {
      exchange.refuse(ERRORS[code].status, code, error.code ?? null)
    }
    const body = formatErrorBody(
      code,
      exchange?.request.errorFormat ?? 'openai',
      exchange?.request.requestId ?? '',
      undefined,
    )
    const headers = buildErrorHeaders(
      code,
      exchange?.request.errorFormat ?? 'openai',
      exchange?.request.requestId ?? 'none',
      Buffer.byteLength(body),
    )
    let text = `HTTP/1.1 ${ERRORS[code].status} ${STATUS_CODES[ERRORS[code].status]}\r\nconnection: close\r\n`
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.end(`${text}\r\n${body}`)
    // Later bytes of the client must be read: else the close is a reset, which drops the response.
    socket.removeAllListeners('data')
    socket.on('data', ignore)
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Whether Node emits 'upgrade' for a request that offers one. Node 20 has no such option, and always emits it. */
interface UpgradeOption {
  readonly shouldUpgradeCallback: (req: IncomingMessage) => boolean
}

/** A WebSocket handshake (RFC 6455, 4.2.1). Any other upgrade offer is ignored. */
function isHandshake(req: IncomingMessage): boolean {
  return req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket'
}

/** Finds the open response of a connection. Node keeps it in this private member, and has no public one. */
function messageOf(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

function clientErrorCode(error: NodeJS.ErrnoException): ErrorCode {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  return 'invalid_request'
}

/** Formats the head of a request without its upgrade offer. */
function withoutUpgrade(req: IncomingMessage): Buffer {
  let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`
  const raw = req.rawHeaders
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const lower = raw[i]?.toLowerCase()
    if (lower === 'upgrade' || lower === 'http2-settings') continue
    let value = raw[i + 1] ?? ''
    if (lower === 'connection') {
      value = value
        .split(',')
        .filter((token) => !/^\s*(upgrade|http2-settings)\s*$/i.test(token))
        .join(',')
      if (value.trim() === '') continue
    }
    head += `${raw[i]}: ${value}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}

/** It does not keep the process alive: an open listener does. */
function waitWhileListening(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}

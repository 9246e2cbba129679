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

/** A connection that was refused is read on for so long, that its client can read why. */
const LINGER_MS = 2_000

/** What may come behind an upgrade that waits for its turn. */
const QUEUED_BYTES = 64 * 1024

/** How often a drain looks whether the last exchange is over. */
const DRAIN_POLL_MS = 25

/** The listener: Node's HTTP server with its limits set on purpose, its clock, and its shutting down. */
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
      // Finds clients that vanished without a word, as a laptop that was closed does.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: timeouts.headersMs,
      // The body's time is kept by BodyReader, which can still answer in the caller's format.
      requestTimeout: 0,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: clamp(timeouts.headersMs / 4, 50, 5_000),
      // The gateway asks for it, and answers in the caller's format.
      requireHostHeader: false,
      highWaterMark: limits.clientBufferBytes,
      shouldUpgradeCallback: isHandshake,
    }
    this.http = createServer(options)
    // Node's default drops the headers beyond the 2,000th without a word. Their bytes are limited already.
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
    // One timer for all exchanges: limits are minutes, and a timer for each would have to be moved with each piece.
    this.clock = setInterval(() => handler.tick(performance.now()), clamp(shortest / 4, 10, 1_000)).unref()
  }

  /** @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL */
  listen(): Promise<AddressInfo> {
    const { host, port } = this.config.listen
    return new Promise((resolve, reject) => {
      this.http.once('error', reject)
      this.http.listen({ host, port, backlog: 1024 }, () => {
        this.http.removeListener('error', reject)
        this.http.on('error', (error) => this.log.error({ err: error }, 'the listener met an error'))
        resolve(this.http.address() as AddressInfo)
      })
    })
  }

  /**
   * Stops accepting, lets open exchanges come to their end for `timeouts.drainMs`, then closes what is left.
   * @returns how many had to be cut
   */
  async drain(): Promise<number> {
    this.handler.context.draining = true
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()))
    const deadline = performance.now() + this.config.timeouts.drainMs
    // An answer that was compressed is looked at for some milliseconds after it has gone.
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
    // Any other upgrade is an offer that a server may pass over (RFC 9110, 7.8): curl --http2 makes one with every
    // plain request. Node has taken the socket from its parser by now, so the request is put back without the
    // offer and read again.
    socket.unshift(Buffer.concat([withoutUpgrade(req), head]))
    this.http.emit('connection', socket)
    socket.resume()
  }

  /**
   * An upgrade that was sent behind a request which is still being answered: its turn comes when that is over. Node has
   * taken its listeners off the socket, so until then the client's leaving has to be noticed here.
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
      // What comes now is for whoever takes the socket next.
      socket.pause()
      if (socket.writable) this.onUpgrade(req, socket, Buffer.concat(held))
    })
  }

  private onConnect(req: IncomingMessage, socket: Socket): void {
    if (messageOf(socket) === undefined) this.handler.refuseConnect(req, socket)
    else socket.destroy()
  }

  /** A request that never became one: not HTTP, conflicting lengths, too large or too slow a head. */
  private onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const message = messageOf(socket)
    const exchange = message === undefined ? undefined : this.handler.exchangeOf(message)
    // The third is how the parser tells that the client has left within a message.
    const gone =
      error.code === 'ECONNRESET' || error.code === 'EPIPE' || error.code === 'HPE_INVALID_EOF_STATE'
    if (gone || !socket.writable || message?.headersSent) {
      // An answer of the relay's own, to a request whose body then turned out to be no body, is still to be read.
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
    // What the client still sends has to be read, or the close would be a reset that takes the answer away.
    socket.removeAllListeners('data')
    socket.on('data', ignore)
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Whether a request that offers an upgrade is to be handed over. A Node without this option (20) hands over all. */
interface UpgradeOption {
  readonly shouldUpgradeCallback: (req: IncomingMessage) => boolean
}

/** A WebSocket handshake (RFC 6455, 4.2.1). Any other offer to upgrade is passed over. */
function isHandshake(req: IncomingMessage): boolean {
  return req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket'
}

/** The response that is under way on a connection. Node keeps it there, and gives no other way to know. */
function messageOf(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

function clientErrorCode(error: NodeJS.ErrnoException): ErrorCode {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  return 'invalid_request'
}

/** The head of a request as it came, less its offer to upgrade. */
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

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}

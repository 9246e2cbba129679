import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../api/errors.js'
import type { UpstreamTimeouts } from '../config/upstreams.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { formatServerTiming } from '../exchange/timing.js'
import { findHeader } from '../http/flat-headers.js'
import { buildResponseHeaders, createResponseFacts, readReasonPhrase } from '../http/response-headers.js'
import { readErrorCode } from '../lib/error-code.js'
import type { CredentialRedactor } from '../upstream/credential-redactor.js'
import { stripHostBrackets } from '../upstream/url.js'
import { classifyError } from './failure.js'
import { sendUpstreamError } from './local-response.js'
import type { RelayContext } from './relay-context.js'

/** The part of an `Upstream` that a tunnel needs. A tunnel has a connection of its own. */
export interface TunnelUpstream {
  /** Scheme, host and port. */
  readonly origin: string
  readonly tls: { readonly ca: string | null; readonly servername: string | null }
  /** Connections go through a proxy, and must be made by `connect`. */
  readonly proxied: boolean
  /** Removes the upstream's credentials from its response. */
  readonly redactor: CredentialRedactor | null
  connect(callback: (error: Error | null, socket: Socket | null) => void): void
}

/** Where a tunnel is opened. */
export interface TunnelTarget {
  readonly upstream: TunnelUpstream
  /** With the query. */
  readonly path: string
  /** Without `Host`, `Connection` and `Upgrade`, which are set here. */
  readonly headers: string[]
}

/** Bytes that a client may send before the response to its handshake. */
const EARLY_BYTES = 64 * 1024

/**
 * A WebSocket (RFC 6455) through the relay: the handshake is forwarded, and after the upstream's 101 bytes pass both
 * ways unread. If the upstream refuses with a plain response, that is relayed, so that the client can fall back to
 * HTTP.
 *
 * It uses Node's own client: undici treats any status but 101 as an error, and hides the response.
 */
export class Tunnel implements Stage {
  private readonly exchange: Exchange
  private readonly socket: Socket
  /** Bytes that the client has sent before the tunnel is open. */
  private readonly early: Buffer[]
  private readonly context: RelayContext
  private readonly timeouts: UpstreamTimeouts
  private redactor: CredentialRedactor | null
  private request: ClientRequest | null
  private upstream: Socket | null
  private isConnected: boolean
  private hasResponse: boolean
  private isOver: boolean
  private chunksBefore: number
  private quietSince: number

  constructor(
    exchange: Exchange,
    socket: Socket,
    head: Buffer,
    context: RelayContext,
    timeouts: UpstreamTimeouts,
  ) {
    this.exchange = exchange
    this.socket = socket
    this.early = [head]
    this.context = context
    this.timeouts = timeouts
    this.redactor = null
    this.request = null
    this.upstream = null
    this.isConnected = false
    this.hasResponse = false
    this.isOver = false
    this.chunksBefore = 0
    this.quietSince = 0
  }

  /** Sends the handshake to the upstream. */
  open(target: TunnelTarget): void {
    // Read from the start: else the relay would not notice a client that leaves.
    this.socket.on('data', this.keepEarly)
    // WebSockets are not half-closed: a FIN means that the client has left (RFC 6455, 7.1.1: the server closes first).
    this.socket.once('end', () => this.exchange.res.destroy())
    const { upstream } = target
    this.redactor = upstream.redactor
    const { ca, servername } = upstream.tls
    const url = new URL(upstream.origin)
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = start({
      protocol: url.protocol,
      hostname: stripHostBrackets(url),
      port: url.port === '' ? undefined : Number(url.port),
      method: 'GET',
      path: target.path,
      headers: [
        'host',
        url.host,
        'connection',
        'Upgrade',
        'upgrade',
        'websocket',
        ...target.headers,
      ] as never,
      maxHeaderSize: 64 * 1024,
      // A connection for this tunnel alone: it never goes back to a pool.
      ...(upstream.proxied
        ? { createConnection: (_, done) => this.connect(upstream, done) }
        : { agent: false }),
      rejectUnauthorized: true,
      ...(ca === null ? {} : { ca }),
      ...(servername === null ? {} : { servername }),
    })
    this.request = request
    request.on('socket', (socket) => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 30_000)
      // A socket from a proxy is connected already.
      if (upstream.proxied) this.isConnected = true
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        this.isConnected = true
      })
    })
    request.on('upgrade', (res, upstream, head) => this.onUpgrade(res, upstream as Socket, head))
    request.on('response', (res) => this.onResponse(res))
    request.on('error', (error) => this.onError(error))
    request.end()
  }

  private connect(upstream: TunnelUpstream, done: (error: Error | null, socket: Duplex) => void): undefined {
    upstream.connect((error, socket) => {
      if (this.isOver) socket?.destroy()
      // On failure Node reads only the error.
      done(error, socket as Socket)
    })
  }

  private readonly keepEarly = (data: Buffer): void => {
    this.early.push(data)
    if (this.early.reduce((sum, { length }) => sum + length, 0) > EARLY_BYTES) this.socket.pause()
  }

  onClose(): void {
    this.exchange.conclude(this.upstream === null ? 'client_gone' : 'done')
    this.isOver = true
    this.request?.destroy()
    this.upstream?.destroySoon()
  }

  onTick(now: number): void {
    if (this.isOver) return
    if (this.hasResponse) {
      if (this.upstream === null) this.checkIdle(now)
      return
    }
    const waited = now - (this.exchange.timeline.attemptStartedAt ?? now)
    if (!this.isConnected && waited > this.timeouts.connectMs)
      this.fail('upstream_connect_timeout', 'connectMs')
    else if (waited > this.timeouts.firstByteMs) this.fail('upstream_timeout', 'firstByteMs')
  }

  /** Checks a plain response for silence. An open tunnel may be silent without limit. */
  private checkIdle(now: number): void {
    if (this.exchange.outcome.chunks !== this.chunksBefore) {
      this.chunksBefore = this.exchange.outcome.chunks
      this.quietSince = now
    } else if (now - this.quietSince > this.timeouts.idleMs) {
      this.onBroken(Object.assign(new Error('the response was idle'), { code: 'idleMs' }))
    }
  }

  private onUpgrade(res: IncomingMessage, upstream: Socket, head: Buffer): void {
    if (this.isOver) {
      upstream.destroy()
      return
    }
    const { exchange, socket } = this
    this.upstream = upstream
    this.startResponse(101)
    // Written to the socket: the response object would add framing, which a tunnel does not have.
    let text = `HTTP/1.1 101 ${readReasonPhrase(res.statusMessage, 'latin1')}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`
    const headers = this.headersOf(res)
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.write(`${text}\r\n`, 'latin1')
    if (head.length > 0) upstream.unshift(head)
    socket.removeListener('data', this.keepEarly)
    for (const data of this.early) {
      exchange.countBytesIn(data.length)
      if (data.length > 0) upstream.write(data)
    }
    upstream.on('error', (error) => this.onBroken(error))
    upstream.on('close', () => socket.destroySoon())
    upstream.on('data', (data: Buffer) => {
      exchange.countChunk()
      exchange.countBytesOut(data.length)
    })
    socket.on('data', (data: Buffer) => {
      exchange.countBytesIn(data.length)
    })
    upstream.pipe(socket)
    socket.pipe(upstream)
  }

  private headersOf(res: IncomingMessage): string[] {
    const { exchange, redactor } = this
    const raw = redactor === null ? res.rawHeaders : res.rawHeaders.map((part) => redactor.hide(part))
    return buildResponseHeaders(
      raw,
      exchange.request.requestId,
      formatServerTiming(exchange.timeline, performance.now()),
      false,
      createResponseFacts(),
    )
  }

  private onResponse(res: IncomingMessage): void {
    const { exchange } = this
    if (this.isOver) {
      res.destroy()
      return
    }
    const status = res.statusCode ?? 502
    this.startResponse(status)
    // Early data has no receiver now. Reading continues, so that the relay notices a client that leaves.
    this.socket.removeListener('data', this.keepEarly)
    this.socket.on('data', drop)
    this.socket.resume()
    this.early.length = 0
    const headers = this.headersOf(res)
    headers.push('connection', 'close')
    const reason = this.redactor?.hide(res.statusMessage ?? '') ?? res.statusMessage
    exchange.res.writeHead(status, readReasonPhrase(reason, 'latin1'), headers)
    res.on('data', (data: Buffer) => {
      exchange.countChunk()
      exchange.countBytesOut(data.length)
    })
    res.on('end', () => exchange.conclude('done'))
    res.on('error', (error) => this.onBroken(error))
    const compressed = findHeader(res.rawHeaders, 'content-encoding') !== undefined
    if (this.redactor === null || compressed) res.pipe(exchange.res)
    else res.pipe(this.redactor.stream()).pipe(exchange.res)
  }

  private onError(error: Error): void {
    if (this.isOver) return
    if (this.hasResponse) this.onBroken(error)
    else this.fail(classifyError(error, this.isConnected ? 'waiting' : 'connecting'), readErrorCode(error))
  }

  /** The upstream's side broke after its response began: the client's side is broken off too, and not ended. */
  private onBroken(error: Error): void {
    if (this.isOver) return
    this.isOver = true
    this.exchange.conclude('upstream_cut', readErrorCode(error), 'upstream_cut')
    this.socket.destroySoon()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.isOver = true
    this.request?.destroy()
    sendUpstreamError(this.exchange, code, cause, this.context)
  }

  private startResponse(status: number): void {
    this.hasResponse = true
    const now = performance.now()
    this.exchange.startResponse(status, null, now)
    this.quietSince = now
  }
}

function drop(): void {
  // The data is dropped on purpose.
}

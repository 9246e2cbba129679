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

/** Of an `Upstream`, what a tunnel needs of it: its connection is no one else's. */
export interface TunnelUpstream {
  /** Scheme, host and port. */
  readonly origin: string
  readonly tls: { readonly ca: string | null; readonly servername: string | null }
  /** Connections go through a proxy, and have to be made by `connect`. */
  readonly proxied: boolean
  /** Takes its credentials out of what it sends back. */
  readonly redactor: CredentialRedactor | null
  connect(callback: (error: Error | null, socket: Socket | null) => void): void
}

export interface TunnelTarget {
  readonly upstream: TunnelUpstream
  /** With its query. */
  readonly path: string
  /** Without `Host`, `Connection` and `Upgrade`, which are set here. */
  readonly headers: string[]
}

/** What a client may send before its handshake is answered. */
const EARLY_BYTES = 64 * 1024

/**
 * A WebSocket (RFC 6455) through the relay: the handshake is passed on, and once the upstream has agreed, bytes go
 * both ways unseen. An upstream that does not agree answers with a plain response, which is relayed, so that a client
 * can fall back to HTTP.
 *
 * It uses Node's own client: undici treats any answer but 101 as a fault, and hides it.
 */
export class Tunnel implements Stage {
  private readonly exchange: Exchange
  private readonly socket: Socket
  /** What the client has sent before the tunnel stands. */
  private readonly early: Buffer[]
  private readonly context: RelayContext
  private readonly timeouts: UpstreamTimeouts
  private redactor: CredentialRedactor | null
  private request: ClientRequest | null
  private upstream: Socket | null
  private connected: boolean
  private answered: boolean
  private over: boolean
  private piecesSeen: number
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
    this.connected = false
    this.answered = false
    this.over = false
    this.piecesSeen = 0
    this.quietSince = 0
  }

  open(target: TunnelTarget): void {
    // Read from the start, or a client that leaves would not be noticed.
    this.socket.on('data', this.keepEarly)
    // Nobody half-closes a WebSocket: who has sent a FIN has left (RFC 6455, 7.1.1, has the server close first).
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
      // A connection of its own: it never goes back to a pool.
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
      // Through a proxy it comes when it stands.
      if (upstream.proxied) this.connected = true
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        this.connected = true
      })
    })
    request.on('upgrade', (res, upstream, head) => this.onUpgrade(res, upstream as Socket, head))
    request.on('response', (res) => this.onResponse(res))
    request.on('error', (error) => this.onError(error))
    request.end()
  }

  private connect(upstream: TunnelUpstream, done: (error: Error | null, socket: Duplex) => void): undefined {
    upstream.connect((error, socket) => {
      if (this.over) socket?.destroy()
      // On failure Node looks at the error alone.
      done(error, socket as Socket)
    })
  }

  private readonly keepEarly = (piece: Buffer): void => {
    this.early.push(piece)
    if (this.early.reduce((sum, { length }) => sum + length, 0) > EARLY_BYTES) this.socket.pause()
  }

  onClose(): void {
    this.exchange.conclude(this.upstream === null ? 'client_gone' : 'done')
    this.over = true
    this.request?.destroy()
    this.upstream?.destroySoon()
  }

  onTick(now: number): void {
    if (this.over) return
    if (this.answered) {
      if (this.upstream === null) this.checkSilence(now)
      return
    }
    const waited = now - (this.exchange.timeline.attemptStartedAt ?? now)
    if (!this.connected && waited > this.timeouts.connectMs)
      this.fail('upstream_connect_timeout', 'connectMs')
    else if (waited > this.timeouts.firstByteMs) this.fail('upstream_timeout', 'firstByteMs')
  }

  /** A refusal that stops in the middle. A tunnel that stands may be silent for as long as its ends like. */
  private checkSilence(now: number): void {
    if (this.exchange.outcome.chunks !== this.piecesSeen) {
      this.piecesSeen = this.exchange.outcome.chunks
      this.quietSince = now
    } else if (now - this.quietSince > this.timeouts.idleMs) {
      this.onBroken(Object.assign(new Error('silent'), { code: 'idleMs' }))
    }
  }

  private onUpgrade(res: IncomingMessage, upstream: Socket, head: Buffer): void {
    if (this.over) {
      upstream.destroy()
      return
    }
    const { exchange, socket } = this
    this.upstream = upstream
    this.markAnswered(101)
    // Not through the response object: it would see to framing that a tunnel does not have.
    let text = `HTTP/1.1 101 ${readReasonPhrase(res.statusMessage, 'latin1')}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`
    const headers = this.headersOf(res)
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.write(`${text}\r\n`, 'latin1')
    if (head.length > 0) upstream.unshift(head)
    socket.removeListener('data', this.keepEarly)
    for (const piece of this.early) {
      exchange.countBytesIn(piece.length)
      if (piece.length > 0) upstream.write(piece)
    }
    upstream.on('error', (error) => this.onBroken(error))
    upstream.on('close', () => socket.destroySoon())
    upstream.on('data', (piece: Buffer) => {
      exchange.countChunk()
      exchange.countBytesOut(piece.length)
    })
    socket.on('data', (piece: Buffer) => {
      exchange.countBytesIn(piece.length)
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
    if (this.over) {
      res.destroy()
      return
    }
    const status = res.statusCode ?? 502
    this.markAnswered(status)
    // What the client sent in advance is for nobody; reading on is how its leaving is noticed.
    this.socket.removeListener('data', this.keepEarly)
    this.socket.on('data', drop)
    this.socket.resume()
    this.early.length = 0
    const headers = this.headersOf(res)
    headers.push('connection', 'close')
    const reason = this.redactor?.hide(res.statusMessage ?? '') ?? res.statusMessage
    exchange.res.writeHead(status, readReasonPhrase(reason, 'latin1'), headers)
    res.on('data', (piece: Buffer) => {
      exchange.countChunk()
      exchange.countBytesOut(piece.length)
    })
    res.on('end', () => exchange.conclude('done'))
    res.on('error', (error) => this.onBroken(error))
    const compressed = findHeader(res.rawHeaders, 'content-encoding') !== undefined
    if (this.redactor === null || compressed) res.pipe(exchange.res)
    else res.pipe(this.redactor.stream()).pipe(exchange.res)
  }

  private onError(error: Error): void {
    if (this.over) return
    if (this.answered) this.onBroken(error)
    else this.fail(classifyError(error, this.connected ? 'waiting' : 'connecting'), readErrorCode(error))
  }

  /** The upstream's side broke after it had answered: the client's is broken too, and not ended. */
  private onBroken(error: Error): void {
    if (this.over) return
    this.over = true
    this.exchange.conclude('upstream_cut', readErrorCode(error), 'upstream_cut')
    this.socket.destroySoon()
  }

  private fail(code: ErrorCode, cause: string): void {
    this.over = true
    this.request?.destroy()
    sendUpstreamError(this.exchange, code, cause, this.context)
  }

  private markAnswered(status: number): void {
    this.answered = true
    const now = performance.now()
    this.exchange.startResponse(status, null, now)
    this.quietSince = now
  }
}

function drop(): void {
  // See where it is attached.
}

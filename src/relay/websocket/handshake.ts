import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Target } from '../../routing/route.js'
import type { Upstream } from '../../upstream/upstream.js'
import { stripHostBrackets } from '../../upstream/url.js'

/** A handshake as it is sent to one target. */
export interface HandshakeRequest {
  /** With the query. */
  readonly path: string
  /** Without `Host`, `Connection` and `Upgrade`, which are set here. */
  readonly headers: readonly string[]
}

export interface HandshakeHandler {
  /** @param head bytes that came right behind the response */
  onOpen(handshake: Handshake, res: IncomingMessage, socket: Socket, head: Buffer): void
  /** The upstream has sent a plain response. */
  onRefused(handshake: Handshake, res: IncomingMessage): void
  onFailed(handshake: Handshake, error: Error): void
}

/**
 * One WebSocket handshake with one target, on a connection of its own. It uses Node's client: undici treats any status
 * but 101 as an error, and hides the response.
 */
export class Handshake {
  readonly target: Target<Upstream>
  /** Identifies the attempt to the target's circuit breaker. */
  readonly ticket: number
  /** `performance.now()` */
  readonly startedAt: number
  isConnected: boolean
  private readonly handler: HandshakeHandler
  private readonly request: ClientRequest
  private isOver: boolean

  /** @throws if the handshake cannot be sent; nothing was begun then */
  constructor(target: Target<Upstream>, request: HandshakeRequest, handler: HandshakeHandler) {
    this.target = target
    this.handler = handler
    this.isConnected = false
    this.isOver = false
    // It throws if a header is invalid.
    this.request = this.start(target.upstream, request)
    this.startedAt = performance.now()
    this.ticket = target.breaker.begin(this.startedAt)
    target.upstream.inFlight++
    this.request.end()
  }

  /** Nothing is handed on after this. */
  giveUp(): void {
    this.end()
    this.request.destroy()
  }

  private start(upstream: Upstream, { path, headers }: HandshakeRequest): ClientRequest {
    const url = new URL(upstream.origin)
    const { ca, servername } = upstream.tls
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = start({
      protocol: url.protocol,
      hostname: stripHostBrackets(url),
      port: url.port === '' ? undefined : Number(url.port),
      method: 'GET',
      path,
      headers: ['host', url.host, 'connection', 'Upgrade', 'upgrade', 'websocket', ...headers] as never,
      maxHeaderSize: 64 * 1024,
      // A connection for this WebSocket alone: it never goes back to a pool.
      ...(upstream.proxied
        ? { createConnection: (_, done) => this.connect(upstream, done) }
        : { agent: false }),
      lookup: upstream.lookup as LookupFunction,
      rejectUnauthorized: true,
      ...(ca === null ? {} : { ca }),
      ...(servername === null ? {} : { servername }),
    })
    request.on('socket', (socket) => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 30_000)
      // A socket from a proxy is connected already.
      if (upstream.proxied) this.isConnected = true
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        this.isConnected = true
      })
    })
    request.on('upgrade', (res, socket, head) => {
      if (this.end()) this.handler.onOpen(this, res, socket as Socket, head)
      else socket.destroy()
    })
    request.on('response', (res) => {
      if (this.end()) this.handler.onRefused(this, res)
      else res.destroy()
    })
    request.on('error', (error) => {
      if (this.end()) this.handler.onFailed(this, error)
    })
    return request
  }

  private connect(upstream: Upstream, done: (error: Error | null, socket: Duplex) => void): undefined {
    upstream.connect((error, socket) => {
      if (this.isOver) socket?.destroy()
      // On failure Node reads only the error.
      done(error, socket as Socket)
    })
  }

  /** @returns false if it has ended before */
  private end(): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.target.upstream.inFlight--
    return true
  }
}

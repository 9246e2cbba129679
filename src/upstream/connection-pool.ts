import { isIP, type Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { UpstreamConfig } from '../config/upstreams.js'
import type { BodyUpload } from '../lib/body-upload.js'
import { AddressMemory, type Lookup } from './address-memory.js'
import type { Connection, ConnectionEvents } from './connection.js'
import { isConnectionLost } from './connection-loss.js'
import { createConnector } from './connector.js'
import type { DispatchHandler } from './dispatch-handler.js'
import { ProxyTunnels } from './egress-proxy.js'
import { Http1Connection, type Http1Options } from './http1/http1-connection.js'
import { openUndiciConnections } from './reference/undici-connection.js'
import { parseEndpoint, stripHostBrackets } from './url.js'

/** One request, as it is written to the upstream. */
export interface DispatchRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Name, value, name, value; with `content-length` if the body is an iterable of known length. */
  readonly headers: string[]
  readonly body: Buffer | BodyUpload | null
  /** False keeps the connection after a HEAD request, where it would be closed. */
  readonly reset?: boolean
}

/** Which client the connections are of. `undici` is the reference in tests. */
export type ClientKind = 'own' | 'undici'

/**
 * Which kept connection may take a request. `recent`: one that had a request within `timeouts.upstreamReuseMs`. `none`:
 * a new connection is opened, as for a request that has met a lost one.
 */
export type Reuse = 'any' | 'recent' | 'none'

/**
 * `THINWIRE_UPSTREAM_CLIENT=undici` is for tests, and for an upstream whose responses our own client refuses although
 * they are right.
 */
const DEFAULT_CLIENT: ClientKind = process.env.THINWIRE_UPSTREAM_CLIENT === 'undici' ? 'undici' : 'own'

/** Connections that time out shortly after each other are closed together. */
const LEAST_IDLE_TIMER_MS = 20

/** What became idle at most so much later than a lost connection, or earlier, is taken for lost too. */
const SAME_AGE_MS = 1_000

/**
 * The connections to one upstream. The one that was used last is used next, so that the others reach their time limit
 * (`timeouts.upstreamKeepAliveMs`). There is no bound on their number: a stream keeps its connection for minutes, and a
 * request that waits for a connection cannot be aborted. The bound is the upstream's limit of concurrent requests.
 *
 * Not undici's `Pool`: that cannot be asked for a new connection, and looks at all busy ones for each request.
 */
export class ConnectionPool implements ConnectionEvents {
  private readonly config: UpstreamConfig
  private readonly http1Options: Http1Options
  private readonly create: () => Connection
  /** Null if connections are direct. */
  private readonly tunnels: ProxyTunnels | null
  private readonly addresses: AddressMemory
  /** The one that became idle last is the last. */
  private readonly idle: Connection[]
  /** All that may take a request, or have one. */
  private readonly current: Set<Connection>
  /** Serve their last request. */
  private readonly retiring: Set<Connection>
  private isClosed: boolean
  /** Closes connections whose time is over; null if none is unused. */
  private idleTimer: NodeJS.Timeout | null
  /** `performance.now()` at which it fires. */
  private idleTimerAt: number

  /** @param maxHeaderSize bytes of a response head */
  constructor(config: UpstreamConfig, maxHeaderSize: number, client: ClientKind = DEFAULT_CLIENT) {
    const { connectMs } = config.timeouts
    this.config = config
    this.tunnels = config.proxy === null ? null : new ProxyTunnels(config.proxy, connectMs)
    const connectOptions = {
      timeout: connectMs,
      allowH2: false,
      // Node's 250 ms gives up on an address whose first packet was lost.
      autoSelectFamilyAttemptTimeout: 1_000,
      keepAliveInitialDelay: 30_000,
      // Overrides NODE_TLS_REJECT_UNAUTHORIZED: everybody's keys go over these connections.
      rejectUnauthorized: true,
      ...(config.ca === null ? {} : { ca: config.ca }),
      ...(config.servername === null ? {} : { servername: config.servername }),
    } as buildConnector.BuildOptions
    this.addresses = new AddressMemory()
    const connect = createConnector(connectOptions, this.tunnels, this.addresses)
    this.http1Options = {
      endpoint: parseEndpoint(new URL(config.origin)),
      connect,
      keepAliveMs: config.timeouts.upstreamKeepAliveMs,
      maxHeaderSize,
    }
    this.create =
      client === 'own'
        ? () => new Http1Connection(this.http1Options, this)
        : openUndiciConnections(config.origin, this.http1Options, this)
    this.idleTimer = null
    this.idleTimerAt = Number.POSITIVE_INFINITY
    this.idle = []
    this.current = new Set()
    this.retiring = new Set()
    this.isClosed = false
  }

  /** @returns the connection that has the request, or is being opened for it */
  dispatch(request: DispatchRequest, handler: DispatchHandler, reuse: Reuse = 'any'): Connection {
    const connection = this.take(reuse)
    connection.dispatch(request, handler)
    // The request was refused, as it cannot be written, and nobody else was told.
    if (!connection.isUsed) this.onUnused(connection)
    // A request that began under an earlier config may come after that config's upstream was closed.
    if (this.isClosed) void this.retireAll()
    return connection
  }

  /** Number of open connections. */
  get connected(): number {
    let count = 0
    for (const { isOpen } of this.current) if (isOpen) count++
    return count
  }

  /** Whether connections go through a proxy. */
  get proxied(): boolean {
    return this.tunnels !== null
  }

  /** The host name that connections look up; null if it is an address, or if a proxy looks it up. */
  get lookedUp(): string | null {
    const host = stripHostBrackets(new URL(this.config.origin))
    return this.proxied || isIP(host) !== 0 ? null : host
  }

  /** Looks names up for connections outside of the pool. */
  get lookup(): Lookup {
    return this.addresses.lookup
  }

  /**
   * Opens a connection outside of the pool, TLS included.
   * @param callback called once
   */
  connect(callback: (error: Error | null, socket: Socket | null) => void): void {
    const { endpoint, connect } = this.http1Options
    connect(endpoint, (error, socket) => callback(error, socket))
  }

  /** Uses new connections from now on. Connections in use serve their requests to the end. */
  renew(): void {
    void this.retireAll()
  }

  /** Resolves when the requests under way have ended. A request that comes later gets a connection of its own. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.retireAll()
  }

  /** Closes every connection, also those in use. */
  async destroy(): Promise<void> {
    this.isClosed = true
    const all = [...this.current, ...this.retiring]
    this.idle.length = 0
    this.current.clear()
    await Promise.all(all.map((connection) => connection.destroy()))
  }

  onFree(connection: Connection): void {
    if (!this.current.has(connection)) return
    connection.idleSince = performance.now()
    this.idle.push(connection)
    this.armIdleTimer(connection.idleUntil)
  }

  onLost(connection: Connection, error: Error): void {
    if (connection.idleSince !== null && isConnectionLost(error)) this.dropUnusedSince(connection.idleSince)
  }

  onForgotten({ idleSince }: Connection): void {
    if (idleSince !== null) this.dropUnusedSince(idleSince)
  }

  onClosed(connection: Connection): void {
    if (!this.current.delete(connection)) return
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
    void this.retire(connection)
  }

  private take(reuse: Reuse): Connection {
    const { idle } = this
    while (reuse !== 'none' && idle.length > 0) {
      const connection = idle[idle.length - 1] as Connection
      if (reuse === 'recent' && this.isOld(connection)) break
      idle.pop()
      if (!connection.isOpen) continue
      if (connection.idleUntil > performance.now()) return connection
      this.drop(connection)
    }
    const connection = this.create()
    this.current.add(connection)
    return connection
  }

  private drop(connection: Connection): void {
    this.current.delete(connection)
    void connection.destroy()
  }

  /** One timer for all unused connections: their times are nearly always in the order in which they became unused. */
  private armIdleTimer(at: number): void {
    if (at >= this.idleTimerAt || at === Number.POSITIVE_INFINITY) return
    if (this.idleTimer !== null) clearTimeout(this.idleTimer)
    this.idleTimerAt = at
    this.idleTimer = setTimeout(
      closeOutdated,
      Math.max(at - performance.now(), LEAST_IDLE_TIMER_MS),
      this,
    ).unref()
  }

  /** Closes the unused connections whose time is over. */
  closeOutdated(): void {
    const { idle } = this
    const now = performance.now()
    this.idleTimer = null
    this.idleTimerAt = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    let kept = 0
    for (const connection of idle) {
      if (connection.idleUntil <= now) this.drop(connection)
      else {
        next = Math.min(next, connection.idleUntil)
        idle[kept++] = connection
      }
    }
    idle.length = kept
    this.armIdleTimer(next)
  }

  private isOld({ idleSince }: Connection): boolean {
    return performance.now() - (idleSince ?? 0) > this.config.timeouts.upstreamReuseMs
  }

  private onUnused(connection: Connection): void {
    if (connection.isOpen) this.onFree(connection)
    else this.onClosed(connection)
  }

  /**
   * A kept connection was lost without a word: what had been unused as long as it, the same network or balancer has
   * most likely forgotten too.
   */
  private dropUnusedSince(idleSince: number): void {
    const { idle } = this
    let old = 0
    while (old < idle.length && ((idle[old] as Connection).idleSince ?? 0) <= idleSince + SAME_AGE_MS) old++
    for (const connection of idle.splice(0, old)) this.drop(connection)
  }

  private async retireAll(): Promise<void> {
    const all = [...this.current]
    this.idle.length = 0
    this.current.clear()
    await Promise.all(all.map((connection) => this.retire(connection)))
  }

  private async retire(connection: Connection): Promise<void> {
    this.retiring.add(connection)
    // It rejects if the connection is destroyed meanwhile.
    await connection.close().catch(() => {})
    this.retiring.delete(connection)
  }
}

function closeOutdated(pool: ConnectionPool): void {
  pool.closeOutdated()
}

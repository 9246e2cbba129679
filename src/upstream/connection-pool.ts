import { isIP, type Socket } from 'node:net'
import type { buildConnector, Client, Dispatcher } from 'undici'
import type { UpstreamConfig } from '../config/upstreams.js'
import { AddressMemory, type Lookup } from './address-memory.js'
import { Connection, type ConnectionEvents } from './connection.js'
import { createConnector, createPlainConnector, isConnectionLost } from './connector.js'
import { ProxyTunnels } from './egress-proxy.js'
import { parseEndpoint, stripHostBrackets } from './url.js'

/** One request, as it is written to the upstream. */
export interface DispatchRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Name, value, name, value; with `content-length` if the body is an iterable of known length. */
  readonly headers: string[]
  readonly body: Buffer | AsyncIterable<Buffer> | null
  /** False keeps the connection after a HEAD request, where undici would close it. */
  readonly reset?: boolean
}

/**
 * Which kept connection may take a request. `recent`: one that had a request within `timeouts.upstreamReuseMs`. `none`:
 * a new connection is opened, as for a request that has met a lost one.
 */
export type Reuse = 'any' | 'recent' | 'none'

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
  private readonly connectOptions: buildConnector.BuildOptions
  private readonly clientOptions: Client.Options
  /** Null if connections are direct. */
  private readonly tunnels: ProxyTunnels | null
  private readonly connector: buildConnector.connector
  private readonly addresses: AddressMemory
  /** The one that became idle last is the last. */
  private readonly idle: Connection[]
  /** All that may take a request, or have one. */
  private readonly current: Set<Connection>
  /** Serve their last request. */
  private readonly retiring: Set<Connection>
  private isClosed: boolean

  /** @param maxHeaderSize bytes of a response head */
  constructor(config: UpstreamConfig, maxHeaderSize: number) {
    const { connectMs } = config.timeouts
    this.config = config
    this.tunnels = config.proxy === null ? null : new ProxyTunnels(config.proxy, connectMs)
    this.connectOptions = {
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
    this.clientOptions = {
      // With more than 1, requests would wait behind streams.
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: config.timeouts.upstreamKeepAliveMs,
      // The hint of a server (`keep-alive: timeout=`), minus the threshold, takes precedence.
      keepAliveMaxTimeout: 600_000,
      keepAliveTimeoutThreshold: 1_000,
      // The relay has its own timers: undici's have a resolution of half a second, and cannot tell a client that stalls
      // from an upstream that does.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize,
    }
    this.addresses = new AddressMemory()
    this.connector = createConnector(this.connectOptions, this.tunnels, this.addresses)
    this.idle = []
    this.current = new Set()
    this.retiring = new Set()
    this.isClosed = false
  }

  /** @returns the connection that has the request, or is being opened for it */
  dispatch(request: DispatchRequest, handler: Dispatcher.DispatchHandler, reuse: Reuse = 'any'): Connection {
    const connection = this.take(reuse)
    // undici takes iterables as bodies (docs, Dispatcher.dispatch); its types leave them out.
    connection.dispatch(request as Dispatcher.DispatchOptions, handler)
    // undici has refused the request, and tells nobody else.
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
    const endpoint = parseEndpoint(new URL(this.config.origin))
    createPlainConnector(
      this.connectOptions,
      this.tunnels,
      this.addresses,
    )(endpoint, (error, socket) => callback(error, socket))
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
      if (connection.isOpen) return connection
    }
    const { config, clientOptions, connector } = this
    const connection = new Connection(config.origin, clientOptions, connector, this)
    this.current.add(connection)
    return connection
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
    for (const connection of idle.splice(0, old)) {
      this.current.delete(connection)
      void connection.destroy()
    }
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

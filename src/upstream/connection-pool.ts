import { isIP, type Socket } from 'node:net'
import { type buildConnector, type Dispatcher, Pool } from 'undici'
import type { UpstreamConfig } from '../config/upstreams.js'
import { createConnector, createPlainConnector } from './connector.js'
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
 * The connections to one upstream: an undici pool that can be replaced while requests are under way.
 *
 * An aborted request closes its connection, and undici then opens another one in its place, so the pool keeps its size.
 * Unused connections close after `timeouts.upstreamKeepAliveMs`.
 */
export class ConnectionPool {
  private readonly config: UpstreamConfig
  private readonly maxHeaderSize: number
  private readonly connectOptions: buildConnector.BuildOptions
  /** Null if connections are direct. */
  private readonly tunnels: ProxyTunnels | null
  private current: Pool
  /** Replaced pools whose last requests are still under way. */
  private readonly retiring: Set<Pool>

  /** @param maxHeaderSize bytes of a response head */
  constructor(config: UpstreamConfig, maxHeaderSize: number) {
    const { connectMs } = config.timeouts
    this.config = config
    this.maxHeaderSize = maxHeaderSize
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
    this.current = this.createPool()
    this.retiring = new Set()
  }

  dispatch(request: DispatchRequest, handler: Dispatcher.DispatchHandler): void {
    // A request that began under an earlier config may come after that config's upstream was closed.
    const isClosed = this.current.closed
    if (isClosed) this.current = this.createPool()
    // undici takes iterables as bodies (docs, Dispatcher.dispatch); its types leave them out.
    this.current.dispatch(request as Dispatcher.DispatchOptions, handler)
    if (isClosed) void this.retire(this.current)
  }

  /** Number of open connections. */
  get connected(): number {
    return this.current.stats.connected
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

  /**
   * Opens a connection outside of the pool, TLS included.
   * @param callback called once
   */
  connect(callback: (error: Error | null, socket: Socket | null) => void): void {
    const endpoint = parseEndpoint(new URL(this.config.origin))
    createPlainConnector(this.connectOptions, this.tunnels)(endpoint, (error, socket) =>
      callback(error, socket),
    )
  }

  /** Uses new connections from now on. Connections in use serve their requests to the end. */
  renew(): void {
    const { current } = this
    if (current.closed) return
    this.current = this.createPool()
    void this.retire(current)
  }

  /** Resolves when the requests under way have ended. A request that comes later gets a connection of its own. */
  async close(): Promise<void> {
    await this.retire(this.current)
  }

  /** Closes every connection, also those in use. */
  async destroy(): Promise<void> {
    await Promise.all([this.current, ...this.retiring].map((pool) => pool.destroy()))
  }

  private async retire(pool: Pool): Promise<void> {
    this.retiring.add(pool)
    // It rejects if the pool is destroyed meanwhile.
    await pool.close().catch(() => {})
    this.retiring.delete(pool)
  }

  private createPool(): Pool {
    const { config, connectOptions, tunnels, maxHeaderSize } = this
    return new Pool(config.origin, {
      // Unlimited: a stream keeps its connection for minutes, and a request that waits for a connection cannot be
      // aborted. The bound is the upstream's limit of concurrent requests.
      connections: null,
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
      connect: createConnector(connectOptions, tunnels),
    })
  }
}

import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Dispatcher } from 'undici'
import type { Api, PresetName } from '../api/presets.js'
import type { Config } from '../config/config.js'
import type { UpstreamConfig, UpstreamTimeouts } from '../config/upstreams.js'
import { ConnectionPool, type DispatchRequest } from './connection-pool.js'
import { CredentialRedactor } from './credential-redactor.js'
import { RedactedResponse } from './redacted-response.js'
import { UpstreamAddress } from './upstream-address.js'
import { UpstreamAuth } from './upstream-auth.js'

/** Response heads may be at least this long, whatever `limits.headerBytes` says about requests. */
const RESPONSE_HEAD_MIN = 64 * 1024

/**
 * Creates the upstreams of a config, in its order.
 * @param before upstreams of the config that this one replaces: those with an equal entry stay, with their connections
 */
export function createUpstreams(
  { upstreams, limits }: Pick<Config, 'upstreams' | 'limits'>,
  before: readonly Upstream[] = [],
): readonly Upstream[] {
  return upstreams.map(
    (entry) => before.find((upstream) => upstream.isMadeFrom(entry)) ?? new Upstream(entry, limits),
  )
}

/** APIs that tell usage in a stream if they are asked for it. Mistral's `/fim/completions` refuses the field. */
const TELLS_IF_ASKED = /(?<!\/fim)\/completions$/

/** One API, and the connections to it. */
export class Upstream {
  readonly name: string
  /** The APIs that it speaks; null for all. */
  readonly apis: readonly Api[] | null
  /** Null if the config names none. */
  readonly preset: PresetName | null
  readonly timeouts: UpstreamTimeouts
  /** Whether its list of models names the models that requests can use. */
  readonly listed: boolean
  /** Whether WebSockets are opened to it. */
  readonly websockets: boolean
  readonly address: UpstreamAddress
  readonly auth: UpstreamAuth
  /** TLS settings for WebSockets, which have connections of their own; null for the defaults. */
  readonly tls: { readonly ca: string | null; readonly servername: string | null }
  /** Removes the upstream's credentials from its responses; null if it has none. */
  readonly redactor: CredentialRedactor | null
  /**
   * Attempts that have begun and not ended, streams included. A counter of our own: undici adds up all connections at
   * each look.
   */
  inFlight: number
  /** `performance.now()` of the last request. */
  usedAt: number
  private readonly config: UpstreamConfig
  private readonly pool: ConnectionPool

  constructor(config: UpstreamConfig, limits: Config['limits']) {
    this.name = config.name
    this.apis = config.apis
    this.preset = config.preset
    this.timeouts = config.timeouts
    this.listed = config.listsModels
    this.websockets = config.websockets
    this.address = new UpstreamAddress(config)
    this.auth = new UpstreamAuth(config)
    this.tls = { ca: config.ca, servername: config.servername }
    this.redactor = CredentialRedactor.of(config)
    this.inFlight = 0
    this.usedAt = performance.now()
    this.config = config
    this.pool = new ConnectionPool(config, Math.max(limits.headerBytes, RESPONSE_HEAD_MIN))
  }

  /** Whether it has reached its limit of concurrent requests. */
  get full(): boolean {
    const { maxConcurrentRequests } = this.config
    return maxConcurrentRequests !== null && this.inFlight >= maxConcurrentRequests
  }

  /** Whether the relay asks for the usage of a streamed response if the client does not. */
  asksUsage(method: string, path: string): boolean {
    return this.config.requestUsage && method === 'POST' && TELLS_IF_ASKED.test(path)
  }

  /** The query that gets the whole list of models: Anthropic lists twenty by default. */
  get listQuery(): string {
    return this.config.auth === 'anthropic' ? '?limit=1000' : ''
  }

  dispatch(request: DispatchRequest, handler: Dispatcher.DispatchHandler): void {
    this.usedAt = performance.now()
    this.pool.dispatch(
      request,
      this.redactor === null ? handler : new RedactedResponse(handler, this.redactor),
    )
  }

  /** Scheme, host and port: for WebSockets, which have connections of their own. */
  get origin(): string {
    return this.config.origin
  }

  /** Whether connections go through a proxy, so that a WebSocket has to be opened by `connect`. */
  get proxied(): boolean {
    return this.pool.proxied
  }

  /** See `ConnectionPool.connect`. */
  connect(callback: (error: Error | null, socket: Socket | null) => void): void {
    this.pool.connect(callback)
  }

  /**
   * Opens a connection before the first request needs one. It sends a HEAD request for the list of models, without a
   * credential: whatever the response, the connection stays in the pool.
   * @returns null if there was a response, else the error
   */
  warm(): Promise<Error | null> {
    if (!this.config.warm) return Promise.resolve(null)
    const path = this.address.build('/models', '', null, true)
    return new Promise((resolve) => {
      this.pool.dispatch(
        { method: 'HEAD', path, headers: [], body: null, reset: false },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve(null),
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
  }

  /** Number of open connections. */
  get connected(): number {
    return this.pool.connected
  }

  /** See `ConnectionPool.lookedUp`. */
  get lookedUp(): string | null {
    return this.pool.lookedUp
  }

  /** Whether this upstream would be the same if it were created from this entry of a config. */
  isMadeFrom(config: UpstreamConfig): boolean {
    return isDeepStrictEqual(this.config, config)
  }

  /** See `ConnectionPool.renew`. */
  renew(): void {
    this.pool.renew()
  }

  /** See `ConnectionPool.close`. */
  async close(): Promise<void> {
    await this.pool.close()
  }

  /** See `ConnectionPool.destroy`. */
  async destroy(): Promise<void> {
    await this.pool.destroy()
  }
}

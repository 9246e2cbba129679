import { isIP, type Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { type buildConnector, type Dispatcher, Pool } from 'undici'
import { isAtOrBelow } from '../api/api-of-path.js'
import type { Capabilities } from '../api/capabilities.js'
import type { Api, AuthScheme } from '../api/presets.js'
import type { Config } from '../config/config.js'
import type { UpstreamConfig, UpstreamTimeouts } from '../config/upstreams.js'
import { CREDENTIAL_HEADERS } from '../http/headers.js'
import { createConnector, createPlainConnector } from './connector.js'
import { CredentialRedactor, RedactedResponse } from './credential-redactor.js'
import { ProxyTunnels } from './egress-proxy.js'
import { addParameters, buildDeploymentPath, formatQuery, parseEndpoint, stripHostBrackets } from './url.js'

/** Sent to Anthropic's own endpoints when the client did not say (API reference, Versioning): it is required there. */
const ANTHROPIC_VERSION = '2023-06-01'

export interface DispatchRequest {
  readonly method: string
  readonly path: string
  /** Name, value, name, value; with `content-length` if the body is none that has a length of its own. */
  readonly headers: string[]
  readonly body: Buffer | AsyncIterable<Buffer> | null
}

/**
 * One API and the connections to it.
 *
 * An aborted request takes its connection with it, and undici then opens another in its place: the pool stays as
 * warm as it was, and what is not used closes after `timeouts.upstreamKeepAliveMs`.
 */
export class Upstream {
  readonly name: string
  /** Null: all. */
  readonly apis: readonly Api[] | null
  /** Of this upstream: the general ones, with its own in their place. */
  readonly timeouts: UpstreamTimeouts
  readonly chat: Capabilities
  /** Its list of models has what can be asked for. */
  readonly listed: boolean
  /** For tunnels, which have connections of their own; both null if there is nothing to say. */
  readonly tls: { readonly ca: string | null; readonly servername: string | null }
  /** Takes its credentials out of what it sends back; null if it has none. */
  readonly redactor: CredentialRedactor | null
  private readonly asks: boolean
  /** Attempts that have begun and not ended, streams included. undici would add up its connections for each look at theirs. */
  inFlight: number
  /** `performance.now()` of the last request. */
  usedAt: number
  private pool: Pool
  /** Whose last requests are under way. */
  private readonly earlier: Set<Pool>
  private readonly maxHeaderSize: number
  private readonly config: UpstreamConfig
  private readonly connectOptions: buildConnector.BuildOptions
  /** Null if its connections go straight. */
  private readonly tunnels: ProxyTunnels | null
  private readonly added: readonly string[]
  private readonly addedBearer: readonly string[]
  private readonly ownAuth: AuthScheme | null
  /** A path is put behind the base path, and that is all. */
  private readonly plain: boolean
  private readonly query: Query
  /** The credential, if that is where it goes. */
  private readonly keyInQuery: string | null
  private readonly queryWithKey: Query

  constructor(config: UpstreamConfig, limits: Config['limits']) {
    const { timeouts } = config
    this.name = config.name
    this.apis = config.apis
    this.timeouts = timeouts
    this.chat = config.capabilities
    this.listed = config.listsModels
    this.tls = { ca: config.ca, servername: config.servername }
    this.redactor = CredentialRedactor.of(config)
    this.asks = config.requestUsage
    this.config = config
    this.added = [...config.headers, ...credential(config, config.auth)]
    this.addedBearer = [...config.headers, ...credential(config, 'bearer')]
    // Where the config has such a header of its own, a client's is not for this upstream.
    const credited = config.headers.some((name, i) => i % 2 === 0 && CREDENTIAL_HEADERS.has(name))
    this.ownAuth = credited ? null : config.passthroughAuth
    this.query = makeQuery(config.query)
    this.keyInQuery = config.auth === 'query' ? config.apiKey : null
    this.queryWithKey =
      this.keyInQuery === null
        ? this.query
        : makeQuery([...config.query, config.keyParameter, this.keyInQuery])
    this.plain =
      config.paths === 'plain' && config.otherBasePaths.length === 0 && this.queryWithKey.names.size === 0
    this.tunnels = config.proxy === null ? null : new ProxyTunnels(config.proxy, timeouts.connectMs)
    this.connectOptions = {
      timeout: timeouts.connectMs,
      allowH2: false,
      // Node's 250 ms gives up on an address whose first packet was lost.
      autoSelectFamilyAttemptTimeout: 1_000,
      keepAliveInitialDelay: 30_000,
      // Also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise: everyone's keys go this way.
      rejectUnauthorized: true,
      ...(config.ca === null ? {} : { ca: config.ca }),
      ...(config.servername === null ? {} : { servername: config.servername }),
    } as buildConnector.BuildOptions
    this.maxHeaderSize = Math.max(limits.headerBytes, 64 * 1024)
    this.pool = this.makePool()
    this.earlier = new Set()
    this.inFlight = 0
    this.usedAt = performance.now()
  }

  /** As many requests are in flight as it is to have: another one had better go elsewhere. */
  get full(): boolean {
    const { maxConcurrentRequests } = this.config
    return maxConcurrentRequests !== null && this.inFlight >= maxConcurrentRequests
  }

  /**
   * What a request is sent to: base path, path and query. It may have the credential in it.
   * @param path behind the version
   * @param query with its `?`, or empty
   * @param model the name that goes upstream, null if there is none
   * @param passthrough the client's own credential goes through, so ours is not put on
   */
  addressOf(path: string, query: string, model: string | null, passthrough: boolean): string {
    if (this.plain) return this.config.basePath + path + query
    const { names, text } = passthrough ? this.query : this.queryWithKey
    return this.pathOf(path, model) + (text === '' ? query : addParameters(query, names, text))
  }

  private pathOf(path: string, model: string | null): string {
    const { basePath, paths, otherBasePaths } = this.config
    for (const [prefix, base] of otherBasePaths) if (isAtOrBelow(path, prefix)) return base + path
    return basePath + (paths === 'deployments' ? buildDeploymentPath(path, model) : path)
  }

  /**
   * What this upstream needs on a request for `path`, as name, value, name, value, names in lower case.
   * @param passthrough the client's own credential goes through, so ours is not put on
   */
  headersFor(path: string, passthrough: boolean): readonly string[] {
    if (passthrough) return this.config.headers
    return schemeOn(path, this.config.auth) === 'bearer' ? this.addedBearer : this.added
  }

  /** Where it looks for a client's own credential on a request for `path`; null if that is not known. */
  ownAuthFor(path: string): AuthScheme | null {
    return this.ownAuth === null ? null : schemeOn(path, this.ownAuth)
  }

  /** Whether the usage of a streamed answer is to be asked for where the client does not. */
  asksUsage(method: string, path: string): boolean {
    return this.asks && method === 'POST' && path.endsWith('/chat/completions')
  }

  /** What a request for its list of models needs to get all of it: Anthropic tells twenty unless asked for more. */
  get listQuery(): string {
    return this.config.auth === 'anthropic' ? '?limit=1000' : ''
  }

  /** What is put on only where the client sent nothing by that name, as one name and value; null if nothing. */
  defaultHeaderFor(path: string): readonly [string, string] | null {
    if (this.config.auth !== 'anthropic' || path.startsWith('/chat/')) return null
    return ['anthropic-version', ANTHROPIC_VERSION]
  }

  dispatch(request: DispatchRequest, handler: Dispatcher.DispatchHandler): void {
    const told = this.redactor === null ? handler : new RedactedResponse(handler, this.redactor)
    this.usedAt = performance.now()
    // Of a config that is no more: a request that is under way, and was elsewhere when it went.
    const late = this.pool.closed
    if (late) this.pool = this.makePool()
    // undici takes iterables as bodies (docs, Dispatcher.dispatch); its types leave them out.
    this.pool.dispatch(request as Dispatcher.DispatchOptions, told)
    if (late) void this.retire(this.pool)
  }

  /** Where the upstream stands, for a WebSocket tunnel, which has its own connection. */
  get origin(): string {
    return this.config.origin
  }

  /** Whether connections go through a proxy, so that a tunnel has to be opened with `connect`. */
  get proxied(): boolean {
    return this.tunnels !== null
  }

  /**
   * Opens a connection for something else than a request, TLS included.
   * @param callback called once
   */
  connect(callback: (error: Error | null, socket: Socket | null) => void): void {
    const target = parseEndpoint(new URL(this.config.origin))
    createPlainConnector(this.connectOptions, this.tunnels)(target, (error, socket) =>
      callback(error, socket),
    )
  }

  /**
   * Opens a connection before the first request needs one, by asking for the model list's head without a
   * credential: whatever the answer, the connection stays in the pool.
   * @returns null when the upstream answered, else the error
   */
  warm(): Promise<Error | null> {
    if (!this.config.warm) return Promise.resolve(null)
    return new Promise((resolve) => {
      this.pool.dispatch(
        { method: 'HEAD', path: this.addressOf('/models', '', null, true), reset: false },
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

  /** Connections that stand. */
  get connected(): number {
    return this.pool.stats.connected
  }

  /** The name that its connections look up; null if it is an address, or a proxy looks it up. */
  get lookedUp(): string | null {
    const host = stripHostBrackets(new URL(this.config.origin))
    return this.proxied || isIP(host) !== 0 ? null : host
  }

  /** Whether it would be the same if it were made anew. */
  isMadeFrom(config: UpstreamConfig): boolean {
    return isDeepStrictEqual(this.config, config)
  }

  /** Makes new connections from now on. Those in use serve their requests to the end. */
  renew(): void {
    const { pool } = this
    if (pool.closed) return
    this.pool = this.makePool()
    void this.retire(pool)
  }

  /** Resolves when the requests under way are over. Each that still comes has a connection of its own. */
  async close(): Promise<void> {
    await this.retire(this.pool)
  }

  /** Drops every connection, also those in use. */
  async destroy(): Promise<void> {
    await Promise.all([this.pool, ...this.earlier].map((pool) => pool.destroy()))
  }

  private async retire(pool: Pool): Promise<void> {
    this.earlier.add(pool)
    // It may have been destroyed meanwhile.
    await pool.close().catch(() => {})
    this.earlier.delete(pool)
  }

  private makePool(): Pool {
    const { config, timeouts } = this
    return new Pool(config.origin, {
      // No cap: a stream holds its connection for minutes, and a request that waits for one cannot be aborted.
      // limits.maxConcurrentRequests is the bound.
      connections: null,
      // Anything above 1 puts requests behind streams.
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: timeouts.upstreamKeepAliveMs,
      // A server's own hint, less the threshold, goes before ours.
      keepAliveMaxTimeout: 600_000,
      keepAliveTimeoutThreshold: 1_000,
      // Our own clocks run in the relay: undici's are half a second coarse and cannot tell a client that stalls
      // from an upstream that does.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: this.maxHeaderSize,
      connect: createConnector(this.connectOptions, this.tunnels),
    })
  }
}

interface Query {
  readonly names: ReadonlySet<string>
  /** Without its `?`. */
  readonly text: string
}

/** @param parameters name, value, name, value */
function makeQuery(parameters: readonly string[]): Query {
  return { names: new Set(parameters.filter((_, i) => i % 2 === 0)), text: formatQuery(parameters) }
}

/** Anthropic's takes keys in a header of its own, but not where it speaks as OpenAI does. */
function schemeOn(path: string, scheme: AuthScheme): AuthScheme {
  return scheme === 'anthropic' && path.startsWith('/chat/') ? 'bearer' : scheme
}

/** As headers; none where it goes elsewhere, or nowhere. */
function credential({ apiKey }: UpstreamConfig, scheme: AuthScheme): string[] {
  if (apiKey === null) return []
  switch (scheme) {
    case 'bearer':
      return ['authorization', `Bearer ${apiKey}`]
    case 'api-key':
      return ['api-key', apiKey]
    case 'x-api-key':
    case 'anthropic':
      return ['x-api-key', apiKey]
    case 'query':
    case 'none':
      return []
  }
}

import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Api, PresetName } from '../api/presets.js'
import type { Config } from '../config/config.js'
import type { UpstreamKey } from '../config/upstream-keys.js'
import type { UpstreamConfig, UpstreamTimeouts } from '../config/upstreams.js'
import type { Lookup } from './address-memory.js'
import {
  type CloudAccess,
  type CredentialEvents,
  CredentialWatch,
  createCloudAccess,
  NO_CREDENTIAL_EVENTS,
  TokenAccess,
} from './cloud-access.js'
import { type CloudMessages, findCloudMessages, isAdapted } from './cloud-messages.js'
import type { Connection } from './connection.js'
import { ConnectionPool, type DispatchRequest, type Reuse } from './connection-pool.js'
import { CredentialRedactor } from './credential-redactor.js'
import type { DispatchHandler } from './dispatch-handler.js'
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
  events: CredentialEvents = NO_CREDENTIAL_EVENTS,
): readonly Upstream[] {
  return upstreams.map(
    (entry) => before.find((upstream) => upstream.isMadeFrom(entry)) ?? new Upstream(entry, limits, events),
  )
}

/** How the requests with one credential are sent. */
interface CredentialUse {
  readonly auth: UpstreamAuth
  readonly address: UpstreamAddress
}

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
  /** What it has in place of Anthropic's Messages; null for the same. */
  readonly messages: CloudMessages | null
  /** Its keys, which share the connections; null if it has one credential or none. */
  readonly keys: readonly UpstreamKey[] | null
  /** With the first credential. */
  readonly address: UpstreamAddress
  readonly auth: UpstreamAuth
  /** TLS settings for WebSockets, which have connections of their own; null for the defaults. */
  readonly tls: { readonly ca: string | null; readonly servername: string | null }
  /**
   * Attempts that have begun and not ended, streams included. A counter of our own: undici adds up all connections at
   * each look.
   */
  inFlight: number
  /** `performance.now()` of the last request. */
  usedAt: number
  private readonly credentials: readonly CredentialUse[]
  private readonly config: UpstreamConfig
  private readonly pool: ConnectionPool
  /** Null if the credential stays the same. */
  private readonly access: CloudAccess | null
  private lastRedactor: CredentialRedactor | null
  /** Of the credentials that the redactor knows. */
  private redactorGeneration: number

  constructor(
    config: UpstreamConfig,
    limits: Config['limits'],
    events: CredentialEvents = NO_CREDENTIAL_EVENTS,
  ) {
    this.name = config.name
    this.apis = config.apis
    this.preset = config.preset
    this.timeouts = config.timeouts
    this.listed = config.listsModels
    this.websockets = config.websockets
    this.keys = config.keys
    this.messages = findCloudMessages(config.preset)
    this.address = new UpstreamAddress(config)
    this.access = createCloudAccess(config, events)
    this.auth = new UpstreamAuth(config, this.access instanceof TokenAccess ? this.access : null)
    this.credentials =
      config.keys?.map(({ credential }) => {
        const own = { ...config, apiKey: credential }
        return { auth: new UpstreamAuth(own, null), address: new UpstreamAddress(own) }
      }) ?? []
    this.tls = { ca: config.ca, servername: config.servername }
    this.lastRedactor = CredentialRedactor.of(config)
    this.redactorGeneration = -1
    this.inFlight = 0
    this.usedAt = performance.now()
    this.config = config
    this.pool = new ConnectionPool(config, Math.max(limits.headerBytes, RESPONSE_HEAD_MIN))
  }

  /** How requests are sent with one of the credentials. @param key index into `keys`; 0 where there are none */
  withKey(key: number): CredentialUse {
    return this.credentials[key] ?? this
  }

  /** Whether it has a limit of concurrent requests. */
  get isLimited(): boolean {
    return this.config.maxConcurrentRequests !== null
  }

  /** Whether it has reached its limit of concurrent requests. */
  get full(): boolean {
    const { maxConcurrentRequests } = this.config
    return maxConcurrentRequests !== null && this.inFlight >= maxConcurrentRequests
  }

  /** Whether the relay asks for the usage of a streamed response if the client does not. */
  asksUsage(method: string, path: string): boolean {
    // Mistral's `/fim/completions` refuses the field.
    return (
      this.config.requestUsage &&
      method === 'POST' &&
      path.endsWith('/completions') &&
      !path.endsWith('/fim/completions')
    )
  }

  /** The query that gets the whole list of models: Anthropic lists twenty by default. */
  get listQuery(): string {
    return this.config.auth === 'anthropic' ? '?limit=1000' : ''
  }

  /** Whether a request can be sent only when its body is complete, as the body is signed or adapted. */
  needsWholeBody(path: string): boolean {
    return this.access?.needsBody === true || this.adaptsMessages(path)
  }

  /** Whether a request of Messages has to be put into the form of a cloud. */
  adaptsMessages(path: string): boolean {
    return this.messages !== null && isAdapted(this.messages, path)
  }

  /** Gets the credential, if it has to be fetched. @returns resolves when it is there, or could not be got */
  start(): Promise<void> {
    return this.access?.source.start() ?? Promise.resolve()
  }

  /** Removes the upstream's credentials from its responses; null if it has none. */
  get redactor(): CredentialRedactor | null {
    const { access, config } = this
    if (access !== null && access.source.generation !== this.redactorGeneration) {
      this.redactorGeneration = access.source.generation
      this.lastRedactor = CredentialRedactor.of({
        ...config,
        secrets: [...config.secrets, ...access.listSecrets()],
      })
    }
    return this.lastRedactor
  }

  /**
   * @returns the connection that has the request, or is being opened for it
   * @throws with the code CREDENTIAL_MISSING if there is no valid credential at the moment
   */
  dispatch(request: DispatchRequest, handler: DispatchHandler, reuse: Reuse = 'any'): Connection {
    const { access, redactor } = this
    this.usedAt = performance.now()
    access?.complete(request)
    const watched = access === null ? handler : new CredentialWatch(handler, access)
    return this.pool.dispatch(
      request,
      redactor === null ? watched : new RedactedResponse(watched, redactor),
      reuse,
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

  /** See `ConnectionPool.lookup`. */
  get lookup(): Lookup {
    return this.pool.lookup
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
          onConnect() {},
          onHeaders: () => true,
          onData: () => true,
          onComplete: () => resolve(null),
          onError: resolve,
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
    this.access?.source.close()
    await this.pool.close()
  }

  /** See `ConnectionPool.destroy`. */
  async destroy(): Promise<void> {
    this.access?.source.close()
    await this.pool.destroy()
  }
}

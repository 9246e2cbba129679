import { type Dispatcher, Pool } from 'undici'
import type { Config, UpstreamConfig } from '../config/config.js'
import { makeConnector } from './connector.js'

/** Sent to Anthropic's own endpoints when the client did not say (API reference, Versioning): it is required there. */
const ANTHROPIC_VERSION = '2023-06-01'

export interface UpstreamRequest {
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
  readonly basePath: string
  readonly timeouts: Config['timeouts']
  private readonly asks: boolean
  private readonly pool: Pool
  private readonly config: UpstreamConfig
  private readonly added: readonly string[]
  private readonly addedBearer: readonly string[]

  constructor(config: UpstreamConfig, timeouts: Config['timeouts'], limits: Config['limits']) {
    this.name = config.name
    this.basePath = config.basePath
    this.timeouts = timeouts
    this.asks = config.askUsage
    this.config = config
    this.added = [...config.headers, ...credential(config, config.auth)]
    this.addedBearer = [...config.headers, ...credential(config, 'bearer')]
    this.pool = new Pool(config.origin, {
      // No cap: a stream holds its connection for minutes, and a request that waits for one cannot be aborted.
      // limits.exchanges is the bound.
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
      maxHeaderSize: Math.max(limits.headerBytes, 64 * 1024),
      connect: makeConnector({
        timeout: timeouts.connectMs,
        allowH2: false,
        // Node's 250 ms gives up on an address whose first packet was lost.
        autoSelectFamilyAttemptTimeout: 1_000,
        keepAliveInitialDelay: 30_000,
      }),
    })
  }

  /**
   * What this upstream needs on a request for `path`, as name, value, name, value, names in lower case.
   * @param passthrough the client's own credential goes through, so ours is not put on
   */
  headersFor(path: string, passthrough: boolean): readonly string[] {
    if (passthrough) return this.config.headers
    const openAiCompatible = this.config.auth === 'anthropic' && path.startsWith('/chat/')
    return openAiCompatible ? this.addedBearer : this.added
  }

  /** Whether the usage of a streamed answer is to be asked for where the client does not. */
  asksUsage(method: string, path: string): boolean {
    return this.asks && method === 'POST' && path.endsWith('/chat/completions')
  }

  /** What is put on only where the client sent nothing by that name, as one name and value; null if nothing. */
  defaultHeaderFor(path: string): readonly [string, string] | null {
    if (this.config.auth !== 'anthropic' || path.startsWith('/chat/')) return null
    return ['anthropic-version', ANTHROPIC_VERSION]
  }

  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    // undici takes iterables as bodies (docs, Dispatcher.dispatch); its types leave them out.
    this.pool.dispatch(request as Dispatcher.DispatchOptions, handler)
  }

  /** Where the upstream stands, for a WebSocket tunnel, which has its own connection. */
  get origin(): string {
    return this.config.origin
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
        { method: 'HEAD', path: `${this.basePath}/models`, reset: false },
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

  /** Drops every connection, also those in use. */
  destroy(): Promise<void> {
    return this.pool.destroy()
  }
}

function credential(config: UpstreamConfig, scheme: UpstreamConfig['auth']): string[] {
  if (config.apiKey === null) return []
  switch (scheme) {
    case 'bearer':
      return ['authorization', `Bearer ${config.apiKey}`]
    case 'api-key':
      return ['api-key', config.apiKey]
    case 'x-api-key':
    case 'anthropic':
      return ['x-api-key', config.apiKey]
  }
}

import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { buildConnector, Client, Dispatcher } from 'undici'
import type { Connection, ConnectionEvents } from '../connection.js'
import type { DispatchRequest } from '../connection-pool.js'
import type { DispatchHandler } from '../dispatch-handler.js'
import type { Http1Options } from '../http1/http1-connection.js'
import { tapConnector } from './tapped-connector.js'

const require = createRequire(import.meta.url)

/**
 * A connection on undici's client. `Http1Connection` has taken its place: this one is the reference that the tests
 * compare it with. undici is loaded with the first one: a relay without any starts faster.
 */
export class UndiciConnection implements Connection {
  /** `performance.now()` from which on it had no request; null if it has had none before its present one. */
  idleSince: number | null
  readonly idleUntil: number
  /** Null before it is open, and after it was closed. */
  socket: Socket | null
  private readonly client: Client
  private readonly events: ConnectionEvents

  constructor(
    origin: string,
    options: Client.Options,
    connect: buildConnector.connector,
    events: ConnectionEvents,
  ) {
    this.idleSince = null
    this.idleUntil = Number.POSITIVE_INFINITY
    this.socket = null
    this.events = events
    const undici: typeof import('undici') = require('undici')
    this.client = new undici.Client(origin, {
      ...options,
      connect: (target, callback) =>
        connect(target, (...result) => {
          this.socket = result[1] ?? null
          callback(...result)
        }),
    })
    this.client.on('drain', () => {
      if (this.isOpen) events.onFree(this)
      else events.onClosed(this)
    })
    this.client.on('disconnect', (_origin, _targets, error: Error) => {
      this.socket = null
      events.onLost(this, error)
      if (!this.isUsed) events.onClosed(this)
    })
    this.client.on('connectionError', () => {
      if (!this.isUsed) events.onClosed(this)
    })
  }

  /** It is open: a request can be written at once. */
  get isOpen(): boolean {
    return this.socket !== null && !this.socket.destroyed
  }

  /** A request is under way, or waits for the connection to open. */
  get isUsed(): boolean {
    return this.client.stats.size > 0
  }

  dispatch(request: DispatchRequest, handler: DispatchHandler): void {
    // undici takes iterables as bodies (docs, Dispatcher.dispatch); its types leave them out.
    this.client.dispatch(request as Dispatcher.DispatchOptions, handler as Dispatcher.DispatchHandler)
  }

  /** The network has forgotten it. */
  forget(): void {
    this.events.onForgotten(this)
  }

  /** Closes it when its request has ended. */
  close(): Promise<void> {
    return this.client.close()
  }

  /** Closes it at once; its request fails. */
  destroy(): Promise<void> {
    return this.client.destroy()
  }
}

/** Makes connections on undici's client, with the settings of our own. */
export function openUndiciConnections(
  origin: string,
  { connect, keepAliveMs, maxHeaderSize }: Http1Options,
  events: ConnectionEvents,
): () => Connection {
  const tapped = tapConnector(connect)
  const options: Client.Options = {
    // With more than 1, requests would wait behind streams.
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: keepAliveMs,
    // The hint of a server (`keep-alive: timeout=`), minus the threshold, takes precedence.
    keepAliveMaxTimeout: 600_000,
    keepAliveTimeoutThreshold: 1_000,
    // The relay has its own timers: undici's have a resolution of half a second, and cannot tell a client that stalls
    // from an upstream that does.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize,
  }
  return () => new UndiciConnection(origin, options, tapped, events)
}

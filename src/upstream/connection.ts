import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher } from 'undici'

/** How a pool is told what has become of one of its connections. */
export interface ConnectionEvents {
  /** It can take a request. */
  onFree(connection: Connection): void
  /** It is closed, or could not be opened, and no request waits for it. */
  onClosed(connection: Connection): void
  /** It was lost under a request. Called after the request was told, and before `onFree` or `onClosed`. */
  onLost(connection: Connection, error: Error): void
  /** The upstream does not acknowledge what it is sent. */
  onForgotten(connection: Connection): void
}

/** One connection to an upstream: undici's client, which opens it with the first request, and the socket below. */
export class Connection {
  /** `performance.now()` from which on it had no request; null if it has had none before its present one. */
  idleSince: number | null
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
    this.socket = null
    this.events = events
    this.client = new Client(origin, {
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

  dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.client.dispatch(request, handler)
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

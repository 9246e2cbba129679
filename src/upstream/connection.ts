import type { Socket } from 'node:net'
import type { DispatchRequest } from './connection-pool.js'
import type { DispatchHandler } from './dispatch-handler.js'

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

/** One connection to an upstream, which opens with the first request. It takes one request at a time. */
export interface Connection {
  /** `performance.now()` from which on it had no request; null if it has had none before its present one. */
  idleSince: number | null
  /** `performance.now()` until which it may be used again. Infinite if it closes itself. */
  readonly idleUntil: number
  /** Null before it is open, and after it was closed. */
  readonly socket: Socket | null
  /** It is open: a request can be written at once. */
  readonly isOpen: boolean
  /** A request is under way, or waits for the connection to open. */
  readonly isUsed: boolean
  dispatch(request: DispatchRequest, handler: DispatchHandler): void
  /** The network has forgotten it. */
  forget(): void
  /** Closes it when its request has ended. */
  close(): Promise<void>
  /** Closes it at once; its request fails. */
  destroy(): Promise<void>
}

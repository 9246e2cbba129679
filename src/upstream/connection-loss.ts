/** Replaces ECONNRESET, which undici takes for the end of some responses; see `TappedSocket`. */
const RESET = 'UPSTREAM_RESET'

/**
 * The error of a connection that had received data before. Each connection gets an error object of its own: undici
 * passes one error to all connections of a pool that it destroys, and their states may differ.
 */
class UsedConnectionError extends Error {
  readonly code: string | undefined
  /** No data has come since the last write. */
  readonly silent: boolean

  constructor(error: NodeJS.ErrnoException, silent: boolean) {
    super(error.message, { cause: error })
    this.name = error.name
    this.code = error.code
    this.silent = silent
  }
}

/**
 * Whether a request failed because its connection had been kept from an earlier request, and was lost before any data
 * of this one's response. Most likely the upstream closed the unused connection while the request was on its way.
 * @param written undici had begun to write the request. When a connection is reset, undici (7.30.2,
 * lib/dispatcher/client.js, `onError`) also fails requests that wait for it, and looks for no other connection
 */
export function wasConnectionReused(error: unknown, written: boolean): boolean {
  return error instanceof UsedConnectionError && (error.silent || !written)
}

/**
 * Whether a connection that had been kept from an earlier request was lost under another one without a word, and not
 * given up by the relay, whose reasons have no code.
 */
export function isConnectionLost(error: Error): boolean {
  return error instanceof UsedConnectionError && error.silent && error.code !== undefined
}

/**
 * Describes the error that has ended an established connection.
 * @param received bytes that the upstream has sent on it, behind TLS
 * @param receivedBefore how many of them before the last request was written
 */
export function describeLoss(error: Error, received: number, receivedBefore: number): Error {
  const isReset = (error as NodeJS.ErrnoException).code === 'ECONNRESET'
  const described = isReset
    ? Object.assign(new Error('reset by the upstream', { cause: error }), { code: RESET })
    : error
  return received === 0 ? described : new UsedConnectionError(described, receivedBefore === received)
}

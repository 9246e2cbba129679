import type { RawHeaders } from '../http/flat-headers.js'

/** Headers of a response as they are handed over: name, value, name, value. A handler may change them in place. */
export type RawHeaderList = RawHeaders[number][]

/**
 * Receives one response. This is the older of undici's two kinds of handler: the newer one makes an object of the
 * headers, which the relay does not need. Nothing is called after `onComplete` or `onError`.
 */
export interface DispatchHandler {
  /**
   * The request is about to be written.
   * @param abort ends the request, with a call of `onError` before it returns; later it does nothing
   */
  onConnect(abort: (reason?: Error) => void): void
  /**
   * The head of a response. With undici's client it is also called for the interim responses 102 and 103.
   * @param resume reads on after `onData` has returned false
   * @param reason the reason phrase, decoded as UTF-8
   */
  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean
  /**
   * @param chunk is valid until the call returns: undici's parser uses its memory again
   * @returns false to pause
   */
  onData(chunk: Buffer): boolean
  onComplete(trailers: string[] | null): void
  /** The request could not be sent, or its response broke off. */
  onError(error: Error): void
}

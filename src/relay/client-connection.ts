import type { ServerResponse } from 'node:http'
import { destroyResponse, resetSocket } from './reset.js'

/** The client's connection during a response: finds stalled clients, and breaks responses off. */
export class ClientConnection {
  private readonly res: ServerResponse
  /** Bytes queued for the client at the last check. */
  private queuedBefore: number
  /** When that number last changed: `performance.now()`. */
  private since: number

  constructor(res: ServerResponse) {
    this.res = res
    this.queuedBefore = 0
    this.since = 0
  }

  /** Starts the stall clock: the client has to take the queued bytes from now on. */
  watch(): void {
    this.since = performance.now()
    this.queuedBefore = this.queued()
  }

  /** Whether the client has taken nothing for longer than `limitMs`. @param now `performance.now()` */
  hasStalled(now: number, limitMs: number): boolean {
    const queued = this.queued()
    // A pipelined response whose turn has not come cannot be taken yet.
    if (queued !== this.queuedBefore || this.res.socket === null) {
      this.queuedBefore = queued
      this.since = now
      return false
    }
    return now - this.since > limitMs
  }

  /**
   * Breaks the client's connection off, so that a partial response cannot be taken for a complete one: an SDK that
   * reads a clean end reports success. Bytes from before the cut are sent first, without the last chunk.
   */
  breakOff(): void {
    const { socket } = this.res
    if (socket === null) {
      // A pipelined response whose turn has not come: it is sent at its turn, and then broken off. Node 24 and newer
      // would ignore a `destroy` before that, and leave half a response on a connection that stays open.
      if (!this.closeDelimited) this.res.once('socket', () => process.nextTick(() => this.breakOff()))
      // A reset right after sent bytes would be read as a clean end, so nothing is sent.
      else destroyResponse(this.res)
      return
    }
    this.watch()
    // A FIN is the regular end of a body without length or chunks, so the cut must be a reset, after the last write.
    if (this.closeDelimited) socket.write('', () => resetSocket(socket))
    // In newer versions of Node, bytes written in this turn are still in the response object (seen in 26).
    else process.nextTick(() => socket.destroySoon())
  }

  /** Breaks the response off at once and drops the queued bytes. */
  giveUp(): void {
    destroyResponse(this.res)
  }

  /** Only the close of the connection marks the end of the body (HTTP/1.0), so a cut must not look like a close. */
  get closeDelimited(): boolean {
    return this.res.req.httpVersionMinor === 0
  }

  /**
   * Bytes that are queued for the client. libuv counts partial writes, which the stream's own `writableLength` does
   * not: without that, a slow reader of one large write would look stalled.
   */
  private queued(): number {
    const socket = this.res.socket as
      | (NodeJS.ReadableStream & { _handle?: { writeQueueSize?: number }; writableLength: number })
      | null
    return socket?._handle?.writeQueueSize ?? socket?.writableLength ?? 0
  }
}

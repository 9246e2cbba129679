import type { ServerResponse } from 'node:http'
import { destroyResponse, resetSocket } from './reset.js'

/** The client's end of an exchange, as what sends it an answer has to know it. */
export class ClientConnection {
  private readonly res: ServerResponse
  /** Bytes queued for the client when it was last looked, and since when they are as many. */
  private queuedSeen: number
  private since: number

  constructor(res: ServerResponse) {
    this.res = res
    this.queuedSeen = 0
    this.since = 0
  }

  /** It is to take what is queued from now on. */
  watch(): void {
    this.since = performance.now()
    this.queuedSeen = this.queued()
  }

  /** @returns whether it has taken nothing for longer than `limitMs` */
  hasStalled(now: number, limitMs: number): boolean {
    const queued = this.queued()
    // An answer whose turn on the connection has not come is none that it could take.
    if (queued !== this.queuedSeen || this.res.socket === null) {
      this.queuedSeen = queued
      this.since = now
      return false
    }
    return now - this.since > limitMs
  }

  /**
   * Breaks the client's connection off, so that what it got cannot be taken for the whole: an SDK that reads a
   * clean end reports success. What came before the cut is sent first; no terminating chunk is.
   */
  breakOff(): void {
    const { socket } = this.res
    if (socket === null) {
      // Its turn on the connection has not come (pipelining). What it has is sent then, and broken off behind that.
      // Node 24 and newer would forget a `destroy` until then: half an answer, on a connection that stays open.
      if (!this.closeDelimited) this.res.once('socket', () => process.nextTick(() => this.breakOff()))
      // A reset right behind what is sent would be read as a clean end, so nothing is sent.
      else destroyResponse(this.res)
      return
    }
    this.watch()
    // A FIN is how a body without length or chunks ends well, so there the cut has to be a reset, once all is written.
    if (this.closeDelimited) socket.write('', () => resetSocket(socket))
    // In newer Nodes what was written in this turn is still with the response (seen in 26).
    else process.nextTick(() => socket.destroySoon())
  }

  /** Breaks it off at once, without what is queued. */
  giveUp(): void {
    destroyResponse(this.res)
  }

  /** The body's end is told by closing alone (an HTTP/1.0 client), so a cut must not look like it. */
  get closeDelimited(): boolean {
    return this.res.req.httpVersionMinor === 0
  }

  /**
   * Bytes that the client's connection has yet to take. libuv counts a write that is partly done, which the stream's
   * own `writableLength` does not; without it a slow reader of one large piece would look like one that stopped.
   */
  private queued(): number {
    const socket = this.res.socket as
      | (NodeJS.ReadableStream & { _handle?: { writeQueueSize?: number }; writableLength: number })
      | null
    return socket?._handle?.writeQueueSize ?? socket?.writableLength ?? 0
  }
}

import type { ServerResponse } from 'node:http'
import { DeliveryWatch } from '../lib/delivery-watch.js'
import { tcpHandleOf } from '../lib/tcp-table.js'
import { destroyResponse, resetSocket } from './reset.js'

/**
 * How old what is known of the client's connection may be; while the relay reads nothing from it, it is the only way
 * to learn that the client has left. A reading takes 10 ms of a thread on large machines.
 */
const DELIVERY_MS = 15_000
const UNREAD_DELIVERY_MS = 2_000

/** The client's connection during a response: finds stalled clients, and breaks responses off. */
export class ClientConnection {
  private readonly res: ServerResponse
  /** Bytes queued for the client at the last check. */
  private queuedBefore: number
  /** When that number last changed: `performance.now()`. */
  private since: number
  /** Null before the client's turn. */
  private delivery: DeliveryWatch | null

  constructor(res: ServerResponse) {
    this.res = res
    this.queuedBefore = 0
    this.since = 0
    this.delivery = null
  }

  /** Starts the stall clock: the client has to take the queued bytes from now on. */
  watch(): void {
    this.since = performance.now()
    this.queuedBefore = this.queued()
  }

  /**
   * Whether the client has taken nothing for longer than `limitMs`. Where the kernel tells what a client has
   * acknowledged, this counts: the client's machine has gone, or its program reads nothing. Elsewhere it is what the
   * kernel takes, whose buffers hold megabytes.
   * @param now `performance.now()`
   * @param isPending the relay waits for the client
   */
  hasStalled(now: number, limitMs: number, isPending: boolean): boolean {
    const { socket } = this.res
    const queued = this.queued()
    // A pipelined response whose turn has not come cannot be taken yet.
    if (queued !== this.queuedBefore || socket === null) {
      this.queuedBefore = queued
      this.since = now
    }
    if (socket === null || socket.destroyed) return false
    this.delivery ??= new DeliveryWatch(socket)
    const maxAgeMs = socket.isPaused() || !this.res.req.complete ? UNREAD_DELIVERY_MS : DELIVERY_MS
    const undeliveredMs = this.delivery.check(now, Math.min(maxAgeMs, limitMs / 4))
    return this.delivery.isInformed ? undeliveredMs > limitMs : isPending && now - this.since > limitMs
  }

  /**
   * Whether the client has left, as far as the last call of `hasStalled` knows. Node does not notice that while the
   * connection is paused: because of requests behind this one, or of a body that the upstream does not take. And after
   * a FIN it waits until the client has taken what was written, which may never be.
   */
  get hasLeft(): boolean {
    return this.delivery?.hasLeft === true || this.res.socket?.readableEnded === true
  }

  /** Closes the connection of a client that has left, which tells everybody. */
  leave(): void {
    this.res.socket?.destroy()
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
    const { socket } = this.res
    if (socket === null) return 0
    return tcpHandleOf(socket)?.writeQueueSize ?? socket.writableLength
  }
}

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { NO_DETAILS, type RefusalDetails } from '../../api/error-response.js'
import type { ErrorCode } from '../../api/errors.js'
import type { Exchange } from '../../exchange/exchange.js'
import { formatServerTiming } from '../../exchange/timing.js'
import { findHeader } from '../../http/flat-headers.js'
import { buildResponseHeaders, createResponseFacts, readReasonPhrase } from '../../http/response-headers.js'
import type { Upstream } from '../../upstream/upstream.js'
import type { ClientEvent } from './client-event.js'
import { type EventStyle, formatErrorEvent } from './error-event.js'
import type { FrameReader } from './frame-reader.js'
import { acceptKey, encodeFrame, TEXT } from './frames.js'

/** Most frames of the relay's own that wait for the end of a message. */
const MOST_QUEUED = 64

/** Milliseconds that a client gets to close its side. */
const LINGER_MS = 2_000

/**
 * Writes to the client of a WebSocket: the bytes of the upstream, and between its messages frames of the relay's own.
 */
export class ClientSocket {
  readonly style: EventStyle
  private readonly exchange: Exchange
  private readonly socket: Socket
  /** Reads what the upstream sends, so that it knows where a message ends. */
  private readonly frames: FrameReader
  private readonly queued: Buffer[]
  /** The head of the response has been written: frames may follow. */
  private isUpgraded: boolean
  /** `performance.now()` since when the client has not read what was written; null if it has. */
  private blockedSince: number | null
  /** `performance.now()` */
  private endedAt: number

  constructor(exchange: Exchange, socket: Socket, frames: FrameReader, isRealtime: boolean) {
    this.style = { isRealtime, requestId: exchange.request.requestId }
    this.exchange = exchange
    this.socket = socket
    this.frames = frames
    this.queued = []
    this.isUpgraded = false
    this.blockedSince = null
    this.endedAt = 0
    socket.on('drain', () => {
      this.blockedSince = null
    })
  }

  /**
   * Accepts the handshake on the relay's own.
   * @param key of the handshake
   * @param protocol that the client has offered; null if it has offered none
   */
  accept(key: string, protocol: string | null): void {
    const own = ['sec-websocket-accept', acceptKey(key)]
    if (protocol !== null) own.push('sec-websocket-protocol', protocol)
    this.upgrade('Switching Protocols', own)
  }

  /** An upstream has accepted the handshake. @param hasAccepted the relay has done so before */
  startResponse(res: IncomingMessage, { redactor }: Upstream, hasAccepted: boolean): void {
    const raw = redactor === null ? res.rawHeaders : res.rawHeaders.map((part) => redactor.hide(part))
    this.exchange.startResponse(101, findHeader(raw, 'x-request-id') ?? null, performance.now())
    if (!hasAccepted) this.upgrade(res.statusMessage, raw)
  }

  /** Written to the socket: the response object would add framing, which a WebSocket does not have. */
  private upgrade(reason: string | undefined, raw: readonly string[]): void {
    const { exchange, socket } = this
    const timing = formatServerTiming(exchange.timeline, performance.now())
    const { requestId } = exchange.request
    const headers = buildResponseHeaders([...raw], requestId, timing, false, createResponseFacts())
    let text = `HTTP/1.1 101 ${readReasonPhrase(reason, 'latin1')}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n`
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.write(`${text}\r\n`, 'latin1')
    this.isUpgraded = true
  }

  /** @returns false if the client is slow */
  write(bytes: Buffer): boolean {
    this.exchange.countBytesOut(bytes.length)
    const more = this.socket.write(bytes)
    if (!more) this.blockedSince ??= performance.now()
    return more
  }

  get isBlocked(): boolean {
    return this.blockedSince !== null
  }

  /** Whether the client has read nothing for so many milliseconds. @param now `performance.now()` */
  isStalled(ms: number, now: number): boolean {
    return this.blockedSince !== null && now - this.blockedSince > ms
  }

  /** Sends an error of the relay's. @param event that it is about; null for the connection */
  sendError(code: ErrorCode, event: ClientEvent | null, details: RefusalDetails = NO_DETAILS): void {
    const about = { lane: event?.lane ?? '', eventId: event?.eventId ?? null }
    this.sendText(formatErrorEvent(code, details, this.style, about))
  }

  /** Sends a message of the relay's own, now or when the upstream's message is complete. */
  sendText(text: string): void {
    if (this.queued.length < MOST_QUEUED) this.queued.push(encodeFrame(TEXT, Buffer.from(text), null))
    this.flush()
  }

  /** A close frame may be sent now. */
  get isBetweenFrames(): boolean {
    return this.isUpgraded && this.frames.isBetweenFrames
  }

  /** Sends what had to wait, if the upstream's message is complete. */
  flush(): void {
    if (!this.isUpgraded || !this.frames.isBetweenMessages) return
    for (const frame of this.queued.splice(0)) this.write(frame)
  }

  /** Ends the connection. @param frame the last one, which needs the end of the frame before it */
  end(frame: Buffer): void {
    const { socket } = this
    this.endedAt = performance.now()
    if (!this.isBetweenFrames) {
      socket.destroySoon()
      return
    }
    this.exchange.countBytesOut(frame.length)
    // What the client still sends is read and dropped: else the close would be a reset, which drops the close frame.
    socket.resume()
    socket.end(frame)
  }

  /** After `end`: closes the connection of a client that does not. @param now `performance.now()` */
  expire(now: number): void {
    if (now - this.endedAt > LINGER_MS) this.socket.destroy()
  }
}

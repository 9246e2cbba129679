import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { formatServerTiming } from '../exchange/timing.js'
import { findHeader } from '../http/flat-headers.js'
import { addRelayHeaders, setHeader } from '../http/response-headers.js'
import { addLimitHeaders } from '../limits/responses/response-headers.js'
import type { RawSocket } from '../upstream/raw-socket.js'
import { ChunkPassthrough } from './chunk-passthrough.js'
import { ClientConnection } from './client-connection.js'
import { sendUpstreamError } from './local-response.js'
import type { RelayContext } from './relay-context.js'
import type { ChunkObserver, CutReason, FilteredHead, ResponseFeed, ResponseSink } from './response-sink.js'
import { writeChunk, writeHeadAlone, writeHeadAndFirstChunk } from './write-chunk.js'

/**
 * Writes a response to one client, in the same tick in which the bytes arrive, and watches the client: whether it takes
 * what it is sent, and whether it leaves.
 *
 * `waiting` (no head yet) > `streaming` > `flushing` (all was handed to the socket) > `closed` (the client gets no
 * more).
 */
export class ClientWriter implements ResponseSink, Stage {
  readonly exchange: Exchange
  readonly keepsResponse: boolean
  /** The client's buffer is full. */
  isBlocked: boolean
  private state: 'waiting' | 'streaming' | 'flushing' | 'closed'
  private readonly res: ServerResponse
  readonly feed: ResponseFeed
  private readonly context: RelayContext
  private readonly stallMs: number
  private readonly connection: ClientConnection
  /** Null unless chunks pass from socket to socket. */
  private passthrough: ChunkPassthrough | null
  private listensForDrain: boolean

  /** @param stallMs `timeouts.clientStallMs` */
  constructor(exchange: Exchange, feed: ResponseFeed, context: RelayContext, stallMs: number) {
    this.exchange = exchange
    this.keepsResponse = false
    this.isBlocked = false
    this.state = 'waiting'
    this.res = exchange.res
    this.feed = feed
    this.context = context
    this.stallMs = stallMs
    this.connection = new ClientConnection(exchange.res)
    this.passthrough = null
    this.listensForDrain = false
  }

  /** The client can be sent more. */
  get isOpen(): boolean {
    return this.state === 'waiting' || this.state === 'streaming'
  }

  get hasClients(): boolean {
    return this.state !== 'closed'
  }

  /** Only the close of the connection tells the client where the body ends (HTTP/1.0). */
  get closeDelimited(): boolean {
    return this.connection.closeDelimited
  }

  // Writing

  begin({ status, reason, headers, facts }: FilteredHead & { readonly headers: string[] }): void {
    if (this.state !== 'waiting') return
    const { exchange } = this
    const now = performance.now()
    if (exchange.outcome.cache !== null) setHeader(headers, 'x-thinwire-cache', exchange.outcome.cache)
    const { droppedFields } = exchange.outcome
    if (droppedFields !== null) setHeader(headers, 'x-thinwire-dropped-fields', droppedFields)
    const { ticket } = exchange.request
    if (ticket !== null) addLimitHeaders(headers, ticket, status, Date.now())
    const crossOrigin = findHeader(exchange.req.rawHeaders, 'origin') !== undefined
    addRelayHeaders(
      headers,
      exchange.request.requestId,
      formatServerTiming(exchange.timeline, now),
      crossOrigin,
    )
    if (this.context.draining) headers.push('connection', 'close')
    this.res.writeHead(status, reason, headers)
    this.state = 'streaming'
    exchange.startResponse(status, facts.requestId, now)
  }

  flushHead(): void {
    const { exchange } = this
    if (this.state === 'streaming' && exchange.outcome.bytesOut === 0) {
      if (this.passthrough === null) writeHeadAlone(this.res)
      else this.passthrough.sendHead()
    }
    exchange.markHeadSent(performance.now())
    // Behind the first bytes: a sample of the prompt is taken of it.
    exchange.body?.release()
  }

  passChunks(observer: ChunkObserver, rawSocket: RawSocket): void {
    if (this.state === 'streaming') this.passthrough = ChunkPassthrough.open(this, observer, rawSocket)
  }

  resumeChunks(): void {
    this.passthrough?.resume()
  }

  countChunk(): void {
    this.exchange.countChunk()
  }

  write(chunk: Buffer): boolean {
    if (this.state !== 'streaming') return true
    if (chunk.length === 0) return !this.isBlocked
    const { exchange } = this
    const isFirst = exchange.outcome.bytesOut === 0
    const more = isFirst ? writeHeadAndFirstChunk(this.res, chunk) : writeChunk(this.res, chunk)
    if (isFirst) exchange.markHeadSent(performance.now())
    exchange.countBytesOut(chunk.length)
    if (!more) this.waitForDrain()
    return more
  }

  end(): void {
    if (this.state !== 'streaming') return
    this.state = 'flushing'
    this.connection.watch()
    this.res.end()
  }

  refuseTooLong(): void {
    if (this.isOpen) this.exchange.conclude('upstream_failed', 'transformBufferBytes', 'answer_too_long')
  }

  cut(end: CutReason | 'client_stalled', cause: string, tail: Buffer): void {
    if (!this.isOpen) return
    // Data that arrives with an RST hides it: libuv then reports a clean end, and so does every client on Node.
    if (!this.closeDelimited) this.write(tail)
    this.state = 'closed'
    this.exchange.conclude(end, cause, end === 'upstream_cut' ? 'upstream_cut' : null)
    this.connection.breakOff()
  }

  fail(code: ErrorCode, cause: string): void {
    if (this.state !== 'waiting') return
    this.state = 'closed'
    sendUpstreamError(this.exchange, code, cause, this.context)
  }

  drop(): void {
    // There is no client to tell.
  }

  /**
   * Takes the response away from the client, who does not want it any more.
   * @returns whether the client has got a part of it; its connection is broken then
   */
  withdraw(): boolean {
    this.state = 'closed'
    if (!this.res.headersSent) return false
    this.connection.breakOff()
    return true
  }

  /** Ends the upstream request without a word to the client: the request is sent again, to another place. */
  abandon(): void {
    this.state = 'closed'
    this.feed.onClientGone()
  }

  // The client

  onClose(): void {
    const { exchange, state } = this
    if (state === 'closed') {
      exchange.conclude('client_gone')
      return
    }
    this.state = 'closed'
    // The client has the whole response if all of it has left, or if it has seen the end mark and only the closing
    // frame was still to come. A client that was blocked has not taken all that it was sent.
    const took = this.res.writableFinished || (this.feed.hasSentEnd() && !this.isBlocked)
    exchange.conclude(took ? 'done' : 'client_gone')
    this.isBlocked = false
    this.feed.onClientGone()
  }

  onTick(now: number): void {
    const pending = this.isBlocked || this.state === 'flushing' || this.state === 'closed'
    if (this.connection.hasStalled(now, this.stallMs, pending)) this.giveUp()
    else if (this.isOpen && this.connection.hasLeft) this.connection.leave()
    else this.feed.onTick(now)
  }

  /** The client takes nothing any more. */
  private giveUp(): void {
    this.state = 'closed'
    this.exchange.conclude('client_stalled', 'clientStallMs')
    this.isBlocked = false
    this.feed.onClientGone()
    this.connection.giveUp()
  }

  /** The client's buffer is full: the upstream has to wait. */
  waitForDrain(): void {
    const { socket } = this.res
    // A write to a connection that has broken also returns false, and no 'drain' follows.
    if (this.isBlocked || (socket !== null && (socket.errored !== null || socket.destroyed))) return
    this.isBlocked = true
    this.connection.watch()
    // Writes that go past the response object do not raise its 'drain'.
    if (socket !== null) socket.once('drain', () => this.onDrain())
    else if (!this.listensForDrain) {
      this.listensForDrain = true
      this.res.on('drain', () => this.onDrain())
    }
  }

  private onDrain(): void {
    if (!this.isBlocked) return
    const { socket } = this.res
    if (socket?.writableNeedDrain) {
      // Node also raises it when the response behind this one is written (pipelining), and then not again.
      socket.once('drain', () => this.onDrain())
      return
    }
    this.isBlocked = false
    this.feed.onDrain()
  }
}

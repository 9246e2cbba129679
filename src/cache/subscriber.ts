import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { formatServerTiming } from '../exchange/timing.js'
import { addRelayHeaders, readReasonPhrase, removeHeader } from '../http/headers.js'
import { ClientConnection } from '../relay/client-connection.js'
import { writeHeadAndFirstChunk } from '../relay/write-head.js'
import type { CachedHead, ResponseSource } from './cached-response.js'

/** Who is told when there is no answer. */
export interface SubscriberOwner {
  onAttemptFailed(exchange: Exchange, code: ErrorCode, cause: string): void
  /** Another request has taken its place; the client has been told nothing. */
  onSuperseded(exchange: Exchange): void
  /** Whether this connection should be the client's last: the relay is shutting down. */
  readonly draining: boolean
}

export interface SubscriberOptions {
  readonly clientStallMs: number
  /** The request had an `Origin` header. */
  readonly crossOrigin: boolean
}

/**
 * A client that is sent an answer from memory: all that has come of it at once, and the rest as it comes. It takes
 * it at its own pace, and nobody waits for it.
 */
export class Subscriber implements Stage {
  readonly exchange: Exchange
  /** The next piece to be sent. */
  next: number
  private readonly res: ServerResponse
  private readonly source: ResponseSource
  private readonly owner: SubscriberOwner
  private readonly options: SubscriberOptions
  private readonly connection: ClientConnection
  private over: boolean
  private begun: boolean
  /** Its buffer is full. */
  private blocked: boolean
  /** All was handed over. */
  private finished: boolean

  constructor(
    exchange: Exchange,
    source: ResponseSource,
    owner: SubscriberOwner,
    options: SubscriberOptions,
  ) {
    this.exchange = exchange
    this.next = 0
    this.res = exchange.res
    this.source = source
    this.owner = owner
    this.options = options
    this.connection = new ClientConnection(exchange.res)
    this.over = false
    this.begun = false
    this.blocked = false
    this.finished = false
    exchange.stage = this
    exchange.sharedUsage = source.sharedUsage
  }

  /** @throws on a head that cannot be sent on; nothing has gone to the client then */
  begin(head: CachedHead): void {
    const { exchange, source, res } = this
    const now = performance.now()
    const headers = [...head.headers]
    if (source.age !== null) headers.push('age', String(source.age))
    else if (source.complete) this.addLength(headers)
    headers.push('x-thinwire-cache', exchange.cache ?? 'off')
    addRelayHeaders(headers, exchange.requestId, formatServerTiming(exchange, now), this.options.crossOrigin)
    if (this.owner.draining) headers.push('connection', 'close')
    res.writeHead(head.status, readReasonPhrase(head.reason, 'latin1'), headers)
    exchange.phase = 'relay'
    exchange.upstream = source.upstream
    exchange.status = head.status
    exchange.answeredAt = now
    exchange.upstreamRequestId = head.facts.requestId
    exchange.body?.release()
  }

  /** Sends the head alone, if nothing came with it. */
  flushHead(): void {
    if (!this.over && !this.begun && !this.finished) this.res.flushHeaders()
  }

  /** Sends what has come and was not sent. */
  pump(): void {
    const { exchange, source, res } = this
    while (!this.over && !this.blocked && this.next < source.end) {
      const piece = source.piece(this.next++)
      const more = this.begun ? res.write(piece) : writeHeadAndFirstChunk(res, piece)
      this.begun = true
      exchange.countPiece()
      exchange.bytesOut += piece.length
      if (!more) this.block()
    }
    if (source.complete && this.next === source.end && !this.over && !this.finished) {
      this.finished = true
      this.connection.watch()
      res.end()
    }
  }

  /** There is no answer. */
  fail(code: ErrorCode, cause: string): void {
    this.over = true
    this.exchange.status = 0
    this.owner.onAttemptFailed(this.exchange, code, cause)
  }

  /** What it asked for is no longer wanted. */
  supersede(): void {
    const { exchange } = this
    if (this.over || this.finished) return
    this.over = true
    exchange.conclude('superseded')
    // While it has no status but what the upstream gave it.
    exchange.body?.release()
    this.source.unsubscribe(this)
    if (this.res.headersSent) this.connection.breakOff()
    else this.owner.onSuperseded(exchange)
  }

  /** Its body's end is told by closing alone. */
  get closeDelimited(): boolean {
    return this.connection.closeDelimited
  }

  /** There is no more of it. */
  cut(end: 'upstream_cut' | 'upstream_idle' | 'client_stalled', cause: string): void {
    const { exchange } = this
    if (this.over) return
    this.over = true
    if (end === 'upstream_cut') exchange.errorCode = 'upstream_cut'
    exchange.cause ??= cause
    exchange.conclude(end)
    this.connection.breakOff()
  }

  onClose(): void {
    const { exchange, source } = this
    if (this.over) {
      exchange.conclude('client_gone')
      return
    }
    this.over = true
    const all = this.finished || this.next === source.end
    exchange.conclude(all && (this.res.writableFinished || source.streamEnded) ? 'done' : 'client_gone')
    source.unsubscribe(this)
  }

  onTick(now: number): void {
    if (this.over || this.blocked || this.finished) {
      if (this.connection.hasStalled(now, this.options.clientStallMs)) {
        this.over = true
        this.exchange.cause ??= 'clientStallMs'
        this.exchange.conclude('client_stalled')
        this.connection.giveUp()
        this.source.unsubscribe(this)
      }
    }
    this.source.onTick(now)
  }

  /** One that is all there needs no chunks. */
  private addLength(headers: string[]): void {
    removeHeader(headers, 'content-length')
    let bytes = 0
    for (let i = 0; i < this.source.end; i++) bytes += this.source.piece(i).length
    headers.push('content-length', String(bytes))
  }

  private block(): void {
    this.blocked = true
    this.connection.watch()
    this.res.once('drain', () => {
      this.blocked = false
      this.pump()
      this.source.onTaken()
    })
  }
}

import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { serverTiming } from '../exchange/timing.js'
import { addRelayHeaders, reasonPhrase, removeHeader } from '../http/headers.js'
import { ClientEnd } from '../relay/client-connection.js'
import { sendOpening } from '../relay/write-head.js'
import type { AnswerHead, Source } from './cached-response.js'

/** Who is told when there is no answer. */
export interface FollowerOwner {
  onAttemptFailed(x: Exchange, code: ErrorCode, cause: string): void
  /** Another request has taken its place; the client has been told nothing. */
  onSuperseded(x: Exchange): void
  /** Whether this connection should be the client's last: the relay is shutting down. */
  readonly draining: boolean
}

export interface FollowerOptions {
  readonly clientStallMs: number
  /** The request had an `Origin` header. */
  readonly crossOrigin: boolean
}

/**
 * A client that is sent an answer from memory: all that has come of it at once, and the rest as it comes. It takes
 * it at its own pace, and nobody waits for it.
 */
export class Follower implements Stage {
  readonly x: Exchange
  /** The next piece to be sent. */
  next: number
  private readonly res: ServerResponse
  private readonly source: Source
  private readonly owner: FollowerOwner
  private readonly options: FollowerOptions
  private readonly client: ClientEnd
  private over: boolean
  private begun: boolean
  /** Its buffer is full. */
  private blocked: boolean
  /** All was handed over. */
  private finished: boolean

  constructor(x: Exchange, source: Source, owner: FollowerOwner, options: FollowerOptions) {
    this.x = x
    this.next = 0
    this.res = x.res
    this.source = source
    this.owner = owner
    this.options = options
    this.client = new ClientEnd(x.res)
    this.over = false
    this.begun = false
    this.blocked = false
    this.finished = false
    x.stage = this
    x.memory = source.bill
  }

  /** @throws on a head that cannot be sent on; nothing has gone to the client then */
  begin(head: AnswerHead): void {
    const { x, source, res } = this
    const now = performance.now()
    const headers = [...head.headers]
    if (source.age !== null) headers.push('age', String(source.age))
    else if (source.complete) this.addLength(headers)
    headers.push('x-thinwire-cache', x.cache ?? 'off')
    addRelayHeaders(headers, x.requestId, serverTiming(x, now), this.options.crossOrigin)
    if (this.owner.draining) headers.push('connection', 'close')
    res.writeHead(head.status, reasonPhrase(head.reason, 'latin1'), headers)
    x.phase = 'relay'
    x.upstream = source.upstream
    x.status = head.status
    x.answeredAt = now
    x.upstreamRequestId = head.facts.requestId
    x.body?.release()
  }

  /** Sends the head alone, if nothing came with it. */
  flushHead(): void {
    if (!this.over && !this.begun && !this.finished) this.res.flushHeaders()
  }

  /** Sends what has come and was not sent. */
  pump(): void {
    const { x, source, res } = this
    while (!this.over && !this.blocked && this.next < source.end) {
      const piece = source.piece(this.next++)
      const more = this.begun ? res.write(piece) : sendOpening(res, piece)
      this.begun = true
      x.countPiece()
      x.bytesOut += piece.length
      if (!more) this.block()
    }
    if (source.complete && this.next === source.end && !this.over && !this.finished) {
      this.finished = true
      this.client.watch()
      res.end()
    }
  }

  /** There is no answer. */
  fail(code: ErrorCode, cause: string): void {
    this.over = true
    this.x.status = 0
    this.owner.onAttemptFailed(this.x, code, cause)
  }

  /** What it asked for is no longer wanted. */
  supersede(): void {
    const { x } = this
    if (this.over || this.finished) return
    this.over = true
    x.conclude('superseded')
    // While it has no status but what the upstream gave it.
    x.body?.release()
    this.source.leave(this)
    if (this.res.headersSent) this.client.breakOff()
    else this.owner.onSuperseded(x)
  }

  /** Its body's end is told by closing alone. */
  get closeDelimited(): boolean {
    return this.client.closeDelimited
  }

  /** There is no more of it. */
  cut(end: 'upstream_cut' | 'upstream_idle' | 'client_stalled', cause: string): void {
    const { x } = this
    if (this.over) return
    this.over = true
    if (end === 'upstream_cut') x.errorCode = 'upstream_cut'
    x.cause ??= cause
    x.conclude(end)
    this.client.breakOff()
  }

  onClose(): void {
    const { x, source } = this
    if (this.over) {
      x.conclude('client_gone')
      return
    }
    this.over = true
    const all = this.finished || this.next === source.end
    x.conclude(all && (this.res.writableFinished || source.streamEnded) ? 'done' : 'client_gone')
    source.leave(this)
  }

  onTick(now: number): void {
    if (this.over || this.blocked || this.finished) {
      if (this.client.hasStalled(now, this.options.clientStallMs)) {
        this.over = true
        this.x.cause ??= 'clientStallMs'
        this.x.conclude('client_stalled')
        this.client.giveUp()
        this.source.leave(this)
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
    this.client.watch()
    this.res.once('drain', () => {
      this.blocked = false
      this.pump()
      this.source.onTaken()
    })
  }
}

import { isGeneration } from '../api/request-target.js'
import type { Exchange } from '../exchange/exchange.js'
import type { BodyUpload, RequestBodyHandle } from '../exchange/request-body-handle.js'
import type { Stage } from '../exchange/stage.js'
import { findHeader } from '../http/flat-headers.js'
import { type Peek, Peeker } from '../json/peek.js'
import { EMPTY, joinChunks } from '../lib/bytes.js'
import { PromptSample } from '../metering/prompt-sample.js'
import type { OutboundRequest } from '../translate/translator.js'
import type { ByteBudget } from './byte-budget.js'

export type BodyRefusal = 'body_too_large' | 'relay_busy' | 'request_timeout'

/** What happens to a body. */
export interface BodyEvents {
  /**
   * The body can be sent on: it is whole, or has named its model while it comes. If it was not whole and nothing was
   * begun with it, or it named another model later, this is called again when it is.
   */
  readonly onReady: (exchange: Exchange, body: RequestBody) => void
  /** At most once, and no call follows. */
  readonly onRefused: (exchange: Exchange, reason: BodyRefusal) => void
}

export interface BodyLimits {
  readonly bodyBytes: number
  readonly requestMs: number
}

/** What sends a body on that is still coming. */
export interface RequestSink extends Stage {
  /** Ends it, without a word to the client or to the owner. */
  abandon(): void
}

/**
 * A request body on its way in. Its pieces are kept as the socket gave them, for another attempt, and are not joined.
 *
 * One that comes in several pieces is sent on from the one that names the model, so that the upstream has most of it
 * when the last byte is here. That is a guess: JSON lets a key come twice, and the last one counts. Where it proves
 * wrong, the attempt is given up, and as the upstream does not have the whole of the request, it has done nothing.
 */
export class RequestBody implements RequestBodyHandle, Stage {
  readonly pieces: Buffer[]
  /** All of it has arrived. */
  isComplete: boolean
  /** What is sent on in place of it, which has a copy of it; null if it goes as it came. */
  outbound: OutboundRequest | null
  private readonly exchange: Exchange
  private readonly events: BodyEvents
  private readonly limits: BodyLimits
  private readonly budget: ByteBudget
  /** -1 when the body is chunked: it is not sent before its length is known, as some upstreams want to be told. */
  private readonly declared: number
  private readonly peeker: Peeker
  private received: number
  private over: boolean
  private upload: Upload | null
  private sink: RequestSink | null
  /** Where the model stood when it was first offered to the owner; -1 before. */
  private offeredAt: number

  constructor(
    exchange: Exchange,
    declared: number,
    events: BodyEvents,
    limits: BodyLimits,
    budget: ByteBudget,
  ) {
    this.pieces = []
    this.isComplete = false
    this.outbound = null
    this.exchange = exchange
    this.events = events
    this.limits = limits
    this.budget = budget
    this.declared = declared
    this.peeker = new Peeker()
    this.received = 0
    this.over = false
    this.upload = null
    this.sink = null
    this.offeredAt = -1
  }

  /** What it has said of itself so far. */
  get peeked(): Peek {
    return this.peeker.found
  }

  /** Bytes that it has when it is whole; known whenever the owner is called. */
  get length(): number {
    return this.declared === -1 ? this.received : this.declared
  }

  start(): void {
    if (this.declared > this.limits.bodyBytes) {
      this.refuse('body_too_large')
      return
    }
    const { exchange } = this
    const { req } = exchange
    exchange.startBody(performance.now())
    req.on('data', (piece: Buffer) => this.onPiece(piece))
    req.on('end', () => this.onEnd())
  }

  /** Hands the request over to what sends it: now, or when the body is complete. */
  uploadTo(sink: RequestSink): void {
    if (this.isComplete) this.exchange.stage = sink
    else this.sink = sink
  }

  /**
   * The body in the form in which undici sends it. An upload follows the client as long as the body names no other model.
   * @param pieces what has arrived, edited or not
   */
  send(pieces: readonly Buffer[]): Buffer | Upload {
    if (this.isComplete) return joinChunks(pieces)
    this.upload = new Upload(pieces)
    return this.upload
  }

  /** Joins the pieces, once, and returns them as one buffer. */
  join(): Buffer {
    const { pieces } = this
    if (pieces.length > 1) pieces.splice(0, pieces.length, Buffer.concat(pieces))
    return pieces[0] ?? EMPTY
  }

  /**
   * The answer has begun, or there will be none, so that there is no other attempt to be made: a stream lasts for minutes,
   * and needs none of this but a sample. One that is still coming is kept.
   */
  release(): void {
    const { exchange, pieces } = this
    if (!this.isComplete || pieces.length === 0) return
    if (exchange.isConnected && (exchange.outcome.status ?? 0) < 300 && isPrompt(exchange))
      exchange.setPrompt(PromptSample.of(pieces))
    pieces.length = 0
    this.outbound = null
    this.budget.give(exchange.heldBytes)
    exchange.heldBytes = 0
  }

  onClose(): void {
    this.over = true
    this.sink?.onClose()
    this.upload?.end()
  }

  onTick(now: number): void {
    // An upstream may answer before it has heard all; a client that goes on talking does not change that.
    if (this.exchange.outcome.phase === 'respond') this.sink?.onTick(now)
    else if (now - this.exchange.timeline.startedAt > this.limits.requestMs) this.refuse('request_timeout')
  }

  private onPiece(piece: Buffer): void {
    const { exchange } = this
    if (this.over || exchange.stage !== this) return
    this.received += piece.length
    if (this.received > this.limits.bodyBytes) {
      this.refuse('body_too_large')
      return
    }
    // Counted as it comes and not as it was declared: a slow upload keeps no room from others.
    if (!this.budget.take(piece.length)) {
      this.refuse('relay_busy')
      return
    }
    exchange.heldBytes += piece.length
    this.pieces.push(piece)
    this.peeker.push(piece)
    const { model, stream } = this.peeked
    exchange.readBody(this.received, model?.value ?? null, stream?.value ?? null)
    if (this.sink !== null) this.goOn(piece, this.sink)
    else if (this.declared > this.received && this.offeredAt === -1 && this.peeked.model !== null) {
      this.offeredAt = this.peeked.model.start
      this.events.onReady(exchange, this)
    }
  }

  private goOn(piece: Buffer, sink: RequestSink): void {
    if (this.peeked.model?.start === this.offeredAt) {
      this.upload?.push(piece)
      return
    }
    // An answer that has begun to go to the client cannot be taken back.
    if (this.exchange.outcome.phase === 'respond') return
    this.sink = null
    sink.abandon()
    this.upload?.end()
  }

  private onEnd(): void {
    const { exchange } = this
    if (this.over || exchange.stage !== this) return
    this.over = true
    this.isComplete = true
    const now = performance.now()
    exchange.endBody(now)
    if (this.sink === null) {
      this.events.onReady(exchange, this)
      return
    }
    exchange.stage = this.sink
    this.upload?.end()
    if (exchange.timeline.responseStartedAt !== null) this.release()
    // The clock for the answer runs from here.
    else exchange.restartAttemptClock(now)
  }

  /** No more calls to the owner but this one; what still comes is thrown away. */
  private refuse(reason: BodyRefusal): void {
    if (this.over) return
    this.over = true
    this.events.onRefused(this.exchange, reason)
    this.sink?.abandon()
    this.upload?.end()
    this.pieces.length = 0
  }
}

/**
 * A body for undici to write while it comes. What comes in one turn of the event loop is written at its end: a client that
 * is faster than the relay costs fewer writes, and an upstream on the same machine is not woken for each piece.
 */
export class Upload implements BodyUpload {
  private readonly queue: Buffer[]
  private ended: boolean
  private gathering: boolean
  private wake: ((result: IteratorResult<Buffer>) => void) | null

  constructor(pieces: readonly Buffer[]) {
    this.queue = [...pieces]
    this.ended = false
    this.gathering = false
    this.wake = null
  }

  /** All of it has been written, as far as can be known. */
  get written(): boolean {
    return this.ended && this.queue.length === 0
  }

  push(piece: Buffer): void {
    this.queue.push(piece)
    if (this.gathering || this.wake === null) return
    this.gathering = true
    setImmediate(pour, this)
  }

  /** Whole, or given up: undici knows which by the length that it was told. */
  end(): void {
    this.ended = true
    this.pour()
  }

  pour(): void {
    const { wake } = this
    this.gathering = false
    if (wake === null || (this.queue.length === 0 && !this.ended)) return
    this.wake = null
    wake(this.take())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.queue.length > 0 || this.ended) return Promise.resolve(this.take())
    return new Promise((resolve) => {
      this.wake = resolve
    })
  }

  private take(): IteratorResult<Buffer> {
    const value = this.queue.shift()
    return value === undefined ? { value, done: true } : { value, done: false }
  }
}

/** Tokens can be estimated of what a model was asked, if it is not compressed. */
function isPrompt({ request, req }: Exchange): boolean {
  return (
    isGeneration(request.path) &&
    (findHeader(req.rawHeaders, 'content-encoding') ?? 'identity') === 'identity'
  )
}

function pour(upload: Upload): void {
  upload.pour()
}

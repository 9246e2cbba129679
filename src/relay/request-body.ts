import { isGeneration } from '../api/request-target.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RequestBodyHandle } from '../exchange/request-body-handle.js'
import type { Stage } from '../exchange/stage.js'
import { readRequestMedia } from '../http/request-media.js'
import type { Peek } from '../json/peek.js'
import { EMPTY, joinChunks } from '../lib/bytes.js'
import { JoinedPieces } from '../lib/joined-pieces.js'
import { PromptSample } from '../metering/prompt-sample.js'
import type { ConversationRequest } from '../translate/conversation-request.js'
import type { DecodeHandler } from './body-decoder.js'
import { type BodyFlaw, BodyReader, joinInPlace } from './body-reader.js'
import type { ByteBudget } from './byte-budget.js'
import type { BodyReceiver, ClientRequest } from './client-request.js'
import { Upload } from './upload.js'

/** Why a body is refused; also the code of the error that the client gets. */
export type BodyRefusal = 'body_too_large' | 'relay_busy' | 'request_timeout'

/** The bound of the config that a refusal comes from. */
export const BOUND_OF_BODY_REFUSAL = {
  body_too_large: 'bodyBytes',
  relay_busy: 'bufferedBytes',
  request_timeout: 'requestMs',
} as const

/** Events of a body that arrives. */
export interface BodyEvents {
  /**
   * The body can be sent on: it is complete, or has named its model while it arrives. Called again when an incomplete
   * body becomes complete, if nothing was sent before, or if the body has since named another model or a stored object.
   */
  readonly onReady: (exchange: Exchange, body: RequestBody) => void
  /** The body has named a stored object behind `onReady`. @returns whether that decides where the request goes */
  readonly onReference: (exchange: Exchange, body: RequestBody) => boolean
  /** Behind `onReady`, it turns out that others may read another model. @returns whether a rule depends on the model */
  readonly onDoubt: (exchange: Exchange) => boolean
  /** Behind `onReady`, the body has a list of other models. @returns whether a rule of its key depends on the model */
  readonly onOthers: (exchange: Exchange) => boolean
  /** The body is refused. Called at most once; no other event follows. */
  readonly onRefused: (exchange: Exchange, reason: BodyRefusal) => void
}

/** Limits of a request body: bytes, and milliseconds from the head of the request. */
export interface BodyLimits {
  readonly bodyBytes: number
  readonly requestMs: number
  /** How many times longer the body may become when it is decoded. */
  readonly bodyRatio: number
}

/** Sends a body upstream while it still arrives. */
export interface RequestSink extends Stage {
  /** Ends the upstream request. The client is sent nothing. */
  abandon(): void
}

/**
 * A request body that arrives. Its buffers are kept for further attempts, as the socket gave them; small ones are
 * joined.
 *
 * The upload to the upstream starts as soon as the body has named its model, so that the upstream has most of the body
 * when the last byte arrives. That is a guess: JSON allows a repeated key, and the last one counts. If a later key
 * names another model, or a stored object that the request goes on from, the attempt is cancelled. The upstream does
 * not have the whole request at that time, so it has not acted on it.
 */
export class RequestBody implements RequestBodyHandle, Stage, DecodeHandler, BodyReceiver {
  readonly pieces: Buffer[]
  /** The whole body has arrived. */
  isComplete: boolean
  /** Fits the body to the API of each target; null if it is sent as it came. */
  conversation: ConversationRequest | null
  private readonly exchange: Exchange
  private readonly events: BodyEvents
  private readonly limits: BodyLimits
  private readonly budget: ByteBudget
  /**
   * `content-length`, or -1 if the body is chunked. Such a body is sent when complete: some upstreams need a length.
   */
  private readonly declared: number
  private readonly reader: BodyReader
  private readonly kept: JoinedPieces
  private received: number
  private isOver: boolean
  private upload: Upload | null
  private sink: RequestSink | null
  /** Offset of the model in the body when `onReady` was first called; -1 before. */
  private readyAt: number
  /** References to stored objects that the plan takes into account. */
  private knownReferences: Peek['references']
  /** Copies of the model that the plan takes into account. */
  private knownCopies: Peek['modelCopies']

  constructor(
    exchange: Exchange,
    declared: number,
    events: BodyEvents,
    limits: BodyLimits,
    budget: ByteBudget,
  ) {
    this.kept = new JoinedPieces()
    this.pieces = this.kept.list
    this.isComplete = false
    this.conversation = null
    this.exchange = exchange
    this.events = events
    this.limits = limits
    this.budget = budget
    this.declared = declared
    this.reader = new BodyReader(readRequestMedia(exchange.req.rawHeaders))
    this.received = 0
    this.isOver = false
    this.upload = null
    this.sink = null
    this.readyAt = -1
    this.knownReferences = this.peeked.references
    this.knownCopies = this.peeked.modelCopies
  }

  /** Members that were found in the body so far. */
  get peeked(): Peek {
    return this.reader.found
  }

  /** Why the body cannot be read; null if nothing hinders it. */
  get flaw(): BodyFlaw | null {
    return this.reader.flaw
  }

  get decoded(): readonly Buffer[] | null {
    return this.reader.decoded
  }

  /** Bytes of the complete body. Known whenever `onReady` is called. */
  get length(): number {
    return this.declared === -1 ? this.received : this.declared
  }

  /** Begins to read the body. */
  start(req: ClientRequest): void {
    if (this.declared > this.limits.bodyBytes) {
      this.refuse('body_too_large')
      return
    }
    this.exchange.startBody(performance.now())
    req.deliverTo(this)
  }

  /** Makes `sink` the stage of the exchange: now, or when the body is complete. */
  uploadTo(sink: RequestSink): void {
    if (this.isComplete) this.exchange.stage = sink
    else this.sink = sink
  }

  /**
   * Returns the body in the form in which it is sent. An incomplete body becomes an upload that follows the
   * client.
   * @param pieces the buffers that have arrived, edited or not
   */
  send(pieces: readonly Buffer[]): Buffer | Upload {
    if (this.isComplete) return joinChunks(pieces)
    this.upload = new Upload(pieces)
    return this.upload
  }

  /** Returns the text of the body as one buffer: decoded, if it is encoded. The pieces are joined at the first call. */
  join(): Buffer {
    const pieces = this.reader.decoded ?? this.pieces
    return pieces.length === 0 ? EMPTY : joinInPlace(pieces)
  }

  samplePrompt(): PromptSample | null {
    const { exchange, pieces, reader } = this
    if (!this.isComplete || pieces.length === 0 || !exchange.isConnected) return null
    if ((exchange.outcome.status ?? 0) >= 300 || !isGeneration(exchange.request.path)) return null
    return reader.isDirect ? PromptSample.of(pieces) : reader.decoded && PromptSample.of(reader.decoded)
  }

  /**
   * Frees the body when no further attempt can follow. A stream lasts for minutes, and needs only a sample of the
   * prompt. An incomplete body is kept.
   */
  release(): void {
    const { exchange, pieces } = this
    if (!this.isComplete || pieces.length === 0) return
    const sample = this.samplePrompt()
    if (sample !== null) exchange.setPrompt(sample)
    pieces.length = 0
    this.reader.stop()
    this.conversation = null
    this.budget.give(exchange.heldBytes)
    exchange.heldBytes = 0
  }

  onClose(): void {
    this.isOver = true
    this.reader.stop()
    this.sink?.onClose()
    this.upload?.end()
  }

  onTick(now: number): void {
    // The upstream may respond before the upload ends. `requestMs` does not apply to the rest of such an upload.
    if (this.exchange.outcome.phase === 'respond') this.sink?.onTick(now)
    else if (now - this.exchange.timeline.startedAt > this.limits.requestMs) this.refuse('request_timeout')
  }

  onData(data: Buffer): void {
    const { exchange } = this
    if (this.isOver || exchange.stage !== this) return
    this.received += data.length
    if (this.received > this.limits.bodyBytes) {
      this.refuse('body_too_large')
      return
    }
    if (this.received === this.declared) exchange.markBodyArrived(performance.now())
    // Bytes count when they arrive and not when they are declared: a slow upload takes no room from others.
    const cost = this.kept.costOf(data)
    if (!this.budget.take(cost)) {
      this.refuse('relay_busy')
      return
    }
    exchange.heldBytes += cost
    this.kept.add(data)
    this.reader.push(data)
    exchange.readBody(this.received, this.peeked)
    if (this.sink !== null) this.sendOn(data, this.sink)
    else if (this.declared > this.received && this.readyAt === -1 && this.peeked.model !== null) {
      this.readyAt = this.peeked.model.start
      this.knownReferences = this.peeked.references
      this.knownCopies = this.peeked.modelCopies
      this.events.onReady(exchange, this)
    }
  }

  private sendOn(data: Buffer, sink: RequestSink): void {
    if (this.peeked.model?.start === this.readyAt && !this.hasNewReference() && !this.hasNewDoubt()) {
      this.upload?.push(data)
      return
    }
    // A response of which the client has a part cannot be taken back.
    if (this.exchange.outcome.phase === 'respond') return
    this.sink = null
    sink.abandon()
    this.upload?.end()
  }

  private hasNewReference(): boolean {
    const { references } = this.peeked
    if (references === this.knownReferences) return false
    this.knownReferences = references
    return this.events.onReference(this.exchange, this)
  }

  /** Looked for before the last bytes are sent: without them, an upstream does not act on the request. */
  private hasNewDoubt(): boolean {
    const { reader, peeked, knownCopies } = this
    const isLimited = peeked.namesOthers && this.events.onOthers(this.exchange)
    const isCut = this.received >= this.declared && !peeked.isWhole
    if (peeked.modelCopies === knownCopies && !reader.isBroken && !isCut && !isLimited) return false
    return this.events.onDoubt(this.exchange)
  }

  onEnd(): void {
    const { exchange } = this
    if (this.isOver || exchange.stage !== this) return
    const now = performance.now()
    exchange.endBody(now)
    if (this.sink === null) {
      if (this.reader.end(this.pieces, this)) this.onRead(true)
      return
    }
    this.isOver = true
    this.isComplete = true
    exchange.stage = this.sink
    this.upload?.end()
    if (exchange.timeline.responseStartedAt !== null) this.release()
    // The first-byte timeout runs from here.
    else exchange.restartAttemptClock(now)
  }

  get bodyBytes(): number {
    return this.limits.bodyBytes
  }

  get bodyRatio(): number {
    return this.limits.bodyRatio
  }

  takeRoom(bytes: number): boolean {
    if (!this.budget.take(bytes)) return false
    this.exchange.heldBytes += bytes
    return true
  }

  /** The text of the complete body is there, as far as it can be read. */
  onRead(hasRoom: boolean): void {
    const { exchange, reader } = this
    if (this.isOver) return
    if (!hasRoom) {
      this.refuse('relay_busy')
      return
    }
    this.isOver = true
    this.isComplete = true
    if (!reader.isDirect) exchange.readBody(this.received, this.peeked)
    this.events.onReady(exchange, this)
  }

  /** Refuses the body. Later data is dropped, and no other event follows. */
  private refuse(reason: BodyRefusal): void {
    if (this.isOver) return
    this.isOver = true
    this.events.onRefused(this.exchange, reason)
    this.sink?.abandon()
    this.upload?.end()
    this.pieces.length = 0
    this.reader.stop()
  }
}

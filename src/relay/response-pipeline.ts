import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { createResponseFacts, filterResponseHeaders, readReasonPhrase } from '../http/response-headers.js'
import { EMPTY } from '../lib/bytes.js'
import { readErrorCode } from '../lib/error-code.js'
import { createMeter } from '../metering/create-meter.js'
import type { Meter } from '../metering/meter.js'
import type { Translation } from '../translate/translation.js'
import { findOddReason } from '../upstream/odd-reasons.js'
import type { RawSocket } from '../upstream/raw-socket.js'
import type { Attempt, ResponseHead } from './attempt.js'
import { ChunkedBody } from './chunked-body.js'
import { Failover } from './failover.js'
import type { FailoverOptions, ResponseHandler } from './failover-options.js'
import { LINGER_MS, TOO_SLOW } from './failure.js'
import type { ChunkObserver, CutReason, ResponseFeed, ResponseSink } from './response-sink.js'
import { createTranslation, holdsTooMuch, writeTooLongError } from './translated.js'

const CLIENT_GONE = new Error('every client has left')

/**
 * The way of a response from the attempt that wins to the sink: filters the head, translates, meters, keeps the idle
 * clock and the bound of what a translation may hold. Bytes go on in the tick in which they arrive; a response that is
 * not translated is neither decoded, joined, cut nor held.
 *
 * `waiting` (no head yet) > `streaming` > `complete`, or `cancelled` from either: then nothing more is done, although
 * the upstream may still send.
 */
export class ResponsePipeline implements ResponseHandler, ResponseFeed, ChunkObserver {
  private state: 'waiting' | 'streaming' | 'complete' | 'cancelled'
  private readonly sink: ResponseSink
  private readonly failover: Failover
  /** What a translation may hold (`limits.transformBufferBytes`). */
  private readonly transformBufferBytes: number
  private meter: Meter | null
  /** Null if the response passes as it is. */
  private translation: Translation | null
  /** Reads the body that is translated; null if the parser does, or if it passes as it is. */
  private body: ChunkedBody | null
  /** Chunks that arrived, and how many had at the last tick: idle time is measured in ticks, not by a timer. */
  private chunks: number
  private chunksAtTick: number
  /** Start of the idle time. */
  private quietSince: number
  private idleMs: number
  private lingerTimer: NodeJS.Timeout | null

  /**
   * @param exchange the request that the upstream is billed for
   * @param createSink creates the sink of the response; the sink may call back once the upstream has responded
   */
  constructor(
    exchange: Exchange,
    createSink: (pipeline: ResponsePipeline) => ResponseSink,
    options: FailoverOptions,
    transformBufferBytes: number,
  ) {
    this.state = 'waiting'
    this.failover = new Failover(exchange, this, options)
    this.transformBufferBytes = transformBufferBytes
    this.meter = null
    this.translation = null
    this.body = null
    this.chunks = 0
    this.chunksAtTick = 0
    this.quietSince = 0
    this.idleMs = 0
    this.lingerTimer = null
    this.sink = createSink(this)
  }

  /** The exchange that upstream usage is billed to. */
  get exchange(): Exchange {
    return this.failover.exchange
  }

  /** The name of the upstream that responded, or else of the last attempt. */
  get upstream(): string | null {
    return this.failover.exchange.outcome.upstream
  }

  /** The sink holds as much as it may, so that the upstream has to wait. */
  get isBlocked(): boolean {
    return this.sink.isBlocked
  }

  hasSentEnd(): boolean {
    const { meter } = this
    // Small chunks are read some at a time, so that the last of them may not have been.
    if (this.sink.keepsResponse) meter?.readStats()
    else meter?.end()
    return meter?.ended === true
  }

  /** Sends the request to the first target. */
  start(): void {
    this.failover.start()
  }

  /** Moves billing to another exchange that shares the response, so that usage is recorded exactly once. */
  moveTo(heir: Exchange): void {
    this.failover.moveTo(heir)
  }

  // The upstream's side

  onHead({ status, raw, reason, rawSocket }: ResponseHead, attempt: Attempt): void {
    if (this.state !== 'waiting') return
    const facts = createResponseFacts()
    const headers = filterResponseHeaders(raw, facts)
    const translation = createTranslation(attempt, status, facts, headers)
    const { exchange, sink } = this
    const odd = findOddReason(reason)
    const phrase = odd === null ? readReasonPhrase(reason, 'utf8') : readReasonPhrase(odd, 'latin1')
    sink.begin({ status, reason: phrase, headers, facts })
    this.state = 'streaming'
    this.translation = translation
    this.meter = createMeter(facts, attempt.target.upstream.preset, exchange.request.stream === true)
    exchange.setMeter(this.meter)
    this.quietSince = performance.now()
    this.idleMs = attempt.target.upstream.timeouts.idleMs
    if (status === 204 || status === 304) {
      // Such a response ends with its head (RFC 9112, 6.3). undici's client would wait for the bytes that the content-
      // length of a 304 announces, and report an error.
      this.complete()
      return
    }
    if (rawSocket !== null) this.divertBody(rawSocket)
    // A head that came with body bytes in the same read leaves with them in one packet; one that came alone leaves at
    // the end of this tick.
    process.nextTick(flushHead, this)
  }

  onData(chunk: Buffer): boolean {
    if (this.state !== 'streaming') return true
    const { sink, translation } = this
    this.chunks++
    sink.countChunk()
    const more = sink.write(translation === null ? chunk : translation.push(chunk))
    // After the write: the bytes have left before anything looks at them.
    this.meter?.push(chunk)
    if (!holdsTooMuch(translation, this.transformBufferBytes)) return more
    this.onTooLong(translation)
    return false
  }

  onEnd(): void {
    this.stopLingering()
    if (this.state !== 'streaming') return
    if (this.translation !== null) this.sink.write(this.translation.end())
    this.complete()
  }

  onCut(error: Error): void {
    this.stopLingering()
    if (this.state === 'streaming') this.cut('upstream_cut', readErrorCode(error))
  }

  onFailed(code: ErrorCode, cause: string): void {
    if (this.state !== 'waiting') return
    this.state = 'cancelled'
    this.sink.fail(code, cause)
  }

  // The client's side

  observe(data: Buffer): void {
    if (this.state !== 'cancelled') this.meter?.push(data)
  }

  countRead(): void {
    this.chunks++
  }

  onDrain(): void {
    this.resume()
  }

  /** The upstream may send again. Not at once: its connection may be in the middle of a call. */
  resume(): void {
    process.nextTick(readOn, this)
  }

  readOn(): void {
    if (this.sink.isBlocked || !this.failover.reading) return
    this.sink.resumeChunks()
    this.body?.resume()
    this.failover.readOn()
  }

  /**
   * No client is left. Ends the upstream request. But if the response has had its own end mark, the upstream gets a
   * moment to end it, so that its connection can be used again: an abort would cost the next request a TLS handshake.
   */
  onClientGone(): void {
    const { state, sink } = this
    if (state === 'complete' || state === 'cancelled') return
    if (state === 'waiting' || !this.hasSentEnd()) {
      this.cancel(CLIENT_GONE)
      sink.drop()
      return
    }
    if (!sink.keepsResponse) this.state = 'cancelled'
    this.resume()
    this.stopLingering()
    this.lingerTimer = setTimeout(stopLingering, LINGER_MS, this).unref()
  }

  onTick(now: number): void {
    if (this.state === 'waiting') this.failover.onTick(now)
    else if (this.state !== 'streaming' || this.sink.isBlocked) return
    // The chunk that had filled the client's buffer is new to the first tick after the wait: no wait counts as idle.
    else if (this.chunks !== this.chunksAtTick) {
      this.chunksAtTick = this.chunks
      this.quietSince = now
    } else if (now - this.quietSince > this.idleMs) this.cut('upstream_idle', 'idleMs')
  }

  // What happens

  flushHead(): void {
    this.sink.flushHead()
  }

  /** The time for the end of a response without clients is up. */
  onLingered(): void {
    this.lingerTimer = null
    if (this.state === 'complete' || this.sink.hasClients) return
    this.cancel(CLIENT_GONE)
    this.sink.drop()
  }

  /** Has the body read at the socket: the parser takes longer for a chunk. */
  private divertBody(rawSocket: RawSocket): void {
    if (this.translation === null) this.sink.passChunks(this, rawSocket)
    // Only a response to POST with a body is translated, so that the chunks that its head announces do come.
    else this.body = new ChunkedBody(this, rawSocket)
  }

  private cancel(reason: Error): void {
    this.state = 'cancelled'
    this.meter?.end()
    this.failover.giveUp(reason)
  }

  private complete(): void {
    this.state = 'complete'
    this.sink.end(this.meter)
  }

  private cut(end: CutReason, cause: string): void {
    const tail = this.translation?.breakOff() ?? EMPTY
    this.cancel(TOO_SLOW)
    this.sink.cut(end, cause, tail)
  }

  private onTooLong(translation: Translation): void {
    this.sink.refuseTooLong()
    this.sink.write(writeTooLongError(translation, this.exchange.request.requestId))
    this.complete()
    this.failover.giveUp(TOO_SLOW)
  }

  private stopLingering(): void {
    if (this.lingerTimer !== null) clearTimeout(this.lingerTimer)
    this.lingerTimer = null
  }
}

function flushHead(pipeline: ResponsePipeline): void {
  pipeline.flushHead()
}

function readOn(pipeline: ResponsePipeline): void {
  pipeline.readOn()
}

function stopLingering(pipeline: ResponsePipeline): void {
  pipeline.onLingered()
}

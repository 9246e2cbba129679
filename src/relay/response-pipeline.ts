import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { formatServerTiming } from '../exchange/timing.js'
import { buildResponseHeaders, createResponseFacts, readReasonPhrase, setHeader } from '../http/headers.js'
import { readErrorCode } from '../lib/error-code.js'
import { createMeter } from '../metering/create-meter.js'
import type { Translation } from '../translate/translation.js'
import type { Attempt, ResponseHead } from './attempt.js'
import { ChunkPassthrough, type ChunkPassthroughOwner } from './chunk-passthrough.js'
import { ClientConnection } from './client-connection.js'
import type { Failover, ResponseHandler } from './failover.js'
import { LINGER_MS, TOO_SLOW } from './failure.js'
import type { RequestSink } from './request-body.js'
import { closeTooLong, createTranslation, holdsTooMuch, writeTooLongError } from './translated.js'
import { writeHeadAndFirstChunk } from './write-head.js'

/** Who an attempt reports to while nothing of an answer has gone to the client. */
export interface ResponsePipelineOwner {
  /** No answer came; the client is still there and has been told nothing. */
  onAttemptFailed(exchange: Exchange, code: ErrorCode, cause: string): void
  /** Whether this connection should be the client's last: the relay is shutting down. */
  readonly draining: boolean
}

export interface ResponsePipelineOptions {
  readonly timeouts: Config['timeouts']
  /** Of an answer that is changed, what may be held. */
  readonly answerBytes: number
  /** The request had an `Origin` header. */
  readonly crossOrigin: boolean
}

const CLIENT_GONE = new Error('the client has left')

/**
 * An answer on its way to the one client that asked for it. Bytes go on in the same tick in which they came; nothing is
 * decoded, joined, cut or held.
 *
 * All calls are synchronous. Once `over`, nothing more is done to the client: an upstream may still send, and a client may
 * still close.
 */
export class ResponsePipeline implements ResponseHandler, RequestSink, ChunkPassthroughOwner {
  /** The upstream's side; set before anything comes of it. */
  failover: Failover | null
  private readonly exchange: Exchange
  private readonly res: ServerResponse
  private readonly owner: ResponsePipelineOwner
  private readonly options: ResponsePipelineOptions
  private readonly connection: ClientConnection
  private phase: 'asking' | 'streaming' | 'flushing'
  /** Set when the attempt is decided, so that calls that come later find nothing to do. */
  over: boolean
  /** The client's buffer is full: the upstream was asked to wait. */
  paused: boolean
  private listening: boolean
  /** Pieces seen at the last tick, and since when they are as many: silence is counted in ticks, not by a timer. */
  private piecesSeen: number
  private quietSince: number
  private idleMs: number
  private linger: NodeJS.Timeout | null
  /** How a chunked body comes, if it can pass as it is. */
  private passthrough: ChunkPassthrough | null
  /** What changes the answer; null if nothing does. */
  private translation: Translation | null

  constructor(exchange: Exchange, owner: ResponsePipelineOwner, options: ResponsePipelineOptions) {
    this.exchange = exchange
    this.res = exchange.res
    this.owner = owner
    this.options = options
    this.failover = null
    this.phase = 'asking'
    this.over = false
    this.paused = false
    this.listening = false
    this.piecesSeen = 0
    this.quietSince = 0
    this.idleMs = options.timeouts.idleMs
    this.connection = new ClientConnection(exchange.res)
    this.linger = null
    this.passthrough = null
    this.translation = null
  }

  // The upstream's side

  onHead({ status, raw, reason }: ResponseHead, attempt: Attempt): void {
    if (this.over) return
    const exchange = this.exchange
    const now = performance.now()
    const facts = createResponseFacts()
    const headers = buildResponseHeaders(
      raw,
      exchange.requestId,
      formatServerTiming(exchange, now),
      this.options.crossOrigin,
      facts,
    )
    this.translation = createTranslation(attempt, status, facts, headers)
    if (exchange.cache !== null) setHeader(headers, 'x-thinwire-cache', exchange.cache)
    if (this.owner.draining) headers.push('connection', 'close')
    this.res.writeHead(status, readReasonPhrase(reason, 'utf8'), headers)
    this.phase = 'streaming'
    this.quietSince = now
    this.idleMs = attempt.target.upstream.timeouts.idleMs
    exchange.phase = 'relay'
    exchange.status = status
    exchange.answeredAt = now
    exchange.upstreamRequestId = facts.requestId
    exchange.meter = createMeter(facts)
    exchange.body?.release()
    if (status === 204 || status === 304) {
      // Over with its head (RFC 9112, 6.3). undici misses the bytes that a 304's content-length speaks of, and would
      // report them as an error.
      this.finish()
      return
    }
    // Of a stream that is changed, the chunks are too; and of one whose head was held back, some have been read.
    if (this.translation === null && attempt.phase === 'waiting')
      this.passthrough = ChunkPassthrough.open(exchange, this)
    // A head that came with body bytes in the same read leaves with them in one packet; one that came alone
    // leaves at the end of this tick.
    process.nextTick(flushIfSilent, this)
  }

  onData(piece: Buffer): boolean {
    const exchange = this.exchange
    exchange.countPiece()
    if (this.over) return true
    const { translation } = this
    const more = this.send(translation === null ? piece : translation.push(piece))
    // Beside the stream: what is looked at has left already.
    exchange.meter?.push(piece)
    if (!holdsTooMuch(translation, this.options.answerBytes)) return more
    this.onTooLong(translation)
    return false
  }

  private onTooLong(translation: Translation): void {
    closeTooLong(this.exchange)
    this.send(writeTooLongError(translation, this.exchange.requestId))
    this.finish()
    this.failover?.giveUp(TOO_SLOW)
  }

  /** @returns false if nothing more is to be read for now */
  private send(piece: Buffer): boolean {
    const { exchange } = this
    if (piece.length === 0) return !this.paused
    const more = exchange.bytesOut === 0 ? writeHeadAndFirstChunk(this.res, piece) : this.res.write(piece)
    exchange.bytesOut += piece.length
    if (!more) this.onClientFull()
    return more
  }

  onEnd(): void {
    this.stopLingering()
    if (this.over || this.phase === 'flushing') return
    // No more comes: what was held back of the last event goes, whole or not.
    if (this.translation !== null) this.send(this.translation.end())
    this.finish()
  }

  onCut(error: Error): void {
    this.stopLingering()
    if (this.over || this.phase === 'flushing') return
    this.exchange.cause = readErrorCode(error)
    this.exchange.errorCode = 'upstream_cut'
    this.cut('upstream_cut')
  }

  onFailed(code: ErrorCode, cause: string): void {
    if (this.over) return
    this.over = true
    this.exchange.status = 0
    this.owner.onAttemptFailed(this.exchange, code, cause)
  }

  // The client's side

  onClose(): void {
    if (this.over) {
      this.exchange.conclude('client_gone')
      return
    }
    this.over = true
    const { meter } = this.exchange
    meter?.end()
    const streamEnded = meter?.ended === true
    if (this.phase === 'flushing') {
      // Everything was handed over. It counts as read if it has left, or if all that had not was the closing frame.
      this.exchange.conclude(this.res.writableFinished || streamEnded ? 'done' : 'client_gone')
      return
    }
    if (streamEnded) {
      // The client has seen the end of the stream and did not wait for the connection to say it again.
      this.exchange.conclude('done')
      // Nothing waits for a client that is not there.
      this.paused = false
      this.goOn()
      this.linger = setTimeout(abortLinger, LINGER_MS, this).unref()
      return
    }
    this.exchange.conclude('client_gone')
    this.failover?.giveUp(CLIENT_GONE)
  }

  abandon(): void {
    this.over = true
    this.failover?.giveUp(CLIENT_GONE)
  }

  onTick(now: number): void {
    switch (this.phase) {
      case 'asking':
        if (!this.over) this.failover?.onTick(now)
        return
      case 'streaming':
        if (this.over || this.paused) this.checkStall(now)
        else if (this.exchange.pieces !== this.piecesSeen) {
          this.piecesSeen = this.exchange.pieces
          this.quietSince = now
        } else if (now - this.quietSince > this.idleMs) {
          this.exchange.cause = 'idleMs'
          this.cut('upstream_idle')
        }
        return
      case 'flushing':
        this.checkStall(now)
    }
  }

  // What happens

  /** All that came with the head has been sent on. */
  onHeadPassed(): void {
    this.flushHead()
    this.exchange.headMs = performance.now() - this.exchange.answeredAt
  }

  /** Sends the head alone, if nothing came with it. */
  private flushHead(): void {
    if (this.over || this.phase !== 'streaming' || this.exchange.bytesOut > 0) return
    if (this.passthrough === null) this.res.flushHeaders()
    else this.passthrough.sendHead()
  }

  abortUpstream(): void {
    this.failover?.giveUp(TOO_SLOW)
  }

  /** The upstream has sent all of its answer. */
  private finish(): void {
    this.phase = 'flushing'
    this.connection.watch()
    this.res.end()
  }

  onClientFull(): void {
    if (this.paused) return
    this.paused = true
    this.connection.watch()
    // What goes past the response is not told by it.
    if (this.passthrough !== null) this.res.socket?.once('drain', () => this.onDrain())
    else if (!this.listening) {
      this.listening = true
      this.res.on('drain', () => this.onDrain())
    }
  }

  private onDrain(): void {
    if (!this.paused) return
    const { socket } = this.res
    if (socket?.writableNeedDrain) {
      // Node says so also when the answer behind this one is written (pipelining), and then not again.
      socket.once('drain', () => this.onDrain())
      return
    }
    this.paused = false
    this.quietSince = performance.now()
    this.goOn()
  }

  /** The upstream may send again. Not at once, as undici may be about something else, and cannot read for two at a time. */
  private goOn(): void {
    process.nextTick(readOn, this)
  }

  readOn(): void {
    if (this.paused || this.failover?.reading !== true) return
    this.passthrough?.goOn()
    this.failover.readOn()
  }

  private cut(end: 'upstream_cut' | 'upstream_idle'): void {
    // What comes together with a reset hides it: libuv, and with it every client in Node, then reads a clean end.
    if (this.translation !== null && !this.connection.closeDelimited) this.send(this.translation.breakOff())
    this.over = true
    this.exchange.conclude(end)
    this.failover?.giveUp(TOO_SLOW)
    this.connection.breakOff()
  }

  private checkStall(now: number): void {
    if (!this.connection.hasStalled(now, this.options.timeouts.clientStallMs)) return
    this.over = true
    this.exchange.conclude('client_stalled')
    this.exchange.cause ??= 'clientStallMs'
    this.failover?.giveUp(TOO_SLOW)
    this.connection.giveUp()
  }

  private stopLingering(): void {
    if (this.linger !== null) clearTimeout(this.linger)
    this.linger = null
  }
}

function flushIfSilent(relay: ResponsePipeline): void {
  relay.onHeadPassed()
}

function readOn(relay: ResponsePipeline): void {
  relay.readOn()
}

function abortLinger(relay: ResponsePipeline): void {
  relay.abortUpstream()
}

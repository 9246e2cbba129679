import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { serverTiming } from '../exchange/timing.js'
import { noFacts, reasonPhrase, responseHeaders, setHeader } from '../http/headers.js'
import { systemCode } from '../lib/error-code.js'
import { tapFor } from '../metering/create-meter.js'
import type { Translation } from '../translate/translation.js'
import type { AnswerHead, Attempt } from './attempt.js'
import { Passage, type PassageOwner } from './chunk-passthrough.js'
import { ClientEnd } from './client-connection.js'
import type { Course, Receiver } from './failover.js'
import { LINGER_MS, TOO_SLOW } from './failure.js'
import type { Sender } from './request-body.js'
import { concludeTooLong, holdsTooMuch, tooLongBytes, translationOf } from './translated.js'
import { sendOpening } from './write-head.js'

/** Who an attempt reports to while nothing of an answer has gone to the client. */
export interface RelayOwner {
  /** No answer came; the client is still there and has been told nothing. */
  onAttemptFailed(x: Exchange, code: ErrorCode, cause: string): void
  /** Whether this connection should be the client's last: the relay is shutting down. */
  readonly draining: boolean
}

export interface RelayOptions {
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
export class Relay implements Receiver, Sender, PassageOwner {
  /** The upstream's side; set before anything comes of it. */
  course: Course | null
  private readonly x: Exchange
  private readonly res: ServerResponse
  private readonly owner: RelayOwner
  private readonly options: RelayOptions
  private readonly client: ClientEnd
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
  private passage: Passage | null
  /** What changes the answer; null if nothing does. */
  private translation: Translation | null

  constructor(x: Exchange, owner: RelayOwner, options: RelayOptions) {
    this.x = x
    this.res = x.res
    this.owner = owner
    this.options = options
    this.course = null
    this.phase = 'asking'
    this.over = false
    this.paused = false
    this.listening = false
    this.piecesSeen = 0
    this.quietSince = 0
    this.idleMs = options.timeouts.idleMs
    this.client = new ClientEnd(x.res)
    this.linger = null
    this.passage = null
    this.translation = null
  }

  // The upstream's side

  onHead({ status, raw, reason }: AnswerHead, attempt: Attempt): void {
    if (this.over) return
    const x = this.x
    const now = performance.now()
    const facts = noFacts()
    const headers = responseHeaders(raw, x.requestId, serverTiming(x, now), this.options.crossOrigin, facts)
    this.translation = translationOf(attempt, status, facts, headers)
    if (x.cache !== null) setHeader(headers, 'x-thinwire-cache', x.cache)
    if (this.owner.draining) headers.push('connection', 'close')
    this.res.writeHead(status, reasonPhrase(reason, 'utf8'), headers)
    this.phase = 'streaming'
    this.quietSince = now
    this.idleMs = attempt.target.upstream.timeouts.idleMs
    x.phase = 'relay'
    x.status = status
    x.answeredAt = now
    x.upstreamRequestId = facts.requestId
    x.tap = tapFor(facts)
    x.body?.release()
    if (status === 204 || status === 304) {
      // Over with its head (RFC 9112, 6.3). undici misses the bytes that a 304's content-length speaks of, and would
      // report them as an error.
      this.finish()
      return
    }
    // Of a stream that is changed, the chunks are too; and of one whose head was held back, some have been read.
    if (this.translation === null && attempt.phase === 'waiting') this.passage = Passage.open(x, this)
    // A head that came with body bytes in the same read leaves with them in one packet; one that came alone
    // leaves at the end of this tick.
    process.nextTick(flushIfSilent, this)
  }

  onData(piece: Buffer): boolean {
    const x = this.x
    x.countPiece()
    if (this.over) return true
    const { translation } = this
    const more = this.send(translation === null ? piece : translation.push(piece))
    // Beside the stream: what is looked at has left already.
    x.tap?.push(piece)
    if (!holdsTooMuch(translation, this.options.answerBytes)) return more
    this.onTooLong(translation)
    return false
  }

  private onTooLong(translation: Translation): void {
    concludeTooLong(this.x)
    this.send(tooLongBytes(translation, this.x.requestId))
    this.finish()
    this.course?.giveUp(TOO_SLOW)
  }

  /** @returns false if nothing more is to be read for now */
  private send(piece: Buffer): boolean {
    const { x } = this
    if (piece.length === 0) return !this.paused
    const more = x.bytesOut === 0 ? sendOpening(this.res, piece) : this.res.write(piece)
    x.bytesOut += piece.length
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
    this.x.cause = systemCode(error)
    this.x.errorCode = 'upstream_cut'
    this.cut('upstream_cut')
  }

  onFailed(code: ErrorCode, cause: string): void {
    if (this.over) return
    this.over = true
    this.x.status = 0
    this.owner.onAttemptFailed(this.x, code, cause)
  }

  // The client's side

  onClose(): void {
    if (this.over) {
      this.x.conclude('client_gone')
      return
    }
    this.over = true
    const { tap } = this.x
    tap?.end()
    const streamEnded = tap?.ended === true
    if (this.phase === 'flushing') {
      // Everything was handed over. It counts as read if it has left, or if all that had not was the closing frame.
      this.x.conclude(this.res.writableFinished || streamEnded ? 'done' : 'client_gone')
      return
    }
    if (streamEnded) {
      // The client has seen the end of the stream and did not wait for the connection to say it again.
      this.x.conclude('done')
      // Nothing waits for a client that is not there.
      this.paused = false
      this.goOn()
      this.linger = setTimeout(abortLinger, LINGER_MS, this).unref()
      return
    }
    this.x.conclude('client_gone')
    this.course?.giveUp(CLIENT_GONE)
  }

  abandon(): void {
    this.over = true
    this.course?.giveUp(CLIENT_GONE)
  }

  onTick(now: number): void {
    switch (this.phase) {
      case 'asking':
        if (!this.over) this.course?.onTick(now)
        return
      case 'streaming':
        if (this.over || this.paused) this.checkStall(now)
        else if (this.x.pieces !== this.piecesSeen) {
          this.piecesSeen = this.x.pieces
          this.quietSince = now
        } else if (now - this.quietSince > this.idleMs) {
          this.x.cause = 'idleMs'
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
    this.x.headMs = performance.now() - this.x.answeredAt
  }

  /** Sends the head alone, if nothing came with it. */
  private flushHead(): void {
    if (this.over || this.phase !== 'streaming' || this.x.bytesOut > 0) return
    if (this.passage === null) this.res.flushHeaders()
    else this.passage.sendHead()
  }

  abortUpstream(): void {
    this.course?.giveUp(TOO_SLOW)
  }

  /** The upstream has sent all of its answer. */
  private finish(): void {
    this.phase = 'flushing'
    this.client.watch()
    this.res.end()
  }

  onClientFull(): void {
    if (this.paused) return
    this.paused = true
    this.client.watch()
    // What goes past the response is not told by it.
    if (this.passage !== null) this.res.socket?.once('drain', () => this.onDrain())
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
    if (this.paused || this.course?.reading !== true) return
    this.passage?.goOn()
    this.course.readOn()
  }

  private cut(end: 'upstream_cut' | 'upstream_idle'): void {
    // What comes together with a reset hides it: libuv, and with it every client in Node, then reads a clean end.
    if (this.translation !== null && !this.client.closeDelimited) this.send(this.translation.breakOff())
    this.over = true
    this.x.conclude(end)
    this.course?.giveUp(TOO_SLOW)
    this.client.breakOff()
  }

  private checkStall(now: number): void {
    if (!this.client.hasStalled(now, this.options.timeouts.clientStallMs)) return
    this.over = true
    this.x.conclude('client_stalled')
    this.x.cause ??= 'clientStallMs'
    this.course?.giveUp(TOO_SLOW)
    this.client.giveUp()
  }

  private stopLingering(): void {
    if (this.linger !== null) clearTimeout(this.linger)
    this.linger = null
  }
}

function flushIfSilent(relay: Relay): void {
  relay.onHeadPassed()
}

function readOn(relay: Relay): void {
  relay.readOn()
}

function abortLinger(relay: Relay): void {
  relay.abortUpstream()
}

import type { ErrorCode } from '../api/errors.js'
import { resolveUsage } from '../exchange/token-usage.js'
import { createResponseFacts, filterResponseHeaders, removeHeader } from '../http/headers.js'
import { readErrorCode } from '../lib/error-code.js'
import { createMeter } from '../metering/create-meter.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { Attempt, ResponseHead as UpstreamHead } from '../relay/attempt.js'
import type { Failover, ResponseHandler } from '../relay/failover.js'
import { LINGER_MS, TOO_SLOW } from '../relay/failure.js'
import { closeTooLong, createTranslation, holdsTooMuch, writeTooLongError } from '../relay/translated.js'
import type { Translation } from '../translate/translation.js'
import { type CachedHead, CachedResponse, type ResponseSource, type SharedUsage } from './cached-response.js'
import type { Subscriber } from './subscriber.js'

export interface SharedResponseOptions {
  /** What is held of an answer at most. */
  readonly entryBytes: number
  /** Of one that is changed, until it can be. */
  readonly answerBytes: number
}

export interface SharedResponseOwner {
  /** Nobody may join any more. */
  onClosed(shared: SharedResponse): void
  /** A client has been served, or has left. */
  onLeft(subscriber: Subscriber): void
  /** It has ended well, and can be kept. */
  onKept(shared: SharedResponse, answer: CachedResponse): void
}

const NOBODY = new Error('every client has left')

/**
 * An answer on its way to any number of clients that asked for the same, each of them a follower. All of it is held in
 * memory while it is small enough to be kept, so that who joins late gets all of it, and who is slow holds back nobody.
 *
 * A larger one is closed: nobody joins any more, what all have taken is let go, and a follower that is `entryBytes` behind
 * is cut off, unless it is the only one. Then the upstream waits for it.
 */
export class SharedResponse implements ResponseHandler, ResponseSource {
  /** The upstream's side; set before anything comes of it. */
  failover: Failover | null
  readonly key: string
  head: CachedHead | null
  complete: boolean
  readonly age: null
  readonly sharedUsage: SharedUsage
  private readonly owner: SharedResponseOwner
  private readonly options: SharedResponseOptions
  private readonly followers: Subscriber[]
  private readonly pieces: Buffer[]
  /** Pieces that were let go. */
  private gone: number
  /** Bytes of those that are held. */
  private held: number
  private closed: boolean
  private over: boolean
  /** Of the request, what an estimate is made of. */
  private prompt: PromptSample | null
  /** Its text as it came, in the client's bytes, if it may be typed into; whoever keeps the answer puts it here. */
  heldPrompt: Buffer | null
  private paused: boolean
  private meter: Meter | null
  private translation: Translation | null
  /** `performance.now()` of the last piece. */
  private pieceAt: number
  private idleMs: number

  constructor(key: string, owner: SharedResponseOwner, options: SharedResponseOptions) {
    this.failover = null
    this.key = key
    this.head = null
    this.complete = false
    this.age = null
    this.sharedUsage = { usage: null }
    this.owner = owner
    this.options = options
    this.followers = []
    this.pieces = []
    this.gone = 0
    this.held = 0
    this.closed = false
    this.over = false
    this.prompt = null
    this.heldPrompt = null
    this.paused = false
    this.meter = null
    this.translation = null
    this.pieceAt = 0
    this.idleMs = 0
  }

  get end(): number {
    return this.gone + this.pieces.length
  }

  get upstream(): string | null {
    return this.failover?.exchange.upstream ?? null
  }

  get streamEnded(): boolean {
    return this.meter?.ended === true
  }

  piece(index: number): Buffer {
    return this.pieces[index - this.gone] as Buffer
  }

  /** The first one pays: what the upstream counts is in its record. */
  subscribe(subscriber: Subscriber): void {
    this.followers.push(subscriber)
    if (this.head === null) return
    subscriber.begin(this.head)
    subscriber.pump()
    subscriber.flushHead()
  }

  unsubscribe(subscriber: Subscriber): void {
    if (!this.followers.includes(subscriber)) return
    if (this.over) {
      this.followers.splice(this.followers.indexOf(subscriber), 1)
      this.owner.onLeft(subscriber)
      this.release()
      return
    }
    this.remove(subscriber)
    if (this.followers.length > 0) {
      this.trim()
      return
    }
    subscriber.exchange.meter = this.meter
    if (this.streamEnded) {
      // All that there is to come is the end: then the answer can be kept, and the connection be used again.
      if (this.paused) this.goOn()
      setTimeout(abortIfAlone, LINGER_MS, this).unref()
      return
    }
    this.stop(NOBODY)
  }

  /**
   * Lets go of all that it has, when everybody has all of it. Somebody may hold on to it for a while: the books, until the request
   * is written down, and tables of V8's that are garbage but old (bench `misses`).
   */
  private release(): void {
    if (this.followers.length > 0 || !this.closed) return
    this.gone += this.pieces.length
    this.pieces.length = 0
    this.head = null
    this.meter = null
    this.failover = null
    this.prompt = null
    this.heldPrompt = null
    this.translation = null
  }

  /** Whether there is nobody left for whom it would go on. */
  get alone(): boolean {
    return !this.over && this.followers.length === 0
  }

  onTaken(): void {
    this.trim()
  }

  onTick(now: number): void {
    if (this.over) return
    if (this.head === null) this.failover?.onTick(now)
    else if (!this.paused && now - this.pieceAt > this.idleMs) this.cut('upstream_idle', 'idleMs')
  }

  // The upstream's side

  onHead({ status, raw, reason }: UpstreamHead, attempt: Attempt): void {
    if (this.over) return
    const facts = createResponseFacts()
    const headers = filterResponseHeaders(raw, facts)
    removeHeader(headers, 'x-thinwire-cache')
    this.translation = createTranslation(attempt, status, facts, headers)
    const head = { status, reason: Buffer.from(reason).toString('latin1'), headers, facts }
    for (const subscriber of this.followers) subscriber.begin(head)
    this.prompt = this.followers[0]?.exchange.prompt ?? null
    this.head = head
    this.idleMs = attempt.target.upstream.timeouts.idleMs
    this.pieceAt = performance.now()
    this.meter = createMeter(facts)
    // Over with its head (RFC 9112, 6.3), as undici does not know of each (see `Relay`).
    if (status === 204 || status === 304) this.finish()
    else process.nextTick(flushHeads, this)
  }

  onData(piece: Buffer): boolean {
    if (this.over) return true
    this.pieceAt = performance.now()
    const { translation } = this
    this.add(translation === null ? piece : translation.push(piece))
    this.meter?.push(piece)
    if (holdsTooMuch(translation, this.options.answerBytes)) this.onTooLong(translation)
    return !this.paused
  }

  /** As `Relay` has it. */
  private onTooLong(translation: Translation): void {
    this.close()
    for (const { exchange } of this.followers) closeTooLong(exchange)
    this.add(writeTooLongError(translation, this.followers[0]?.exchange.requestId ?? ''))
    this.finish()
    this.failover?.giveUp(TOO_SLOW)
  }

  onEnd(): void {
    if (this.over) return
    this.add(this.translation?.end() ?? EMPTY)
    this.finish()
  }

  onCut(error: Error): void {
    if (!this.over) this.cut('upstream_cut', readErrorCode(error))
  }

  onFailed(code: ErrorCode, cause: string): void {
    if (this.over) return
    this.stop(TOO_SLOW)
    this.dismiss((subscriber) => subscriber.fail(code, cause))
  }

  // What happens

  /** Sends heads with which nothing came. */
  flushHeads(): void {
    for (const subscriber of this.followers) subscriber.flushHead()
  }

  stop(reason: Error): void {
    this.over = true
    this.meter?.end()
    this.close()
    this.failover?.giveUp(reason)
  }

  /** All of it has come. */
  private finish(): void {
    this.over = true
    this.complete = true
    this.meter?.end()
    const payer = this.followers[0]
    if (payer !== undefined) payer.exchange.meter = this.meter
    for (const subscriber of this.followers) subscriber.pump()
    if (this.meter === null) this.close()
    else this.meter.whenRead(() => this.onRead())
  }

  private remove(subscriber: Subscriber): void {
    const { followers } = this
    const place = followers.indexOf(subscriber)
    followers.splice(place, 1)
    this.owner.onLeft(subscriber)
    const heir = followers[0]
    if (place > 0 || heir === undefined) return
    // One of them is the one whose request it is.
    heir.exchange.cache = subscriber.exchange.cache
    subscriber.exchange.cache = 'joined'
    // Whose own has been let go, without a look at it.
    if (this.head !== null) heir.exchange.prompt = this.prompt
    this.failover?.moveTo(heir.exchange)
  }

  private add(piece: Buffer): void {
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.held += piece.length
    if (this.held > this.options.entryBytes) this.close()
    for (const subscriber of [...this.followers]) subscriber.pump()
    if (this.closed) this.trim()
  }

  /** Nobody is to come that needs it from the beginning. */
  private close(): void {
    if (this.closed) return
    this.closed = true
    this.owner.onClosed(this)
  }

  /** Of an answer that is closed, only what somebody still needs is held. */
  private trim(): void {
    if (!this.closed || this.over) return
    const { followers, pieces, options } = this
    if (this.held > options.entryBytes && followers.length > 1) {
      for (const subscriber of [...followers]) {
        if (this.bytesFrom(subscriber.next) <= options.entryBytes || followers.length === 1) continue
        this.remove(subscriber)
        subscriber.cut('client_stalled', 'cache.entryBytes')
      }
    }
    const needed = followers.reduce((least, { next }) => Math.min(least, next), this.end)
    for (; this.gone < needed; this.gone++) this.held -= (pieces.shift() as Buffer).length
    const behind = this.held > options.entryBytes
    if (this.paused && !behind) this.goOn()
    this.paused = behind
  }

  private bytesFrom(index: number): number {
    let bytes = 0
    for (let i = Math.max(0, index - this.gone); i < this.pieces.length; i++)
      bytes += this.piece(i + this.gone).length
    return bytes
  }

  private goOn(): void {
    this.paused = false
    // It was not silent, it had to wait.
    this.pieceAt = performance.now()
    this.failover?.readOn()
  }

  private cut(end: 'upstream_cut' | 'upstream_idle', cause: string): void {
    // Ahead of the rest of an event, which would hide the reset from them (see `Relay`).
    for (const subscriber of this.followers) if (subscriber.closeDelimited) subscriber.cut(end, cause)
    this.add(this.translation?.breakOff() ?? EMPTY)
    const payer = this.followers[0]
    if (payer !== undefined) payer.exchange.meter = this.meter
    this.stop(TOO_SLOW)
    this.dismiss((subscriber) => subscriber.cut(end, cause))
  }

  /** There is nothing more for any of them. */
  private dismiss(tell: (subscriber: Subscriber) => void): void {
    for (const subscriber of this.followers.splice(0)) {
      tell(subscriber)
      this.owner.onLeft(subscriber)
    }
    this.release()
  }

  /** All of it has come and has been looked at. */
  private onRead(): void {
    const { meter, head } = this
    if (meter === null || head === null) return
    const stats = meter.readStats()
    const { facts } = head
    const usage = resolveUsage({ stats, prompt: this.prompt, status: head.status, end: 'done' })
    this.sharedUsage.usage = usage
    const whole =
      head.status === 200 &&
      stats.error === null &&
      stats.unparsed === 0 &&
      stats.events > 0 &&
      (!facts.eventStream || stats.ended)
    if (whole && !this.closed) {
      // What is compressed is not read, and so not typed into.
      const prompt = facts.encoding === null ? this.heldPrompt : null
      const [body, kept] = inMemory(this.pieces, this.held, prompt)
      this.owner.onKept(this, new CachedResponse(head, body, usage, kept))
    }
    this.close()
    this.release()
  }
}

const EMPTY = Buffer.alloc(0)

function flushHeads(shared: SharedResponse): void {
  shared.flushHeads()
}

/** In memory of their own: what Node joins in its pool holds on to all that is in there. One piece of it, as each costs. */
function inMemory(pieces: readonly Buffer[], bytes: number, prompt: Buffer | null): [Buffer, Buffer | null] {
  const memory = Buffer.allocUnsafeSlow(bytes + (prompt?.length ?? 0))
  let at = 0
  for (const piece of pieces) at += piece.copy(memory, at)
  if (prompt === null) return [memory, null]
  prompt.copy(memory, at)
  return [memory.subarray(0, bytes), memory.subarray(bytes)]
}

function abortIfAlone(shared: SharedResponse): void {
  if (shared.alone) shared.stop(NOBODY)
}

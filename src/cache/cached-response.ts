import type { TokenUsage } from '../exchange/token-usage.js'
import { findHeader, type ResponseFacts, removeEntityHeaders, removeHeader } from '../http/headers.js'
import type { Subscriber } from './subscriber.js'

/** The head of an answer, as the upstream sent it, less what ends at the relay. */
export interface CachedHead {
  readonly status: number
  readonly reason: string
  /** Of `passedHeaders`: each client gets these, and its own besides. */
  readonly headers: readonly string[]
  readonly facts: ResponseFacts
}

/** What an answer took; null if that is not known, or not yet. By itself, as it is held longer than the answer. */
export interface SharedUsage {
  usage: TokenUsage | null
}

/** An answer in memory that is being sent to a client, be it whole or still coming. */
export interface ResponseSource {
  /** Null before it has come. */
  readonly head: CachedHead | null
  /** Pieces that have come so far. */
  readonly end: number
  /** No more will come: this was all of it. */
  readonly complete: boolean
  /** It has told its own end. */
  readonly streamEnded: boolean
  readonly sharedUsage: SharedUsage
  /** Who gives it; null if nobody has to, or nobody is asked yet. */
  readonly upstream: string | null
  /** Seconds since it was made; null if it is being made. */
  readonly age: number | null
  /** @param index below `end`, and no piece that is behind one that was taken by all */
  piece(index: number): Buffer
  /** Called about every `Watchdog` tick. */
  onTick(now: number): void
  /** One that was slow has taken more. */
  onTaken(): void
  /** A client has been served, or has left. */
  unsubscribe(subscriber: Subscriber): void
}

/** A whole answer that is kept. */
export class CachedResponse implements ResponseSource {
  readonly head: CachedHead
  readonly sharedUsage: SharedUsage
  /** What it took. */
  readonly usage: TokenUsage
  readonly upstream: null
  readonly complete: boolean
  readonly streamEnded: boolean
  readonly end: number
  /** What it goes on from, as that came; null if it is not to be typed into. */
  readonly prompt: Buffer | null
  private readonly body: Buffer
  private readonly madeAt: number

  /** @param madeAt `performance.now()` of when it came: it may have been in another's cache before (RFC 9111, 5.1) */
  constructor(
    head: CachedHead,
    body: Buffer,
    usage: TokenUsage,
    prompt: Buffer | null = null,
    madeAt = performance.now(),
  ) {
    const headers = [...head.headers]
    this.madeAt = madeAt - (Number(findHeader(headers, 'age')) || 0) * 1_000
    removeHeader(headers, 'age')
    // One that is all there needs no chunks.
    removeHeader(headers, 'content-length')
    headers.push('content-length', String(body.length))
    this.head = { ...head, headers }
    this.sharedUsage = { usage }
    this.usage = usage
    this.upstream = null
    this.complete = true
    this.streamEnded = true
    this.end = body.length === 0 ? 0 : 1
    this.prompt = prompt
    this.body = body
  }

  get age(): number {
    return Math.floor((performance.now() - this.madeAt) / 1_000)
  }

  /** The same with less of a body, of which the upstream's head does not speak any more. */
  shortened(body: Buffer, usage: TokenUsage): CachedResponse {
    const headers = [...this.head.headers]
    removeEntityHeaders(headers)
    return new CachedResponse({ ...this.head, headers }, body, usage, null, this.madeAt)
  }

  /** What it takes in memory. */
  get bytes(): number {
    let bytes = this.body.length + 1_000
    // Its text beside it, when somebody types: a string may have two bytes for each of UTF-8.
    if (this.prompt !== null) bytes += this.prompt.length + this.body.length * 2
    for (const text of this.head.headers) bytes += text.length
    return bytes
  }

  piece(): Buffer {
    return this.body
  }

  onTick(): void {
    // It is there.
  }

  onTaken(): void {
    // All of it is there.
  }

  unsubscribe(): void {
    // It stays.
  }
}

import type { TokenUsage } from '../exchange/token-usage.js'
import { findHeader, removeHeader } from '../http/flat-headers.js'
import { removeEntityHeaders } from '../http/response-headers.js'
import type { FilteredHead } from '../relay/response-sink.js'
import type { Subscriber } from './subscriber.js'

/** What an answer took; null if that is not known, or not yet. By itself, as it is held longer than the answer. */
export interface SharedUsage {
  usage: TokenUsage | null
}

/** A response in memory that subscribers read, whole or still arriving. */
export interface ResponseSource {
  /** Null before the upstream has answered. */
  readonly head: FilteredHead | null
  /** Chunks that have arrived. */
  readonly chunkCount: number
  /** All chunks have arrived. */
  readonly isComplete: boolean
  readonly sharedUsage: SharedUsage
  /** The upstream that answers; null for a cached response, or before one was asked. */
  readonly upstream: string | null
  /** Seconds since the response was made; null while it arrives. */
  readonly age: number | null
  /** The response has told its own end, such as by `[DONE]`. */
  hasEndMark(): boolean
  /** @param index below `chunkCount`; chunks that every subscriber has taken may be gone */
  chunk(index: number): Buffer
  /** Called at every tick of the listener's clock. @param now `performance.now()` */
  onTick(now: number): void
  /** A slow subscriber has taken more. */
  onTaken(): void
  /** A subscriber has been served, or has left. */
  unsubscribe(subscriber: Subscriber): void
}

/** A whole answer that is kept. */
export class CachedResponse implements ResponseSource {
  readonly head: FilteredHead
  readonly sharedUsage: SharedUsage
  /** What it took. */
  readonly usage: TokenUsage
  readonly upstream: null
  readonly isComplete: boolean
  readonly chunkCount: number
  /** What it goes on from, as that came; null if it is not to be typed into. */
  readonly prompt: Buffer | null
  private readonly body: Buffer
  private readonly madeAt: number

  /** @param madeAt `performance.now()` of when it came: it may have been in another's cache before (RFC 9111, 5.1) */
  constructor(
    head: FilteredHead,
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
    this.isComplete = true
    this.chunkCount = body.length === 0 ? 0 : 1
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

  hasEndMark(): boolean {
    return true
  }

  chunk(): Buffer {
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

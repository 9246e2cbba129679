import type { TokenUsage } from '../exchange/token-usage.js'
import { findHeader, removeHeader } from '../http/flat-headers.js'
import { removeEntityHeaders } from '../http/response-headers.js'
import type { FilteredHead } from '../relay/response-sink.js'
import type { Subscriber } from './subscriber.js'

/** Usage of a response; null until it is known. A separate object, because it is held longer than the response. */
export interface SharedUsage {
  usage: TokenUsage | null
  /** The upstream that made the response, which decides its price; null until its usage is known. */
  upstream: string | null
}

/** A response in memory that subscribers read, whole or still arriving. */
export interface ResponseSource {
  /** Null before the upstream has responded. */
  readonly head: FilteredHead | null
  /** Chunks that have arrived. */
  readonly chunkCount: number
  /** All chunks have arrived. */
  readonly isComplete: boolean
  readonly sharedUsage: SharedUsage
  /** The upstream that responds; null for a cached response, or before the first attempt. */
  readonly upstream: string | null
  /** Seconds since the response was made; null while it arrives. */
  readonly age: number | null
  /** The response contains its own end mark, such as `[DONE]`. */
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

/** A complete response in memory. */
export class CachedResponse implements ResponseSource {
  readonly head: FilteredHead
  readonly sharedUsage: SharedUsage
  /** Usage of the response. */
  readonly usage: TokenUsage
  readonly upstream: null
  readonly isComplete: boolean
  readonly chunkCount: number
  /** The prompt as it came; null if the response is not in the prefix index. */
  readonly prompt: Buffer | null
  private readonly body: Buffer
  private readonly madeAt: number

  /**
   * @param maker the upstream that made it
   * @param madeAt `performance.now()` at its arrival. An `age` from another cache counts too (RFC 9111, 5.1)
   */
  constructor(
    head: FilteredHead,
    body: Buffer,
    usage: TokenUsage,
    prompt: Buffer | null = null,
    maker: string | null = null,
    madeAt = performance.now(),
  ) {
    const headers = [...head.headers]
    this.madeAt = madeAt - (Number(findHeader(headers, 'age')) || 0) * 1_000
    removeHeader(headers, 'age')
    // A complete body has a length, and needs no chunks.
    removeHeader(headers, 'content-length')
    headers.push('content-length', String(body.length))
    this.head = { ...head, headers }
    this.sharedUsage = { usage, upstream: maker }
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

  /** Copies the response with a shorter body, without the headers that describe the old body. */
  shortened(body: Buffer, usage: TokenUsage): CachedResponse {
    const headers = [...this.head.headers]
    removeEntityHeaders(headers)
    return new CachedResponse(
      { ...this.head, headers },
      body,
      usage,
      null,
      this.sharedUsage.upstream,
      this.madeAt,
    )
  }

  /** Estimated bytes in memory. */
  get bytes(): number {
    let bytes = this.body.length + 1_000
    // The trimmer holds the text as a string, which may take two bytes for each byte of UTF-8.
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
    // A complete response has no limits to check.
  }

  onTaken(): void {
    // Nothing has to be read on.
  }

  unsubscribe(): void {
    // The cache keeps the response.
  }
}

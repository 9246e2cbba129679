import type { ErrorCode } from '../api/errors.js'
import { resolveUsage } from '../exchange/token-usage.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { ResponsePipeline } from '../relay/response-pipeline.js'
import type { CutReason, FilteredHead, ResponseSink } from '../relay/response-sink.js'
import { CachedResponse, type ResponseSource, type SharedUsage } from './cached-response.js'
import type { ResponseCache } from './response-cache.js'
import type { Subscriber } from './subscriber.js'

/**
 * A response that any number of clients read while it arrives; all of them sent the same request. The whole response is
 * held in memory while it is small enough for the cache, so that a late subscriber gets all of it and a slow one does
 * not delay the others.
 *
 * A larger response is closed: no client can subscribe any more, chunks that every subscriber has taken are freed, and
 * a subscriber that is `entryBytes` behind is cut off, unless it is the only one. Then the upstream waits for it.
 */
export class SharedResponse implements ResponseSink, ResponseSource {
  readonly keepsResponse: boolean
  readonly key: string
  readonly age: null
  readonly sharedUsage: SharedUsage
  /** Null before the upstream has responded, and once everything is freed. */
  head: FilteredHead | null
  /** The only subscriber is far behind: the upstream has to wait for it. */
  isBlocked: boolean
  /** The prompt as the client sent it, for a later request that continues it; null if it is not held. */
  heldPrompt: Buffer | null
  private state: 'running' | 'complete' | 'stopped'
  /** New subscribers are not taken. */
  private isClosed: boolean
  /** Null once everything is freed. */
  private pipeline: ResponsePipeline | null
  private readonly cache: ResponseCache
  /** What is held of a response that can be cached (`cache.entryBytes`). */
  private readonly entryBytes: number
  private readonly subscribers: Subscriber[]
  private readonly chunks: Buffer[]
  /** Chunks that were freed. */
  private freed: number
  /** Bytes of the chunks that are held. */
  private heldBytes: number
  /** Of the request that is billed, for an estimate. */
  private prompt: PromptSample | null

  constructor(key: string, pipeline: ResponsePipeline, cache: ResponseCache, entryBytes: number) {
    this.keepsResponse = true
    this.key = key
    this.age = null
    this.sharedUsage = { usage: null, upstream: null }
    this.head = null
    this.isBlocked = false
    this.heldPrompt = null
    this.state = 'running'
    this.isClosed = false
    this.pipeline = pipeline
    this.cache = cache
    this.entryBytes = entryBytes
    this.subscribers = []
    this.chunks = []
    this.freed = 0
    this.heldBytes = 0
    this.prompt = null
  }

  // For subscribers

  get chunkCount(): number {
    return this.freed + this.chunks.length
  }

  get isComplete(): boolean {
    return this.state === 'complete'
  }

  get upstream(): string | null {
    return this.pipeline?.upstream ?? null
  }

  hasEndMark(): boolean {
    return this.pipeline?.hasSentEnd() === true
  }

  chunk(index: number): Buffer {
    return this.chunks[index - this.freed] as Buffer
  }

  /** The first subscriber pays: upstream usage is in its record. */
  subscribe(subscriber: Subscriber): void {
    this.subscribers.push(subscriber)
    if (this.head === null) return
    subscriber.begin(this.head)
    subscriber.pump()
    subscriber.writer.flushHead()
  }

  unsubscribe(subscriber: Subscriber): void {
    if (!this.subscribers.includes(subscriber)) return
    this.remove(subscriber)
    if (this.state !== 'running') this.free()
    else if (this.subscribers.length > 0) this.trim()
    else {
      this.isBlocked = false
      this.pipeline?.onClientGone()
    }
  }

  onTaken(): void {
    this.trim()
  }

  onTick(now: number): void {
    if (this.state === 'running') this.pipeline?.onTick(now)
  }

  // For the pipeline

  get hasClients(): boolean {
    return this.subscribers.length > 0
  }

  begin(head: FilteredHead): void {
    for (const subscriber of this.subscribers) subscriber.begin(head)
    this.prompt = this.subscribers[0]?.exchange.outcome.prompt ?? null
    this.head = head
  }

  flushHead(): void {
    for (const { writer } of this.subscribers) writer.flushHead()
  }

  passChunks(): void {
    // Chunks have to be kept, so they cannot pass from socket to socket.
  }

  resumeChunks(): void {
    // See above.
  }

  countChunk(): void {
    // Each subscriber counts the chunks that it is sent.
  }

  write(chunk: Buffer): boolean {
    if (this.state === 'running') this.add(chunk)
    return !this.isBlocked
  }

  end(meter: Meter | null): void {
    if (this.state !== 'running') return
    this.state = 'complete'
    for (const subscriber of this.subscribers) subscriber.pump()
    if (meter === null) {
      this.close()
      return
    }
    meter.end()
    meter.whenRead(() => this.onRead(meter))
  }

  refuseTooLong(): void {
    this.close()
    for (const { writer } of this.subscribers) writer.refuseTooLong()
  }

  cut(end: CutReason, cause: string, tail: Buffer): void {
    // Before the tail: data that arrives with a reset hides it (see `ClientWriter.cut`).
    for (const subscriber of this.subscribers)
      if (subscriber.writer.closeDelimited) subscriber.cut(end, cause)
    this.add(tail)
    this.stop()
    this.dismiss((subscriber) => subscriber.cut(end, cause))
  }

  fail(code: ErrorCode, cause: string): void {
    this.stop()
    this.dismiss((subscriber) => subscriber.fail(code, cause))
  }

  drop(): void {
    this.stop()
    this.free()
  }

  // What happens

  private remove(subscriber: Subscriber): void {
    const { subscribers } = this
    const place = subscribers.indexOf(subscriber)
    subscribers.splice(place, 1)
    this.cache.onLeft(subscriber)
    const heir = subscribers[0]
    if (this.state !== 'running' || this.pipeline?.exchange !== subscriber.exchange || heir === undefined)
      return
    // Another subscriber is billed now and gets the cache outcome of the one that left.
    heir.exchange.setCache('miss')
    subscriber.exchange.setCache('joined')
    // Its own prompt was freed without a sample.
    if (this.head !== null) heir.exchange.setPrompt(this.prompt)
    this.pipeline?.moveTo(heir.exchange)
  }

  private add(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.chunks.push(chunk)
    this.heldBytes += chunk.length
    if (this.heldBytes > this.entryBytes) this.close()
    for (const subscriber of [...this.subscribers]) subscriber.pump()
    if (this.isClosed) this.trim()
  }

  private close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.cache.onClosed(this)
  }

  private stop(): void {
    this.state = 'stopped'
    this.close()
  }

  /** Frees the chunks that every subscriber of a closed response has taken, and cuts off subscribers too far behind. */
  private trim(): void {
    if (!this.isClosed || this.state !== 'running') return
    const { subscribers, chunks, entryBytes } = this
    if (this.heldBytes > entryBytes && subscribers.length > 1) {
      for (const subscriber of [...subscribers]) {
        if (this.countBytesFrom(subscriber.next) <= entryBytes || subscribers.length === 1) continue
        this.remove(subscriber)
        subscriber.cut('client_stalled', 'cache.entryBytes')
      }
    }
    const needed = subscribers.reduce((least, { next }) => Math.min(least, next), this.chunkCount)
    for (; this.freed < needed; this.freed++) this.heldBytes -= (chunks.shift() as Buffer).length
    const wasBlocked = this.isBlocked
    this.isBlocked = this.heldBytes > entryBytes
    if (wasBlocked && !this.isBlocked) this.pipeline?.resume()
  }

  private countBytesFrom(index: number): number {
    let bytes = 0
    for (let i = Math.max(0, index - this.freed); i < this.chunks.length; i++)
      bytes += this.chunk(i + this.freed).length
    return bytes
  }

  private dismiss(inform: (subscriber: Subscriber) => void): void {
    for (const subscriber of this.subscribers.splice(0)) {
      inform(subscriber)
      this.cache.onLeft(subscriber)
    }
    this.free()
  }

  /** All of the response has been read by the meter. */
  private onRead(meter: Meter): void {
    const { head } = this
    if (head === null) return
    const stats = meter.readStats()
    const { facts, status } = head
    const usage = resolveUsage({ stats, prompt: this.prompt, status, end: 'done' })
    this.sharedUsage.usage = usage
    this.sharedUsage.upstream = this.upstream
    const isWhole =
      status === 200 &&
      stats.error === null &&
      stats.unparsed === 0 &&
      stats.events > 0 &&
      // A stream may be called JSON. JSON itself is one event.
      (stats.ended || (!facts.eventStream && stats.events === 1))
    if (isWhole && !this.isClosed) {
      // A compressed response cannot be read, so it cannot be trimmed for a prompt that continues it.
      const prompt = facts.encoding === null ? this.heldPrompt : null
      const [body, heldPrompt] = copyToOneBuffer(this.chunks, this.heldBytes, prompt)
      this.cache.onKept(this, new CachedResponse(head, body, usage, heldPrompt, this.upstream))
    }
    this.close()
    this.free()
  }

  /**
   * Frees everything when no subscriber needs it. The object itself may live on for a while: the recorder holds it
   * until the request is written, and so do old backing stores of V8's maps (bench `misses`).
   */
  private free(): void {
    if (this.subscribers.length > 0 || !this.isClosed) return
    this.freed += this.chunks.length
    this.chunks.length = 0
    this.head = null
    this.pipeline = null
    this.prompt = null
    this.heldPrompt = null
  }
}

/** In memory of its own: a slice of Node's pool would keep all of the pool alive. One buffer, as each costs. */
function copyToOneBuffer(
  chunks: readonly Buffer[],
  bytes: number,
  prompt: Buffer | null,
): [Buffer, Buffer | null] {
  const memory = Buffer.allocUnsafeSlow(bytes + (prompt?.length ?? 0))
  let at = 0
  for (const chunk of chunks) at += chunk.copy(memory, at)
  if (prompt === null) return [memory, null]
  prompt.copy(memory, at)
  return [memory.subarray(0, bytes), memory.subarray(bytes)]
}

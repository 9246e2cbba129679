import { LRUCache } from 'lru-cache'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { findHeader } from '../http/flat-headers.js'
import type { RelayContext } from '../relay/relay-context.js'
import type { RequestBody } from '../relay/request-body.js'
import type { ResponsePipeline } from '../relay/response-pipeline.js'
import { buildCacheKey, prefixKeyOf, type Span } from './cache-key.js'
import { type CacheCandidate, CacheRules } from './cache-rules.js'
import type { CachedResponse } from './cached-response.js'
import { PrefixEntry, PrefixIndex } from './prefix-index.js'
import { SharedResponse } from './shared-response.js'
import { Subscriber } from './subscriber.js'

type Answered = 'answered'

/** Answers of autocomplete requests: kept for seconds, and shared while they come. */
export class ResponseCache {
  private readonly config: Config
  private readonly policy: CacheRules
  private readonly context: RelayContext
  private readonly kept: LRUCache<string, CachedResponse>
  /** Where a prompt that goes on as the answer to an earlier one is looked for. */
  private readonly index: PrefixIndex
  /** In boxes that are emptied: a table that has grown old holds on to what was in it (bench `misses`). */
  private readonly flights: Map<string, { shared: SharedResponse | null }>
  /** Bytes of the prompts that flights hold. */
  private promptBytes: number
  /** What each session waits for, where a newer request takes the place of an older one. */
  private readonly sessions: Map<string, Waiting>

  constructor(config: Config, context: RelayContext) {
    const { bytes, ttlMs, rules } = config.cache
    this.config = config
    this.policy = new CacheRules(rules)
    this.context = context
    this.index = new PrefixIndex()
    this.kept = new LRUCache({
      maxSize: bytes,
      ttl: ttlMs,
      // Or each millisecond has a timer of its own.
      ttlResolution: 0,
      sizeCalculation: sizeOf,
      dispose: (answer, key) => {
        if (answer.prompt !== null) this.index.remove(prefixKeyOf(key), answer)
      },
    })
    this.flights = new Map()
    this.promptBytes = 0
    this.sessions = new Map()
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.kept.calculatedSize
  }

  /** Bytes of the prompts that are held for responses that still arrive. */
  get openPromptBytes(): number {
    return this.promptBytes
  }

  /** Responses that still arrive, and that a further request can join. */
  get openResponses(): readonly SharedResponse[] {
    return [...this.flights.values()].flatMap(({ shared }) => shared ?? [])
  }

  /** How many cached prompts each stem of the prefix index has. */
  get indexedPrompts(): readonly number[] {
    return this.index.promptCounts
  }

  /** Whether a request may turn out to be one of those whose answers are kept, when its body is whole. */
  mayHold(exchange: Exchange, bytes: number): boolean {
    const wished = wish(exchange)
    return wished === 'on' || (wished === null && this.policy.mayMatch(questionOf(exchange, bytes)))
  }

  /**
   * Answers a request from memory, or joins it to one that is running.
   * @param route the targets to which it may go
   * @param body whole, or one that `mayHold` did not want to wait for
   * @returns `answered`; or the key under which its answer is to be kept (`start`); or null if it is not
   */
  answer(exchange: Exchange, route: string, body: RequestBody): Answered | { readonly key: string } | null {
    const wished = wish(exchange)
    if (exchange.request.method !== 'POST') return null
    if (wished !== 'on' && !this.policy.matches(questionOf(exchange, body.length), body.peeked)) return null
    if (wished === 'off') {
      exchange.setCache('off')
      return null
    }
    if (!body.isComplete) return null
    const { path, query } = exchange.request
    const { rawHeaders } = exchange.req
    const whole = body.join()
    const prompt = this.promptOf(exchange, body)
    const identity = { scope: this.scopeOf(exchange), route, path, query, rawHeaders, body: [whole] }
    const key = buildCacheKey(identity, prompt)
    const session = this.config.cache.supersede ? sessionOf(exchange) : null
    const older = session === null ? undefined : this.sessions.get(session)
    if (older !== undefined && older.key !== key) older.subscriber.supersede()
    const kept = this.kept.get(key)
    if (kept !== undefined) {
      this.send(exchange, 'hit', kept)
      return 'answered'
    }
    const running = this.flights.get(key)?.shared ?? null
    if (running !== null) {
      exchange.setCache('joined')
      exchange.setUpstream(running.upstream)
      running.subscribe(this.wait(exchange, running))
      return 'answered'
    }
    const rest = prompt === null ? null : this.index.find(prefixKeyOf(key), whole, prompt, this.isKept)
    if (rest === null) return { key }
    this.send(exchange, 'prefix', rest)
    return 'answered'
  }

  /** Shares the response to a request that nobody has sent before. @returns the sink that it goes to */
  share(exchange: Exchange, key: string, body: RequestBody, pipeline: ResponsePipeline): SharedResponse {
    exchange.setCache('miss')
    const shared = new SharedResponse(key, pipeline, this, this.config.cache.entryBytes)
    this.flights.set(key, { shared })
    this.holdPrompt(exchange, body, shared)
    shared.subscribe(this.wait(exchange, shared))
    return shared
  }

  onClosed(shared: SharedResponse): void {
    this.promptBytes -= shared.heldPrompt?.buffer.byteLength ?? 0
    shared.heldPrompt = null
    const box = this.flights.get(shared.key)
    if (box?.shared !== shared) return
    box.shared = null
    this.flights.delete(shared.key)
  }

  onLeft(subscriber: Subscriber): void {
    if (!this.config.cache.supersede) return
    const session = sessionOf(subscriber.exchange)
    if (this.sessions.get(session)?.subscriber === subscriber) this.sessions.delete(session)
  }

  onKept(shared: SharedResponse, answer: CachedResponse): void {
    const { key } = shared
    this.kept.set(key, answer)
    if (answer.prompt === null || this.kept.peek(key) !== answer) return
    this.index.add(prefixKeyOf(key), new PrefixEntry(key, answer.prompt, answer))
  }

  /** Sends a cached response. */
  private send(exchange: Exchange, outcome: 'hit' | 'prefix', cached: CachedResponse): void {
    exchange.setCache(outcome)
    const subscriber = this.follow(exchange, cached)
    subscriber.begin(cached.head)
    subscriber.pump()
    exchange.markHeadSent(performance.now())
  }

  private readonly isKept = ({ key, answer }: PrefixEntry): boolean => this.kept.get(key) === answer

  /** Where the text of a prompt stands that may go on as the answer to an earlier one: that of a completion. */
  private promptOf(exchange: Exchange, body: RequestBody): Span | null {
    const { prompt } = body.peeked
    if (!this.config.cache.prefix || prompt === null || !completes(exchange.request.path)) return null
    return { start: prompt.start + 1, end: prompt.end - 1 }
  }

  /** The client's bytes, while the answer comes. All of these take up no more than all answers that are kept. */
  private holdPrompt(exchange: Exchange, body: RequestBody, shared: SharedResponse): void {
    const span = this.promptOf(exchange, body)
    const { bytes, entryBytes } = this.config.cache
    if (span === null) return
    const prompt = body.join().subarray(span.start, span.end)
    const { byteLength } = prompt.buffer
    if (prompt.length > entryBytes || this.promptBytes + byteLength > bytes) return
    shared.heldPrompt = prompt
    this.promptBytes += byteLength
  }

  private wait(exchange: Exchange, shared: SharedResponse): Subscriber {
    const subscriber = this.follow(exchange, shared)
    if (this.config.cache.supersede) this.sessions.set(sessionOf(exchange), { key: shared.key, subscriber })
    return subscriber
  }

  private follow(exchange: Exchange, source: SharedResponse | CachedResponse): Subscriber {
    return new Subscriber(exchange, source, this.context, this.config.timeouts.clientStallMs)
  }

  private scopeOf(exchange: Exchange): string | null {
    const { scope } = this.config.cache
    const { mode } = this.config.keys
    // Only the upstream knows whether a client's own credential is good, so nobody else may have what it got.
    if (mode === 'passthrough') return null
    if (scope === 'all' || mode === 'off') return ''
    if (exchange.request.key === null) return null
    return scope === 'team' ? exchange.request.key.team : exchange.request.key.id
  }
}

interface Waiting {
  readonly key: string
  readonly subscriber: Subscriber
}

/** Who types: what the client says of itself, or all that is known of it. */
function sessionOf(exchange: Exchange): string {
  const { rawHeaders } = exchange.req
  const said = findHeader(rawHeaders, 'x-thinwire-session')
  const whose = exchange.request.key?.id ?? exchange.req.socket.remoteAddress ?? ''
  if (said !== undefined) return `${whose}\n${said}`
  return [
    whose,
    exchange.request.path,
    exchange.request.model ?? '',
    findHeader(rawHeaders, 'user-agent') ?? '',
  ].join('\n')
}

/** What the client wishes: `x-thinwire-cache: on` or `off`, or `cache-control` (RFC 9111, 5.2.1). */
function wish(exchange: Exchange): 'on' | 'off' | null {
  const { rawHeaders } = exchange.req
  const said = findHeader(rawHeaders, 'x-thinwire-cache')?.trim().toLowerCase()
  if (said === 'on' || said === 'off') return said
  const control = findHeader(rawHeaders, 'cache-control')
  return control !== undefined && /\bno-(?:cache|store)\b/i.test(control) ? 'off' : null
}

function questionOf(exchange: Exchange, bytes: number): CacheCandidate {
  return {
    method: exchange.request.method,
    path: exchange.request.path,
    team: exchange.request.key?.team ?? null,
    model: exchange.request.model,
    bytes,
  }
}

/** Whether what is asked for there is how a text goes on, and not what is said to it. */
function completes(path: string): boolean {
  return path.endsWith('/completions') && !path.endsWith('/chat/completions')
}

/** A key has in it what the client sent, as long as that is. */
function sizeOf(answer: CachedResponse, key: string): number {
  return answer.bytes + key.length
}

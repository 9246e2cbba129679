import { LRUCache } from 'lru-cache'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RequestFacts } from '../exchange/request-facts.js'
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

/** Headers may ask for the cache, or refuse it. */
type Wishing = Pick<RequestFacts, 'rawHeaders'>

/** Responses to autocomplete requests: kept for seconds, and shared while they arrive. */
export class ResponseCache {
  private readonly config: Config
  private readonly rules: CacheRules
  private readonly context: RelayContext
  private readonly kept: LRUCache<string, CachedResponse>
  /** Finds the cached completion that a prompt continues. */
  private readonly index: PrefixIndex
  /**
   * Boxed and nulled on delete: V8 keeps a Map's old backing store, entries included, until a major GC (bench
   * `misses`).
   */
  private readonly open: Map<string, { shared: SharedResponse | null }>
  /** Bytes of the prompts that open responses hold. */
  private promptBytes: number
  /** The open request of each session, which a newer request replaces (`cache.supersede`). */
  private readonly sessions: Map<string, Waiting>

  constructor(config: Config, context: RelayContext) {
    const { bytes, ttlMs, rules } = config.cache
    this.config = config
    this.rules = new CacheRules(rules)
    this.context = context
    this.index = new PrefixIndex()
    this.kept = new LRUCache({
      maxSize: bytes,
      ttl: ttlMs,
      // With a resolution, lru-cache would start a timer for it.
      ttlResolution: 0,
      sizeCalculation: sizeOf,
      dispose: (cached, key) => {
        if (cached.prompt !== null) this.index.remove(prefixKeyOf(key), cached)
      },
    })
    this.open = new Map()
    this.promptBytes = 0
    this.sessions = new Map()
  }

  /** Bytes of the cached responses. */
  get bytes(): number {
    return this.kept.calculatedSize
  }

  /** Bytes of the prompts that are held for responses that still arrive. */
  get openPromptBytes(): number {
    return this.promptBytes
  }

  /** Responses that still arrive, and that a further request can join. */
  get openResponses(): readonly SharedResponse[] {
    return [...this.open.values()].flatMap(({ shared }) => shared ?? [])
  }

  /** How many cached prompts each prefix key has. */
  get indexedPrompts(): readonly number[] {
    return this.index.promptCounts
  }

  /** Whether the response may be cached, by the head of the request alone. @param bytes length of the body */
  mayHold(request: CacheCandidate & Wishing, bytes: number): boolean {
    const wish = readWish(request)
    return wish === 'on' || (wish === null && this.rules.mayMatch(request, bytes))
  }

  /**
   * Serves a request from memory, or lets it join a response that still arrives.
   * @param route identifies the targets, the model and the API
   * @param body complete, unless `mayHold` returned false
   * @returns `answered`; or the key for `share`; or null if the response is not cached
   */
  answer(exchange: Exchange, route: string, body: RequestBody): Answered | { readonly key: string } | null {
    const { request } = exchange
    const wish = readWish(request)
    if (request.method !== 'POST') return null
    if (wish !== 'on' && !this.rules.matches(request, body.length, body.peeked)) return null
    if (wish === 'off') {
      exchange.setCache('off')
      return null
    }
    if (!body.isComplete) return null
    const { path, query, rawHeaders } = request
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
    const running = this.open.get(key)?.shared ?? null
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

  /** Makes the response to a request shared and cached. @param key from `answer` @returns the sink of the response */
  share(exchange: Exchange, key: string, body: RequestBody, pipeline: ResponsePipeline): SharedResponse {
    exchange.setCache('miss')
    const shared = new SharedResponse(key, pipeline, this, this.config.cache.entryBytes)
    this.open.set(key, { shared })
    this.holdPrompt(exchange, body, shared)
    shared.subscribe(this.wait(exchange, shared))
    return shared
  }

  onClosed(shared: SharedResponse): void {
    this.promptBytes -= shared.heldPrompt?.buffer.byteLength ?? 0
    shared.heldPrompt = null
    const box = this.open.get(shared.key)
    if (box?.shared !== shared) return
    box.shared = null
    this.open.delete(shared.key)
  }

  onLeft(subscriber: Subscriber): void {
    if (!this.config.cache.supersede) return
    const session = sessionOf(subscriber.exchange)
    if (this.sessions.get(session)?.subscriber === subscriber) this.sessions.delete(session)
  }

  onKept(shared: SharedResponse, response: CachedResponse): void {
    const { key } = shared
    this.kept.set(key, response)
    if (response.prompt === null || this.kept.peek(key) !== response) return
    this.index.add(prefixKeyOf(key), new PrefixEntry(key, response.prompt, response))
  }

  /** Sends a cached response. */
  private send(exchange: Exchange, outcome: 'hit' | 'prefix', cached: CachedResponse): void {
    exchange.setCache(outcome)
    const subscriber = this.follow(exchange, cached)
    subscriber.begin(cached.head)
    subscriber.pump()
    exchange.markHeadSent(performance.now())
  }

  private readonly isKept = ({ key, response }: PrefixEntry): boolean => this.kept.get(key) === response

  /** Position of the prompt's text in the body of a completion; null if the prefix index does not apply. */
  private promptOf(exchange: Exchange, body: RequestBody): Span | null {
    const { prompt } = body.peeked
    if (!this.config.cache.prefix || prompt === null || !isCompletions(exchange.request.path)) return null
    return { start: prompt.start + 1, end: prompt.end - 1 }
  }

  /** Holds the prompt while the response arrives. All held prompts together are bounded by `cache.bytes`. */
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
    // Only the upstream can check a client's own credential, so its responses are for that credential alone.
    if (mode === 'passthrough') return null
    if (scope === 'all' || mode === 'off') return ''
    if (exchange.request.key === null) return null
    return scope === 'team' ? exchange.request.key.team : exchange.request.key.id
  }
}

/** The open request of a session, and the cache key of its response. */
interface Waiting {
  readonly key: string
  readonly subscriber: Subscriber
}

/** Identifies the editor session: by `x-thinwire-session`, or by key or address, path, model and user agent. */
function sessionOf(exchange: Exchange): string {
  const { rawHeaders } = exchange.req
  const session = findHeader(rawHeaders, 'x-thinwire-session')
  const whose = exchange.request.key?.id ?? exchange.req.socket.remoteAddress ?? ''
  if (session !== undefined) return `${whose}\n${session}`
  return [
    whose,
    exchange.request.path,
    exchange.request.model ?? '',
    findHeader(rawHeaders, 'user-agent') ?? '',
  ].join('\n')
}

/** Reads the client's wish: `x-thinwire-cache: on` or `off`, or `cache-control` (RFC 9111, 5.2.1); null for none. */
function readWish({ rawHeaders }: Wishing): 'on' | 'off' | null {
  const wish = findHeader(rawHeaders, 'x-thinwire-cache')?.trim().toLowerCase()
  if (wish === 'on' || wish === 'off') return wish
  const control = findHeader(rawHeaders, 'cache-control')
  return control !== undefined && /\bno-(?:cache|store)\b/i.test(control) ? 'off' : null
}

/** Whether a path is of the completions API, and not of chat. */
function isCompletions(path: string): boolean {
  return path.endsWith('/completions') && !path.endsWith('/chat/completions')
}

/** The key counts too: it contains the query and the headers of the request, which may be long. */
function sizeOf(cached: CachedResponse, key: string): number {
  return cached.bytes + key.length
}

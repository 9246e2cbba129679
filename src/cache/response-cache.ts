import { LRUCache } from 'lru-cache'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { headerValue } from '../http/headers.js'
import type { RequestBody } from '../relay/request-body.js'
import { cacheKey, type Span, stemOf } from './cache-key.js'
import { CachePolicy, type Question } from './cache-rules.js'
import type { KeptAnswer } from './cached-response.js'
import { KeptPrompt, PromptIndex } from './prefix-index.js'
import { Flight, type FlightOwner } from './shared-response.js'
import { Follower, type FollowerOwner } from './subscriber.js'

type Answered = 'answered'

/** Answers of autocomplete requests: kept for seconds, and shared while they come. */
export class AnswerCache implements FlightOwner {
  private readonly config: Config
  private readonly policy: CachePolicy
  private readonly owner: FollowerOwner
  private readonly kept: LRUCache<string, KeptAnswer>
  /** Where a prompt that goes on as the answer to an earlier one is looked for. */
  private readonly index: PromptIndex
  /** In boxes that are emptied: a table that has grown old holds on to what was in it (bench `misses`). */
  private readonly flights: Map<string, { flight: Flight | null }>
  /** Bytes of the prompts that flights hold. */
  private promptBytes: number
  /** What each session waits for, where a newer request takes the place of an older one. */
  private readonly sessions: Map<string, Waiting>

  constructor(config: Config, owner: FollowerOwner) {
    const { bytes, ttlMs, rules } = config.cache
    this.config = config
    this.policy = new CachePolicy(rules)
    this.owner = owner
    this.index = new PromptIndex()
    this.kept = new LRUCache({
      maxSize: bytes,
      ttl: ttlMs,
      // Or each millisecond has a timer of its own.
      ttlResolution: 0,
      sizeCalculation: sizeOf,
      dispose: (answer, key) => {
        if (answer.prompt !== null) this.index.remove(stemOf(key), answer)
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

  /** Whether a request may turn out to be one of those whose answers are kept, when its body is whole. */
  mayHold(x: Exchange, bytes: number): boolean {
    const wished = wish(x)
    return wished === 'on' || (wished === null && this.policy.mayHold(questionOf(x, bytes)))
  }

  /**
   * Answers a request from memory, or joins it to one that is running.
   * @param route the targets to which it may go
   * @param body whole, or one that `mayHold` did not want to wait for
   * @returns `answered`; or the key under which its answer is to be kept (`start`); or null if it is not
   */
  answer(x: Exchange, route: string, body: RequestBody): Answered | { readonly key: string } | null {
    const wished = wish(x)
    if (x.method !== 'POST') return null
    if (wished !== 'on' && !this.policy.holds(questionOf(x, body.length), body.found)) return null
    if (wished === 'off') {
      x.cache = 'off'
      return null
    }
    if (!body.whole) return null
    const { path, query } = x
    const { rawHeaders } = x.req
    const whole = body.bytes
    const prompt = this.promptOf(x, body)
    const identity = { scope: this.scopeOf(x), route, path, query, rawHeaders, body: [whole] }
    const key = cacheKey(identity, prompt)
    const session = this.config.cache.supersede ? sessionOf(x) : null
    const older = session === null ? undefined : this.sessions.get(session)
    if (older !== undefined && older.key !== key) older.follower.supersede()
    const kept = this.kept.get(key)
    if (kept !== undefined) {
      this.send(x, 'hit', kept)
      return 'answered'
    }
    const running = this.flights.get(key)?.flight ?? null
    if (running !== null) {
      x.cache = 'joined'
      x.upstream = running.upstream
      running.join(this.wait(x, running))
      return 'answered'
    }
    const rest = prompt === null ? null : this.index.find(stemOf(key), whole, prompt, this.isKept)
    if (rest === null) return { key }
    this.send(x, 'prefix', rest)
    return 'answered'
  }

  /** @returns what is to be dispatched for a request that nobody has asked before */
  start(x: Exchange, key: string, body: RequestBody): Flight {
    const { entryBytes } = this.config.cache
    x.cache = 'miss'
    const flight = new Flight(key, this, { entryBytes, answerBytes: this.config.limits.answerBytes })
    this.flights.set(key, { flight })
    this.holdPrompt(x, body, flight)
    flight.join(this.wait(x, flight))
    return flight
  }

  onClosed(flight: Flight): void {
    this.promptBytes -= flight.heldPrompt?.buffer.byteLength ?? 0
    flight.heldPrompt = null
    const box = this.flights.get(flight.key)
    if (box?.flight !== flight) return
    box.flight = null
    this.flights.delete(flight.key)
  }

  onLeft(follower: Follower): void {
    if (!this.config.cache.supersede) return
    const session = sessionOf(follower.x)
    if (this.sessions.get(session)?.follower === follower) this.sessions.delete(session)
  }

  onKept(flight: Flight, answer: KeptAnswer): void {
    const { key } = flight
    this.kept.set(key, answer)
    if (answer.prompt === null || this.kept.peek(key) !== answer) return
    this.index.add(stemOf(key), new KeptPrompt(key, answer.prompt, answer))
  }

  /** Sends an answer that is all there. */
  private send(x: Exchange, outcome: 'hit' | 'prefix', answer: KeptAnswer): void {
    x.cache = outcome
    const follower = this.follow(x, answer)
    follower.begin(answer.head)
    follower.pump()
  }

  private readonly isKept = ({ key, answer }: KeptPrompt): boolean => this.kept.get(key) === answer

  /** Where the text of a prompt stands that may go on as the answer to an earlier one: that of a completion. */
  private promptOf(x: Exchange, body: RequestBody): Span | null {
    const { promptStart, promptEnd } = body.found
    if (!this.config.cache.prefix || promptStart === -1 || !completes(x.path)) return null
    return { start: promptStart + 1, end: promptEnd - 1 }
  }

  /** The client's bytes, while the answer comes. All of these take up no more than all answers that are kept. */
  private holdPrompt(x: Exchange, body: RequestBody, flight: Flight): void {
    const span = this.promptOf(x, body)
    const { bytes, entryBytes } = this.config.cache
    if (span === null) return
    const prompt = body.bytes.subarray(span.start, span.end)
    const { byteLength } = prompt.buffer
    if (prompt.length > entryBytes || this.promptBytes + byteLength > bytes) return
    flight.heldPrompt = prompt
    this.promptBytes += byteLength
  }

  private wait(x: Exchange, flight: Flight): Follower {
    const follower = this.follow(x, flight)
    if (this.config.cache.supersede) this.sessions.set(sessionOf(x), { key: flight.key, follower })
    return follower
  }

  private follow(x: Exchange, source: Flight | KeptAnswer): Follower {
    return new Follower(x, source, this.owner, {
      clientStallMs: this.config.timeouts.clientStallMs,
      crossOrigin: headerValue(x.req.rawHeaders, 'origin') !== undefined,
    })
  }

  private scopeOf(x: Exchange): string | null {
    const { scope } = this.config.cache
    const { mode } = this.config.keys
    // Only the upstream knows whether a client's own credential is good, so nobody else may have what it got.
    if (mode === 'passthrough') return null
    if (scope === 'all' || mode === 'off') return ''
    if (x.key === null) return null
    return scope === 'team' ? x.key.team : x.key.id
  }
}

interface Waiting {
  readonly key: string
  readonly follower: Follower
}

/** Who types: what the client says of itself, or all that is known of it. */
function sessionOf(x: Exchange): string {
  const { rawHeaders } = x.req
  const said = headerValue(rawHeaders, 'x-thinwire-session')
  const whose = x.key?.id ?? x.req.socket.remoteAddress ?? ''
  if (said !== undefined) return `${whose}\n${said}`
  return [whose, x.path, x.model ?? '', headerValue(rawHeaders, 'user-agent') ?? ''].join('\n')
}

/** What the client wishes: `x-thinwire-cache: on` or `off`, or `cache-control` (RFC 9111, 5.2.1). */
function wish(x: Exchange): 'on' | 'off' | null {
  const { rawHeaders } = x.req
  const said = headerValue(rawHeaders, 'x-thinwire-cache')?.trim().toLowerCase()
  if (said === 'on' || said === 'off') return said
  const control = headerValue(rawHeaders, 'cache-control')
  return control !== undefined && /\bno-(?:cache|store)\b/i.test(control) ? 'off' : null
}

function questionOf(x: Exchange, bytes: number): Question {
  return { method: x.method, path: x.path, team: x.key?.team ?? null, model: x.model, bytes }
}

/** Whether what is asked for there is how a text goes on, and not what is said to it. */
function completes(path: string): boolean {
  return path.endsWith('/completions') && !path.endsWith('/chat/completions')
}

/** A key has in it what the client sent, as long as that is. */
function sizeOf(answer: KeptAnswer, key: string): number {
  return answer.bytes + key.length
}

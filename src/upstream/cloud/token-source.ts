import { readErrorCode } from '../../lib/error-code.js'
import type { CredentialSource } from './credential-source.js'

/** What a token endpoint gave. */
export interface Fetched<T> {
  readonly credential: T
  /** Milliseconds that it is valid from now on. */
  readonly validMs: number
}

/** What a `TokenSource` reports. */
export interface TokenEvents {
  /**
   * No credential could be got. Called once until one is got again.
   * @param cause a code, never a part of a response
   * @param hasOne there is an earlier one, which is still valid
   */
  onTrouble(cause: string, hasOne: boolean): void
  onRecovered(): void
}

/** How often it is checked whether a credential has to be refreshed. */
const CHECK_MS = 1_000

/** A credential is refreshed this long before it expires, or when three quarters of its time are over. */
const LEAD_MS = 600_000
const LEAD_SHARE = 0.25

/**
 * The lead is longer or shorter by up to this share of it: relays that started together must not ask together.
 */
const JITTER = 0.25

/** A credential is not used for so long before its end, as it must be valid when it arrives. */
const MARGIN_MS = 10_000
const MARGIN_SHARE = 0.05

/** The wait after a failure: doubled each time, up to the maximum, and shorter by up to `JITTER`. */
const RETRY_MS = 1_000
const RETRY_MAX_MS = 60_000

/** An upstream that refuses every credential causes no more than one refresh in this time. */
const REFUSED_PAUSE_MS = 60_000

/** A credential of which an upstream has said nothing yet, with its times by `performance.now()`. */
interface Held<T> {
  readonly credential: T
  readonly refreshAt: number
  readonly unusedAfter: number
}

/**
 * Holds a credential that expires: gets the first one at the start, and the next one well ahead of the end, so that no
 * request waits for it. If none can be got, the one that is there is used to its end.
 */
export class TokenSource<T> implements CredentialSource<T> {
  generation: number
  private readonly fetch: () => Promise<Fetched<T>>
  private readonly events: TokenEvents
  private readonly random: () => number
  private held: Held<T> | null
  /** The one before, which responses that are under way may still show. */
  private previous: T | null
  /** Null while nothing is fetched. */
  private fetching: Promise<void> | null
  private timer: NodeJS.Timeout | null
  private failures: number
  private retryAt: number
  private refusedAt: number
  private isClosed: boolean

  /**
   * @param fetch gets a credential; it must settle in bounded time, and its errors have a `code`
   * @param random as `Math.random`
   */
  constructor(fetch: () => Promise<Fetched<T>>, events: TokenEvents, random: () => number = Math.random) {
    this.generation = 0
    this.fetch = fetch
    this.events = events
    this.random = random
    this.held = null
    this.previous = null
    this.fetching = null
    this.timer = null
    this.failures = 0
    this.retryAt = 0
    this.refusedAt = Number.NEGATIVE_INFINITY
    this.isClosed = false
  }

  take(now: number): T | null {
    const { held } = this
    return held !== null && now < held.unusedAfter ? held.credential : null
  }

  get known(): readonly T[] {
    const known = this.held === null ? [] : [this.held.credential]
    return this.previous === null ? known : [...known, this.previous]
  }

  refuse(credential: T, now: number): void {
    if (this.isClosed || this.held?.credential !== credential) return
    if (now - this.refusedAt < REFUSED_PAUSE_MS) return
    this.refusedAt = now
    void this.refresh(now)
  }

  start(): Promise<void> {
    if (this.isClosed || this.timer !== null) return this.fetching ?? Promise.resolve()
    this.timer = setInterval(() => this.tick(performance.now()), CHECK_MS).unref()
    return this.refresh(performance.now())
  }

  /** Called by its own timer. @param now `performance.now()` */
  tick(now: number): void {
    if (this.isClosed || this.fetching !== null || now < this.retryAt) return
    if (this.held === null || now >= this.held.refreshAt) void this.refresh(now)
  }

  close(): void {
    this.isClosed = true
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  private refresh(now: number): Promise<void> {
    if (this.isClosed) return Promise.resolve()
    this.fetching ??= this.fetchNext(now).finally(() => {
      this.fetching = null
    })
    return this.fetching
  }

  /** @param askedAt the time of validity is counted from here, so that a slow answer does not make it longer */
  private async fetchNext(askedAt: number): Promise<void> {
    try {
      const { credential, validMs } = await this.fetch()
      if (!(validMs > 0)) throw new TokenError('TOKEN_EXPIRED')
      if (!this.isClosed) this.hold(credential, validMs, askedAt)
    } catch (error) {
      if (!this.isClosed) this.wait(error)
    }
  }

  private hold(credential: T, validMs: number, askedAt: number): void {
    const lead = Math.min(LEAD_MS, validMs * LEAD_SHARE) * (1 + (this.random() - 0.5) * 2 * JITTER)
    if (this.held !== null && this.held.credential !== credential) this.previous = this.held.credential
    this.held = {
      credential,
      refreshAt: askedAt + validMs - lead,
      unusedAfter: askedAt + validMs - Math.min(MARGIN_MS, validMs * MARGIN_SHARE),
    }
    this.generation++
    this.retryAt = 0
    if (this.failures > 0) this.events.onRecovered()
    this.failures = 0
  }

  private wait(error: unknown): void {
    const now = performance.now()
    const pause = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.failures)
    this.retryAt = now + pause * (1 - this.random() * JITTER)
    if (this.failures === 0) this.events.onTrouble(readErrorCode(error), this.take(now) !== null)
    this.failures++
  }
}

/** A token endpoint gave no credential. Nothing of what it said is in it but a code. */
export class TokenError extends Error {
  readonly code: string

  constructor(code: string) {
    super('the token endpoint gave no credential')
    this.name = 'TokenError'
    this.code = code
  }
}

/** When the phases of a request began: `performance.now()`, or null where the request did not get so far. */
export class Timeline {
  readonly startedAt: number
  /** A request without a body was admitted. Null for one with a body: see `bodyStartedAt`. */
  admittedAt: number | null
  /** The relay began to read the body. */
  bodyStartedAt: number | null
  /** The last byte of the body arrived; null if only its end said so (a chunked body). */
  bodyArrivedAt: number | null
  /** Milliseconds from `bodyStartedAt` until the body was complete. */
  bodyMs: number | null
  /** The plan was made, and the cache is asked. */
  cacheStartedAt: number | null
  /** The request went to the first upstream, or, if that is later, the upload to it was complete. */
  attemptStartedAt: number | null
  /** Milliseconds from there until the first upstream's connection had been given the request. */
  sendMs: number | null
  /** The attempt that won was begun. */
  winnerStartedAt: number | null
  /** The head of the response that the client gets was there. */
  headArrivedAt: number | null
  /** The head for the client was made of it. */
  responseStartedAt: number | null
  /** Milliseconds from there until the head had been handed to the client's socket. */
  headMs: number | null

  /** @param startedAt `performance.now()` */
  constructor(startedAt: number) {
    this.startedAt = startedAt
    this.admittedAt = null
    this.bodyStartedAt = null
    this.bodyArrivedAt = null
    this.bodyMs = null
    this.cacheStartedAt = null
    this.attemptStartedAt = null
    this.sendMs = null
    this.winnerStartedAt = null
    this.headArrivedAt = null
    this.responseStartedAt = null
    this.headMs = null
  }

  /** The first upstream's connection has been given the request. @param now `performance.now()` */
  markSent(now: number): void {
    if (this.attemptStartedAt !== null) this.sendMs = now - this.attemptStartedAt
  }

  /**
   * The body is complete, and was sent on while it arrived. What the relay did in that time has delayed nothing.
   * @param now `performance.now()`
   */
  restartAttempt(now: number): void {
    this.attemptStartedAt = now
    this.sendMs = 0
    if (this.cacheStartedAt !== null) this.cacheStartedAt = now
  }

  /** Milliseconds from the attempt to the head of the response; null if one of them is missing. */
  get upstreamMs(): number | null {
    const { attemptStartedAt, winnerStartedAt, responseStartedAt } = this
    const since = winnerStartedAt ?? attemptStartedAt
    if (since === null || responseStartedAt === null) return null
    return responseStartedAt - Math.max(since, attemptStartedAt ?? since)
  }
}

/** When the phases of a request began: `performance.now()`, or null where the request did not get so far. */
export class Timeline {
  readonly startedAt: number
  /** The relay began to read the body. */
  bodyStartedAt: number | null
  /** Milliseconds until the body was complete. */
  bodyMs: number | null
  /** The request went to the first upstream, or, if that is later, the upload to it was complete. */
  attemptStartedAt: number | null
  /** The attempt that won was begun. */
  winnerStartedAt: number | null
  /** The head of the response arrived. */
  responseStartedAt: number | null
  /** Milliseconds from there until the head had been handed to the client's socket. */
  headMs: number | null

  /** @param startedAt `performance.now()` */
  constructor(startedAt: number) {
    this.startedAt = startedAt
    this.bodyStartedAt = null
    this.bodyMs = null
    this.attemptStartedAt = null
    this.winnerStartedAt = null
    this.responseStartedAt = null
    this.headMs = null
  }

  /** Milliseconds from the attempt to the head of the response; null if one of them is missing. */
  get upstreamMs(): number | null {
    const { attemptStartedAt, winnerStartedAt, responseStartedAt } = this
    const since = winnerStartedAt ?? attemptStartedAt
    if (since === null || responseStartedAt === null) return null
    return responseStartedAt - Math.max(since, attemptStartedAt ?? since)
  }
}

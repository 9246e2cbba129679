import { findHeader } from '../http/flat-headers.js'
import { isJson } from '../http/media-type.js'
import { compareAnswers, type FailedAnswer } from '../routing/answer-rank.js'
import type { FailureKind } from '../routing/outcome.js'
import { readAskedMs } from '../routing/retry-after.js'
import type { Attempt, ResponseHead } from './attempt.js'
import type { ByteBudget } from './byte-budget.js'
import { FallbackResponse } from './fallback-response.js'
import { judgeFallback } from './refusal-reports.js'

/** The error responses of the targets that have failed so far: the best one for the client is kept. */
export class FallbackResponses {
  private readonly budget: ByteBudget
  private readonly ownsCredential: boolean
  private readonly arriving: Set<FallbackResponse>
  /** The best complete one. */
  private best: FallbackResponse | null
  private whenAll: ((best: FallbackResponse | null) => void) | null

  constructor(budget: ByteBudget, ownsCredential: boolean) {
    this.budget = budget
    this.ownsCredential = ownsCredential
    this.arriving = new Set()
    this.best = null
    this.whenAll = null
  }

  add(attempt: Attempt, head: ResponseHead, kind: FailureKind): FallbackResponse {
    const fallback = new FallbackResponse(this, attempt, head, kind, this.budget)
    this.arriving.add(fallback)
    return fallback
  }

  /** Calls back with the best response when none arrives any more; at once if that is so. */
  whenSettled(onSettled: (best: FallbackResponse | null) => void): void {
    this.whenAll = onSettled
    this.tellIfAll()
  }

  /** One is complete or broken. */
  onSettled(fallback: FallbackResponse): void {
    this.arriving.delete(fallback)
    if (fallback.state === 'complete') {
      fallback.kind = this.read(fallback)
      const { best } = this
      // Of those that are alike the client gets the last one.
      const isBetter = best === null || compareAnswers(describe(fallback), describe(best)) <= 0
      const loser = isBetter ? best : fallback
      if (isBetter) this.best = fallback
      loser?.forget()
    }
    this.tellIfAll()
  }

  /** Reads the complete body of one. @returns its kind, which the body may tell better than the status */
  read(fallback: FallbackResponse): FailureKind {
    return judgeFallback(fallback, this.ownsCredential)
  }

  /** The client has another response. */
  forget(): void {
    this.whenAll = null
    for (const fallback of this.arriving) fallback.forget()
    this.arriving.clear()
    this.best?.forget()
    this.best = null
  }

  /** Aborts those that still arrive. */
  drop(): void {
    this.whenAll = null
    for (const fallback of [...this.arriving]) fallback.drop()
    this.forget()
  }

  private tellIfAll(): void {
    const { whenAll } = this
    if (whenAll === null || this.arriving.size > 0) return
    this.whenAll = null
    whenAll(this.best)
  }
}

function describe({ kind, head }: FallbackResponse): FailedAnswer {
  return {
    kind,
    waitMs: readAskedMs(head.raw, Date.now()),
    isJson: isJson(findHeader(head.raw, 'content-type')?.trim() ?? ''),
  }
}

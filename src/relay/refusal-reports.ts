import { findErrorStatus } from '../routing/error-event.js'
import { type ErrorFacts, readErrorResponse } from '../routing/error-facts.js'
import type { FailureKind } from '../routing/outcome.js'
import { classifyErrorEvent, classifyRefusal } from '../routing/refusal.js'
import { boundBodyDelay } from '../routing/retry-after.js'
import type { Attempt, ResponseHead } from './attempt.js'
import type { FallbackResponse } from './fallback-response.js'
import { reportCooldown, reportStatus } from './target-reports.js'

/** Whose credential a request has, and what it asks for. */
export interface Asked {
  /** The credential is the relay's, and not the client's own. */
  readonly isOwn: boolean
  /** Null if the request names none. */
  readonly model: string | null
}

/**
 * Finds the kind of a refusal by its body, and tells the health of the target.
 * @param body null if it is not complete; then the head decides
 */
export function judgeRefusal(
  attempt: Attempt,
  head: ResponseHead,
  body: Buffer | null,
  { isOwn, model }: Asked,
): FailureKind {
  const facts = readErrorResponse(head.raw, body, Date.now())
  const kind = classifyRefusal(head.status, facts, isOwn)
  reportStatus(attempt, head, kind, model)
  const askedMs = readDelay(facts)
  if (askedMs !== null) reportCooldown(attempt, { kind, askedMs, model }, performance.now())
  return kind
}

/**
 * Finds the kind of a complete fallback response by its body. Its status was told to the health of the target already:
 * the body may add how long the target is to rest.
 */
export function judgeFallback({ attempt, head, kind, held }: FallbackResponse, isOwn: boolean): FailureKind {
  // An error in place of an answer was read where it was found.
  if (head.status < 400) return kind
  const facts = readErrorResponse(head.raw, Buffer.concat(held.chunks), Date.now())
  const told = classifyRefusal(head.status, facts, isOwn)
  const askedMs = readDelay(facts)
  if (told !== kind || askedMs !== null)
    reportCooldown(attempt, { kind: told, askedMs, model: null }, performance.now())
  return told
}

/** Codes that can stand in a list of failures. */
const SHOWN = /^[\w.-]{1,64}$/

/** An error in place of an answer. */
export interface JudgedEvent {
  readonly kind: FailureKind
  /** As the vendor calls it, for the log. */
  readonly why: string
  readonly askedMs: number | null
}

export function judgeErrorEvent(facts: ErrorFacts, isOwn: boolean): JudgedEvent {
  const kind = classifyErrorEvent(findErrorStatus(...facts.words), facts, isOwn)
  return { kind, why: facts.words.find((word) => SHOWN.test(word)) ?? 'error', askedMs: readDelay(facts) }
}

function readDelay(facts: ErrorFacts | null): number | null {
  return facts?.delayMs == null ? null : boundBodyDelay(facts.delayMs)
}

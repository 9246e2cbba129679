import type { Exchange } from '../exchange/exchange.js'
import { classifyFailure, type FailureKind, FIRST_BYTE_LATE, FIRST_TOKEN_LATE } from '../routing/outcome.js'
import type { Attempt } from './attempt.js'
import type { FailoverOptions } from './failover-options.js'

/**
 * Start of the first-byte timeout: dispatch or end of upload, whichever is later. @returns as of `performance.now()`
 */
export function waitsSince(attempt: Attempt, { timeline }: Exchange): number {
  return Math.max(attempt.startedAt, timeline.attemptStartedAt ?? 0)
}

/** A time limit that an attempt has reached. */
export interface Lapse {
  readonly kind: FailureKind
  /** The setting with the limit, for the log. */
  readonly setting: string
}

/**
 * Finds the limit that an attempt has reached: it has waited too long for a first byte, or for content behind it, or
 * its kept connection does not even take the request.
 * @param mayRepeat the request may be sent again, although the upstream may have acted on it
 * @param now `performance.now()`
 */
export function findLapse(
  attempt: Attempt,
  exchange: Exchange,
  { firstTokenMs, heldMs }: FailoverOptions,
  mayRepeat: boolean,
  now: number,
): Lapse | null {
  const since = waitsSince(attempt, exchange)
  const { probe } = attempt
  if (probe !== null) {
    if (now - Math.max(since, probe.since) <= (firstTokenMs ?? heldMs)) return null
    return { kind: classifyFailure(attempt.failure(FIRST_TOKEN_LATE, false)), setting: 'firstTokenMs' }
  }
  if (now - since > attempt.target.upstream.timeouts.firstByteMs)
    return { kind: classifyFailure(attempt.failure(FIRST_BYTE_LATE, false)), setting: 'firstByteMs' }
  if (!mayRepeat || !attempt.isForgotten(now)) return null
  return { kind: classifyFailure(attempt.failure('ETIMEDOUT', true)), setting: 'upstreamAckMs' }
}

/** Milliseconds until a second target may be tried beside an attempt. @param now `performance.now()` */
export function hedgeDelay(attempt: Attempt, exchange: Exchange, afterMs: number, now: number): number {
  // The response has begun, or the upload has not ended: the time has not started.
  if (attempt.probe !== null || exchange.body?.isComplete === false) return afterMs
  return afterMs - (now - waitsSince(attempt, exchange))
}

import type { Exchange } from '../exchange/exchange.js'
import type { Attempt } from './attempt.js'
import type { FailoverOptions } from './failover-options.js'

/**
 * Start of the first-byte timeout: dispatch or end of upload, whichever is later. @returns as of `performance.now()`
 */
export function waitsSince(attempt: Attempt, { timeline }: Exchange): number {
  return Math.max(attempt.startedAt, timeline.attemptStartedAt ?? 0)
}

/**
 * Whether an attempt has waited too long for a first byte, or for content behind it.
 * @param now `performance.now()`
 */
export function isLate(
  attempt: Attempt,
  exchange: Exchange,
  { firstTokenMs, heldMs }: FailoverOptions,
  now: number,
): boolean {
  const since = waitsSince(attempt, exchange)
  if (attempt.probe === null) return now - since > attempt.target.upstream.timeouts.firstByteMs
  return now - Math.max(since, attempt.probe.since) > (firstTokenMs ?? heldMs)
}

/** Milliseconds until a second target may be tried beside an attempt. @param now `performance.now()` */
export function hedgeDelay(attempt: Attempt, exchange: Exchange, afterMs: number, now: number): number {
  // The response has begun, or the upload has not ended: the time has not started.
  if (attempt.probe !== null || exchange.body?.isComplete === false) return afterMs
  return afterMs - (now - waitsSince(attempt, exchange))
}

import { formatMs } from '../lib/text.js'
import type { Timeline } from './timeline.js'

type Times = Omit<Timeline, 'upstreamMs' | 'winnerStartedAt' | 'markSent' | 'restartAttempt'>

/**
 * Formats `Server-Timing` (W3C Server Timing, 2): milliseconds in each phase until the response begins, to the
 * microsecond. `upload` and `upstream` are no phases: they are the parts of `read` and `attempt` in which the relay
 * waited, so that the rest of all is its own share.
 * @param now `performance.now()`
 */
export function formatServerTiming(times: Times, now: number): string {
  const { startedAt, admittedAt, bodyStartedAt, bodyArrivedAt, bodyMs, attemptStartedAt } = times
  const { cacheStartedAt, sendMs, headArrivedAt } = times
  const plannedAt = cacheStartedAt ?? attemptStartedAt ?? now
  const admitEnd = bodyStartedAt ?? admittedAt ?? plannedAt
  let text = `admit;dur=${formatMs(admitEnd - startedAt)}`
  if (bodyMs !== null && bodyStartedAt !== null) {
    const readEnd = bodyStartedAt + bodyMs
    text += `, read;dur=${formatMs(bodyMs)}`
    // A body that is sent while it arrives is planned before it is complete.
    text += `, plan;dur=${formatMs(Math.max(0, plannedAt - readEnd))}`
  } else if (bodyStartedAt === null && admittedAt !== null)
    text += `, plan;dur=${formatMs(plannedAt - admittedAt)}`
  if (cacheStartedAt !== null) text += `, cache;dur=${formatMs((attemptStartedAt ?? now) - cacheStartedAt)}`
  if (attemptStartedAt !== null) {
    const attemptEnd = headArrivedAt ?? now
    text += `, attempt;dur=${formatMs(attemptEnd - attemptStartedAt)}`
    if (headArrivedAt !== null) text += `, respond;dur=${formatMs(now - headArrivedAt)}`
    if (sendMs !== null) text += `, upstream;dur=${formatMs(attemptEnd - attemptStartedAt - sendMs)}`
  }
  if (bodyMs !== null && bodyStartedAt !== null && bodyArrivedAt !== null)
    text += `, upload;dur=${formatMs(bodyArrivedAt - bodyStartedAt)}`
  return text
}

/**
 * The relay's own share of each phase of a request until its response began, in whole microseconds: neither the
 * client's upload nor the upstream's time is in it. Null where it is not known.
 */
export class PhaseShares {
  /** Head, key, and what the key allows. */
  readonly admit: number | null
  /** From the last byte of the body until it had been read. */
  readonly read: number | null
  /** Choice of the targets, and the limits. */
  readonly plan: number | null
  /** Search in the cache. */
  readonly cache: number | null
  /** Making the request for the first target, and writing it. */
  readonly attempt: number | null
  /** From the head of the upstream's response until the client's socket had been given its own. */
  readonly respond: number | null
  /** The sum of what is known; null if there was no attempt, or it was begun with a body that never was complete. */
  readonly total: number | null

  /** @param isFromCache no upstream was asked: all the time until the response is the relay's, but for the upload */
  constructor(times: Times, isFromCache: boolean) {
    const { startedAt, admittedAt, bodyStartedAt, bodyMs, bodyArrivedAt, attemptStartedAt } = times
    const { cacheStartedAt, responseStartedAt, headArrivedAt, headMs } = times
    const cacheEnd = isFromCache ? responseStartedAt : attemptStartedAt
    const plannedAt = cacheStartedAt ?? cacheEnd
    const readEnd = bodyStartedAt === null || bodyMs === null ? null : bodyStartedAt + bodyMs
    this.admit = toUs(startedAt, bodyStartedAt ?? admittedAt ?? plannedAt)
    this.read = toUs(bodyArrivedAt, readEnd)
    // 0 if it was made while the body still arrived.
    this.plan = toUs(bodyStartedAt === null ? admittedAt : readEnd, plannedAt)
    this.cache = toUs(cacheStartedAt, cacheEnd)
    this.attempt = isFromCache || times.sendMs === null ? null : Math.round(times.sendMs * 1_000)
    const madeUs = isFromCache ? null : toUs(headArrivedAt, responseStartedAt)
    const sentUs = headMs === null ? null : Math.round(headMs * 1_000)
    this.respond = madeUs === null ? sentUs : madeUs + (sentUs ?? 0)
    const isKnown = cacheEnd !== null && (isFromCache || bodyStartedAt === null || bodyMs !== null)
    this.total = isKnown
      ? (this.admit ?? 0) +
        (this.read ?? 0) +
        (this.plan ?? 0) +
        (this.cache ?? 0) +
        (this.attempt ?? 0) +
        (this.respond ?? 0)
      : null
  }
}

/** Microseconds between two times; 0 if the second was first, null if one of them is not known. */
function toUs(from: number | null, to: number | null): number | null {
  if (from === null || to === null) return null
  return to > from ? Math.round((to - from) * 1_000) : 0
}

import { formatMs } from '../lib/text.js'
import type { Timeline } from './timeline.js'

type Times = Pick<Timeline, 'startedAt' | 'bodyStartedAt' | 'bodyMs' | 'attemptStartedAt'>

/**
 * Formats `Server-Timing` (W3C Server Timing, 2): milliseconds in each phase until the response began. `admit` and
 * `plan` are the relay's own; `read` is the client's upload, `attempt` the upstream.
 * @param now `performance.now()`
 */
export function formatServerTiming(times: Times, now: number): string {
  const { startedAt, bodyStartedAt, bodyMs, attemptStartedAt } = times
  const admittedAt = bodyStartedAt ?? attemptStartedAt ?? now
  let text = `admit;dur=${formatMs(admittedAt - startedAt)}`
  if (bodyMs !== null && bodyStartedAt !== null) {
    text += `, read;dur=${formatMs(bodyMs)}`
    // A body that is sent while it arrives is planned before it is complete.
    const planMs = (attemptStartedAt ?? now) - bodyStartedAt - bodyMs
    text += `, plan;dur=${formatMs(Math.max(0, planMs))}`
  }
  return attemptStartedAt === null ? text : `${text}, attempt;dur=${formatMs(now - attemptStartedAt)}`
}

/**
 * Computes the milliseconds that the relay itself took until the response began: neither the client's upload nor the
 * upstream's time.
 * @param isFromCache no upstream was asked: all the time until the response is the relay's, but for the upload
 * @returns null if there was no attempt, or it was begun with a body that never was complete
 */
export function computeOverheadMs(
  times: Times & Pick<Timeline, 'responseStartedAt' | 'headMs'>,
  isFromCache: boolean,
): number | null {
  const { startedAt, bodyStartedAt, bodyMs, attemptStartedAt, responseStartedAt } = times
  const headMs = times.headMs ?? 0
  if (isFromCache)
    return responseStartedAt === null ? null : responseStartedAt - startedAt - (bodyMs ?? 0) + headMs
  if (attemptStartedAt === null) return null
  if (bodyStartedAt === null) return attemptStartedAt - startedAt + headMs
  if (bodyMs === null) return null
  return bodyStartedAt - startedAt + Math.max(0, attemptStartedAt - bodyStartedAt - bodyMs) + headMs
}

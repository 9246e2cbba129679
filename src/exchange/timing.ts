import { formatMs } from '../lib/text.js'

/** Times of an exchange, as `performance.now()`; 0 where it did not come so far. */
export interface Timed {
  readonly startedAt: number
  /** Its body was begun to be read. */
  readonly readAt: number
  /** Milliseconds until that was whole; -1 before. */
  readonly readMs: number
  readonly attemptAt: number
}

/**
 * The value of `Server-Timing` (W3C Server Timing, 2): milliseconds in each phase until the answer began. `admit` and
 * `route` are the relay's own; `read` is the client's upload, `attempt` the upstream.
 * @param now `performance.now()`
 */
export function formatServerTiming(x: Timed, now: number): string {
  const { startedAt, readAt, readMs, attemptAt } = x
  const admitted = readAt !== 0 ? readAt : attemptAt !== 0 ? attemptAt : now
  let text = `admit;dur=${formatMs(admitted - startedAt)}`
  if (readMs !== -1) {
    text += `, read;dur=${formatMs(readMs)}`
    // One that is sent on while it comes is routed within.
    const routed = (attemptAt !== 0 ? attemptAt : now) - readAt - readMs
    text += `, plan;dur=${formatMs(Math.max(0, routed))}`
  }
  return attemptAt === 0 ? text : `${text}, attempt;dur=${formatMs(now - attemptAt)}`
}

/**
 * Milliseconds that the relay itself took until the answer began: neither the client's upload nor the upstream's time.
 * @returns -1 if there was no attempt, or it was begun with a body that never was whole
 */
export function computeOverheadMs(x: Timed & { readonly headMs: number }): number {
  const { startedAt, readAt, readMs, attemptAt, headMs } = x
  if (attemptAt === 0 || (readAt !== 0 && readMs === -1)) return -1
  if (readAt === 0) return attemptAt - startedAt + headMs
  return readAt - startedAt + Math.max(0, attemptAt - readAt - readMs) + headMs
}

import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import { findErrorStatus } from './error-event.js'

/**
 * Tells the health of a target how its responses end: a stream of status 200 may end in an error event. Only an error
 * of the target's own is a failure, such as `overloaded_error`: a refusal would come from any target, and rate limits
 * do not count against health anywhere.
 */
export class ResponseEnds implements SummarySink {
  record(summary: RequestSummary): void {
    const { responder, responderTicket, end } = summary.outcome
    if (responder === null) return
    const error = summary.stats?.error ?? null
    // A response that its client did not see to its end tells nothing.
    if (error === null && end !== 'done') return
    const isOwn = error !== null && findErrorStatus(error) >= 500
    responder.settle(responderTicket, performance.now(), isOwn ? error : null)
  }
}

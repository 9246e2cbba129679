import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import { findErrorStatus } from './error-event.js'

/**
 * Tells the health of a target how its responses end: a stream of status 200 may end in an error event, be cut by the
 * upstream, fall silent, or have nothing in it. Only an error of the target's own is a failure, such as
 * `overloaded_error`: a refusal would come from any target, and rate limits do not count against health anywhere.
 */
export class ResponseEnds implements SummarySink {
  record(summary: RequestSummary): void {
    const { responder, responderTicket, end } = summary.outcome
    if (responder === null) return
    const error = summary.stats?.error ?? findFailure(summary)
    // A response that its client did not see to its end tells nothing.
    if (error === null && end !== 'done') return
    // Of an error response, whoever listens judges the error; see `AccountWatch`.
    const isRefusal = summary.outcome.status !== null && summary.outcome.status >= 400
    const isOwn = error !== null && (isRefusal || findErrorStatus(error) >= 500)
    responder.settle(responderTicket, performance.now(), isOwn ? error : null)
  }
}

/** How a response without an error in it failed all the same; null if it did not. */
function findFailure({ outcome, request, stats }: RequestSummary): string | null {
  if (outcome.end === 'upstream_cut' || outcome.end === 'upstream_idle') return outcome.end
  if (outcome.end !== 'done' || request.stream !== true || outcome.status !== 200 || stats === null)
    return null
  // The end mark is an event of its own.
  return stats.unparsed === 0 && stats.events <= (stats.ended ? 1 : 0) ? 'empty_stream' : null
}

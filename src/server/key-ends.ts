import { findKeyFault } from '../access/key-limits.js'
import type { InFlight } from '../exchange/in-flight.js'
import { sendError } from '../relay/local-response.js'
import { destroyResponse } from '../relay/reset.js'

/**
 * Cuts the requests whose key is not valid any more: those that have no response yet get an error. WebSockets close
 * themselves.
 * @param isLast the relay is shutting down
 */
export function cutKeyless(inFlight: InFlight, isLast: boolean): void {
  const now = Date.now()
  inFlight.forEach((exchange) => {
    const { key, connectionId } = exchange.request
    const fault = key === null || connectionId !== null ? null : findKeyFault(key, now)
    if (fault === null || exchange.outcome.end !== null) return
    exchange.conclude('revoked', null, fault)
    if (exchange.res.headersSent) {
      destroyResponse(exchange.res)
      return
    }
    // Before the status changes to that of the error: the prompt sample is taken for upstream statuses alone.
    exchange.body?.release()
    const { stage } = exchange
    exchange.stage = null
    stage?.onClose()
    sendError(exchange, fault, isLast)
  })
}

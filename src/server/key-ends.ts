import { findUseFault } from '../access/key-limits.js'
import type { InFlight } from '../exchange/in-flight.js'
import { PHASES } from '../exchange/outcome.js'
import { sendError } from '../relay/local-response.js'
import { destroyResponse } from '../relay/reset.js'

/** From this phase on a request may have gone to an upstream. */
const SENT = PHASES.indexOf('cache')

/**
 * Ends requests whose key may not be used any more. A request that has not gone to an upstream is always refused.
 * WebSockets close themselves.
 * @param cutsStreams the others, too (`keys.cutStreams`): an error if they have no response yet, else a cut
 * @param isLast the relay is shutting down
 */
export function endKeyless(inFlight: InFlight, cutsStreams: boolean, isLast: boolean): void {
  const now = Date.now()
  inFlight.forEach((exchange) => {
    const { key, connectionId, clientAddress } = exchange.request
    const fault = key === null || connectionId !== null ? null : findUseFault(key, clientAddress, now)
    const { end, phase } = exchange.outcome
    if (fault === null || end !== null) return
    const isSent = PHASES.indexOf(phase) >= SENT
    if (isSent && !cutsStreams) return
    exchange.conclude(isSent ? 'revoked' : 'refused', null, fault)
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

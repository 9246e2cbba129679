import type { LedgerState } from '../ledger/ledger.js'
import type { TargetCounts } from '../routing/router.js'
import type { BoundCounters } from './counters.js'

/** What can be asked about a relay by anyone. */
export interface Health {
  readonly draining: boolean
  readonly ready: boolean
  readonly inFlight: number
  readonly bufferedBytes: number
  readonly bounds: BoundCounters
  /** Numbers alone: who asks need not know their names. */
  readonly targets: TargetCounts
  readonly ledgerState: LedgerState | null
}

/**
 * What is answered at a path that needs neither a key nor an upstream: is the relay there, is it ready. Null elsewhere.
 * @param httpVersion of the request: a proxy in front that asks by HTTP/1.0 shows nowhere else
 */
export function answerProbe(
  path: string,
  health: Health,
  httpVersion: string,
): { status: number; body: unknown } | null {
  switch (path) {
    // Some clients ask for the base URL before they start, and go by whether it answers at all.
    case '/':
      return { status: 200, body: { object: 'relay', name: 'thinwire', status: 'ok', http: httpVersion } }
    case '/healthz':
      return { status: 200, body: { status: 'ok' } }
    case '/readyz': {
      const status = health.draining ? 'draining' : health.ready ? 'ready' : 'starting'
      const body = {
        status,
        // Less the one that asks.
        in_flight: health.inFlight - 1,
        buffered_bytes: health.bufferedBytes,
        bounds_hit: health.bounds.snapshot(),
        targets: health.targets,
        ...(health.ledgerState === null ? {} : { ledger: health.ledgerState }),
      }
      return { status: status === 'ready' ? 200 : 503, body }
    }
    default:
      return null
  }
}

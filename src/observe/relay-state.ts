import type { LedgerState } from '../ledger/write/ledger.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { HealthSnapshot } from '../routing/circuit-breaker.js'

/** What can be asked about a relay by anyone. */
export interface Health {
  readonly draining: boolean
  readonly ready: boolean
  readonly inFlight: number
  readonly bufferedBytes: number
  readonly bounds: BoundCounters
  /** Of each target by its name. */
  readonly targetHealth: ReadonlyMap<string, HealthSnapshot>
  readonly ledgerState: LedgerState | null
}

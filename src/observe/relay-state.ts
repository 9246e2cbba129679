import type { LedgerState } from '../ledger/write/ledger.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { BreakerSnapshot } from '../routing/circuit-breaker.js'

/** What can be asked about a relay by anyone. */
export interface RelayState {
  readonly draining: boolean
  readonly ready: boolean
  readonly openCount: number
  readonly bufferedBytes: number
  readonly bounds: BoundCounters
  /** Of each target by its name. */
  readonly targetHealth: ReadonlyMap<string, BreakerSnapshot>
  readonly ledgerState: LedgerState | null
}

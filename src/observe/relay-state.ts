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

/** How the ledger is doing, for those who watch the relay. */
export interface LedgerState {
  /** Why nothing can be written at the moment; null if it can. */
  readonly stalled: string | null
  readonly queued_bytes: number
  readonly written: number
  /** Records that found no room while nothing could be written. */
  readonly dropped: number
}

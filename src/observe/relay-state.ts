import type { BoundCounters } from '../lib/limit-counters.js'
import type { BreakerSnapshot } from '../routing/circuit-breaker.js'

/** State of a relay, for health probes and metrics. */
export interface RelayState {
  readonly draining: boolean
  readonly ready: boolean
  /** Requests in flight. */
  readonly openCount: number
  /** Bytes of request bodies in memory. */
  readonly bufferedBytes: number
  readonly bounds: BoundCounters
  /** Health of each target, by name. */
  readonly targetHealth: ReadonlyMap<string, BreakerSnapshot>
  /** Null if there is no ledger. */
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

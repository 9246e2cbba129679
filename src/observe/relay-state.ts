import type { BoundCounters } from '../lib/limit-counters.js'
import type { TargetSnapshot } from '../routing/router.js'
import type { Readiness } from './readiness.js'

/** State of a relay, for health probes and metrics. */
export interface RelayState {
  readonly draining: boolean
  readonly readiness: Readiness
  /** False while the process is about to run out of file descriptors. */
  readonly hasFiles: boolean
  /** Requests in flight. */
  readonly openCount: number
  /** Bytes of request bodies in memory. */
  readonly bufferedBytes: number
  readonly bounds: BoundCounters
  /** Health of each target, by name. */
  readonly targetHealth: ReadonlyMap<string, TargetSnapshot>
  /** Null if there is no ledger. */
  readonly ledgerState: LedgerState | null
}

/** State of the ledger, as `/readyz` shows it. */
export interface LedgerState {
  /** Error code that prevents writing, or `no answer` if the disk does not respond; null if writing works. */
  readonly stalled: string | null
  readonly queued_bytes: number
  /** Records written since the start. */
  readonly written: number
  /** Records dropped because the memory for waiting records (`ledger.bufferedBytes`) was full. */
  readonly dropped: number
}

import { markProcess } from '../ledger/starts.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import { SnapshotWriter } from '../limits/snapshot.js'
import type { WatchedStore } from '../limits/watched-store.js'
import type { AppOptions } from './app.js'

/**
 * Leaves the counters of limits in a file beside the ledger, for `thinwire limits`.
 * @param isRestored whether the budgets have what was used before this start
 * @returns null if this relay writes no ledger
 */
export function createSnapshot(
  { config, log }: AppOptions,
  store: WatchedStore,
  ledger: Bookkeeper | null,
  isRestored: () => boolean,
): SnapshotWriter | null {
  if (ledger === null) return null
  const { writer, started } = ledger
  return new SnapshotWriter({
    folder: config.ledger.folder,
    store,
    owner: { writer, started, ...markProcess() },
    lastSeq: () => ledger.lastSeq,
    isRestored,
    log,
  })
}

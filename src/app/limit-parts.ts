import type { Keyring } from '../access/keyring.js'
import { markProcess } from '../ledger/starts.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import { MemoryLimitStore } from '../limits/counters/memory-store.js'
import type { LimitStore } from '../limits/counters/store.js'
import { MemoryLimitBooks } from '../limits/limit-books.js'
import { Limiter } from '../limits/limiter.js'
import type { RestoredLedger } from '../limits/replay/live-records.js'
import { LimitAlerts } from '../limits/reports/alerts.js'
import { SnapshotWriter } from '../limits/snapshot/snapshot-writer.js'
import type { Inheritance } from '../workers/inheritance.js'
import type { AppOptions } from './app-options.js'
import type { LimitCounters } from './handover.js'

/** All that limits requests, and what tells of it. */
export interface LimitParts {
  readonly limiter: Limiter
  /** Null if this process writes no ledger, or counts nothing by itself. */
  readonly snapshot: SnapshotWriter | null
  /** Null if another process counts. */
  readonly counters: LimitCounters | null
}

/**
 * @param keyring null if the relay has none, or another one
 * @param ledger null if this relay writes none
 */
export function createLimits(
  options: AppOptions,
  keyring: Keyring | null,
  ledger: Bookkeeper | null,
  bounds: Pick<BoundCounters, 'hit'>,
): LimitParts {
  const { config, log, prices, inheritance = null } = options
  const store = new MemoryLimitStore()
  const alerts = new LimitAlerts(config.limitRules.alerts, log, bounds)
  const restored = ledger === null || inheritance === null ? ledger : inheritFor(ledger, inheritance)
  const books = options.limits ?? new MemoryLimitBooks({ store, log, ledger: restored, alerts })
  const limiter = new Limiter(config.limitRules, {
    books,
    prices,
    log,
    listKeyRules: () =>
      options.keyring === undefined
        ? (keyring?.list().flatMap(({ limits }) => (limits === null ? [] : [limits])) ?? [])
        : null,
  })
  ledger?.reportTo(inheritance === null ? limiter : inheritance.guard(limiter))
  if (options.limits !== undefined) {
    if (ledger !== null) options.limits.recordIn(ledger)
    return { limiter, snapshot: null, counters: null }
  }
  const snapshot = ledger === null ? null : createSnapshot(options, store, ledger, limiter)
  return { limiter, snapshot, counters: books instanceof MemoryLimitBooks ? { store, books } : null }
}

/** Restores from the ledger what the process before this one does not send. */
function inheritFor(ledger: Bookkeeper, live: Inheritance): RestoredLedger {
  return {
    writer: ledger.writer,
    folders: ledger.folders,
    live,
    get lastSeq() {
      return ledger.lastSeq
    },
    get writtenSeq() {
      return ledger.writtenSeq
    },
  }
}

function createSnapshot(
  { config, log }: AppOptions,
  store: LimitStore,
  ledger: Bookkeeper,
  limiter: Limiter,
): SnapshotWriter {
  const { writer, started } = ledger
  return new SnapshotWriter({
    folder: config.ledger.folder,
    store: {
      list: () => limiter.listClaims(),
      read: (claim, now, at) => store.read(claim, now, at),
      get changes() {
        return store.changes + limiter.ruleChanges
      },
    },
    owner: { writer, started, ...markProcess() },
    counted: () => ledger.lastSeq,
    listWorkers: null,
    isRestored: () => limiter.isRestored,
    log,
  })
}

import type { Keyring } from '../access/keyring.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { Limiter } from '../limits/limiter.js'
import type { SnapshotWriter } from '../limits/snapshot/snapshot-writer.js'
import type { Metrics } from '../observe/metrics.js'
import type { SlownessWatch } from '../observe/slowness-watch.js'
import type { Router } from '../routing/router.js'
import type { Listener } from '../server/listener.js'
import type { RequestHandler } from '../server/request-handler.js'
import type { ServerCertificate } from '../server/tls-certificate.js'
import type { StoredObjects } from '../stored/stored-objects.js'
import type { Upstream } from '../upstream/upstream.js'
import type { FileLog } from './file-log.js'
import type { Handover } from './handover.js'
import type { RollupWay } from './rollup-way.js'

/** A reload that this process has asked for is not logged. */
export interface OwnKeyReload {
  isRunning: boolean
}

/** What a relay is put together from. */
export interface AppParts {
  /** Epoch milliseconds: what is written to a file later may not have been read. */
  readonly openedAt: number
  readonly fileLog: FileLog
  readonly keyring: Keyring | null
  readonly ownKeyReload: OwnKeyReload
  readonly router: Router<Upstream>
  readonly ledger: Bookkeeper | null
  readonly limiter: Limiter
  readonly snapshot: SnapshotWriter | null
  readonly stored: StoredObjects
  readonly metrics: Metrics | null
  readonly slowness: SlownessWatch
  readonly handler: RequestHandler
  readonly listener: Listener
  /** Null without a page. */
  readonly rollups: RollupWay | null
  /** Null without TLS. */
  readonly certificate: ServerCertificate | null
  readonly handover: Handover
}

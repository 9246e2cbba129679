import type { Keyring } from '../access/keyring.js'
import type { Config } from '../config/config.js'
import type { SummarySink } from '../exchange/summary.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { Limiter } from '../limits/limiter.js'
import type { Log } from '../observe/log.js'
import type { Router } from '../routing/router.js'
import type { StoredObjects } from '../stored/stored-objects.js'
import type { ThoughtKeeper } from '../translate/thinking/conversation-memory.js'
import type { Upstream } from '../upstream/upstream.js'

/** The parts that a request handler works with. */
export interface RequestHandlerParts {
  readonly config: Config
  /** Null in the modes without keys. */
  readonly keyring: Pick<Keyring, 'find'> | null
  readonly router: Router<Upstream>
  readonly log: Log
  /** Get the summary of every request, in this order. */
  readonly sinks: readonly SummarySink[]
  /** Null where nothing is recorded, as in the doctor. */
  readonly ledger: Pick<Bookkeeper, 'state' | 'noteOpen'> | null
  /** One of the sinks; null where nothing is limited, as in the doctor. */
  readonly limiter: Limiter | null
  /** One of the sinks. */
  readonly stored: StoredObjects
  /** Where all workers keep the thinking of conversations; null: this process has its own. */
  readonly thoughts?: ThoughtKeeper | null
}

import type { Keyring } from '../access/keyring.js'
import type { Config, ConfigSource } from '../config/config.js'
import type { Prices } from '../ledger/prices.js'
import type { Log } from '../observe/log.js'
import { divideBounds } from '../workers/bound-shares.js'
import type { Inheritance } from '../workers/inheritance.js'
import type { RemoteLimits } from '../workers/remote-limits.js'
import type { WorkerSeat } from '../workers/worker-seat.js'

/** What a relay is built from. */
export interface AppOptions {
  readonly config: Config
  readonly log: Log
  /** What tokens cost; null: the ledger has no costs. */
  readonly prices: Prices | null
  /** Where the config is read again; null: it never changes. */
  readonly source: ConfigSource | null
  /** Where requests go while the config has no upstreams: the built-in demo. */
  readonly useDemo?: ((config: Config) => Config) | undefined
  /** Keys that take the place of the key file's. */
  readonly keyring?: Pick<Keyring, 'find'>
  /** False: nothing is recorded in the ledger. */
  readonly recordsUsage?: boolean
  /** Where limits are counted: in the process that has started this one; not given: in this one. */
  readonly limits?: RemoteLimits
  /** What comes from the process whose place this one takes. */
  readonly inheritance?: Inheritance
  /** This relay is one of several workers; null, or not given: it is all of the relay. */
  readonly worker?: WorkerPlace | null
  /** Time between two checks of the key file, in milliseconds. */
  readonly keyPollMs?: number
  /** Time between two checks of the config file and the price file, in milliseconds. */
  readonly configPollMs?: number
}

/** The place of a worker among those of one relay. */
export interface WorkerPlace extends WorkerSeat {
  /** How many workers there are. */
  readonly count: number
}

/** A worker has its part of what bounds allow to the whole relay. */
export function fitToWorker({ worker = null }: Pick<AppOptions, 'worker'>, config: Config): Config {
  return worker === null ? config : divideBounds(config, worker.count)
}

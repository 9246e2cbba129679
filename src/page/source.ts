import type { KeyLimits } from '../access/key-limits.js'
import type { KeyRecord, StoredKey } from '../access/key-lines.js'
import type { JsonObject } from '../json/values.js'
import type { LimitState } from '../limits/counters/store.js'
import type { RefusalCount } from '../observe/limit-metrics.js'
import type { Filter, RollupQuery } from '../rollups/query.js'
import type { RecentQuery } from '../rollups/recent-requests.js'
import type { TargetSnapshot } from '../routing/router.js'
import type {
  Dimension,
  KeyRow,
  OpenRow,
  Refusals,
  SecondSums,
  Series,
  Spend,
  TotalsTable,
} from './shapes.js'

/** What the page asks the relay: its one process, or the primary of several workers. */
export interface PageSource {
  readonly facts: PageFacts
  readonly sums: PageSums
  readonly requests: PageRequests
  /** Null where there is no key file: nobody can sign in with a key then, and none can be issued. */
  readonly keys: PageKeys | null
  readonly limits: PageLimits
  /** Asks for open requests and the health of targets. It answers within about a second, whatever workers do. */
  look(question: LookQuestion): Promise<Look>
}

/** What a relay is. */
export interface PageFacts {
  readonly workers: number
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly isDemo: boolean
}

/** Sums of requests. Questions yield to others every few milliseconds. */
export interface PageSums {
  /** See `Session`. */
  readonly zone: string
  readonly completeFrom: number | null
  /** @param by null: one group of all */
  series(query: RollupQuery, by: Dimension | null): Promise<Series>
  totals(query: RollupQuery, by: Dimension): Promise<TotalsTable>
  spend(filter: Filter): Promise<Spend>
  refusalCodes(query: RollupQuery): Promise<Refusals['codes']>
  /** What keys have used in this month. */
  keyMonths(): Promise<ReadonlyMap<string, Pick<KeyRow, 'monthNano' | 'monthRequests'>>>
  /** When the last request of a key ended; null for none in 90 days. */
  lastSeen(key: string): number | null
  /** The second that ended last. */
  lastSecond(filter: Filter): SecondSums
}

/** The last requests, as records of the ledger. Questions yield to others every few milliseconds. */
export interface PageRequests {
  /** How many are kept. */
  readonly size: number
  /** The latest first. */
  list(query: RecentQuery): Promise<readonly JsonObject[]>
  find(id: string): Promise<JsonObject | null>
}

/** The key file. */
export interface PageKeys {
  /** Its path, for changes. */
  readonly file: string
  find(hash: string): KeyRecord | undefined
  list(): readonly StoredKey[]
  /** The file was changed: all processes of the relay read it again, now. */
  reload(): void
}

/** What rules limit. */
export interface PageLimits {
  /** The state of each amount of each counter. It yields between thousands. */
  listStates(): AsyncIterable<readonly LimitState[]>
  /** The same for what holds for one key. */
  readKey(key: KeyRecord): Promise<readonly LimitState[]>
  /** What rules have refused since the start. */
  readonly refusals: Iterable<RefusalCount>
}

/** A question for open requests. */
export interface LookQuestion {
  /** Those of all keys are asked for. */
  readonly all: boolean
  /** Ids of keys whose requests are asked for. */
  readonly keys: readonly string[]
}

/** Open requests of all, or of one key. */
export interface OpenRequests {
  readonly count: number
  /** At most `MOST_OPEN_ROWS`, those with the longest age first. */
  readonly rows: readonly OpenRow[]
}

export const NO_OPEN: OpenRequests = { count: 0, rows: [] }

export const MOST_OPEN_ROWS = 200

/** What a look has found. */
export interface Look {
  /** Null if it was not asked for. */
  readonly all: OpenRequests | null
  readonly byKey: Readonly<Record<string, OpenRequests>>
  /** By the name of the target; with workers the worst state, and the sum of what is counted. */
  readonly targets: Readonly<Record<string, TargetHealth>>
}

/** The health of one target, as plain data. */
export type TargetHealth = Pick<TargetSnapshot, 'state' | 'opened' | 'cooling_ms' | 'refused' | 'in_flight'>

/** The limits of a key that is issued. */
export type NewKeyLimits = Partial<Pick<KeyLimits, 'expiresAt' | 'models'>>

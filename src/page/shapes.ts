/**
 * What the page's server sends, and its browser code reads: both import these shapes, and nothing else of each other.
 * Moments are epoch milliseconds, durations milliseconds where a name ends in `Ms` and microseconds in `Us`, money
 * nano-dollars (`Nano`; below 2^53, that is nine million dollars). Null: unknown, or there is none.
 *
 * Everything that a client of the relay can choose (models, tags, user agents) is text, to be shown as text.
 */

import type { Counts, Latencies, SecondSums } from '../rollups/shapes.js'

export {
  COUNTS,
  type CountName,
  type Counts,
  DIMENSIONS,
  type Dimension,
  type Latencies,
  OTHER,
  type Quantiles,
  type SecondSums,
  type Series,
  type SeriesGroup,
  type SlotLatencies,
  SPEND_DIMENSIONS,
  type Spend,
  type SpendDimension,
  type SpendPeriod,
  type SpendRow,
  type TotalsRow,
  type TotalsTable,
} from '../rollups/shapes.js'

/** `GET /api/session`: who looks at the page. */
export interface Session {
  /** An operator sees everything; the holder of a key sees what this key did. */
  readonly role: 'operator' | 'holder'
  /** Of a holder. */
  readonly key: { readonly id: string; readonly owner: string } | null
  readonly version: string
  readonly workers: number
  readonly startedAt: number
  /** By the clock of the relay. */
  readonly now: number
  /** IANA name of the zone in which days and months begin. */
  readonly zone: string
  readonly isDemo: boolean
  /** From when on the sums are complete: earlier records are still being read. Null: all are. */
  readonly completeFrom: number | null
  /** Whether this session may add, rotate and revoke keys: there is a key file, and it is an operator's. */
  readonly mayChangeKeys: boolean
}

/**
 * Parameters that most of the API takes, in the query of the URL: `range` is a length of time up to now (`5m`, `1h`,
 * `24h`, `7d`, `90d`) or `FROM-TO` in epoch milliseconds; each dimension filters (`team=a&team=b`: one of them).
 */
export const RANGES = ['5m', '30m', '2h', '12h', '48h', '7d', '30d', '90d'] as const

export type Range = (typeof RANGES)[number]

/** `GET /api/limits`: where counters stand, the fullest first, at most 500; also as `.csv`. */
export interface Meters {
  readonly meters: readonly Meter[]
  /** There are more than are shown. */
  readonly isCut: boolean
}

export interface Meter {
  readonly rule: string
  /** Whose counter it is: a key's id, `TEAM/USER`, a team, an env, or all. */
  readonly owner: string
  readonly kind: 'requests' | 'tokens' | 'concurrent' | 'budget'
  /** `usd` is in nano-dollars. Of a budget; else null. */
  readonly unit: 'usd' | 'tokens' | null
  /** `hour`, `day`, `week`, `month`; null if it is no budget. */
  readonly period: string | null
  readonly limit: number
  readonly used: number
  /** What open requests may still use, by estimate. */
  readonly held: number
  /** Time until it is whole again. */
  readonly resetMs: number
  /** The rule only observes: it refuses nothing. */
  readonly observes: boolean
}

/** `GET /api/refusals?range=`: what was refused, and by what; also as `.csv`. */
export interface Refusals {
  /** By rules of the limits, since the start of the relay. */
  readonly rules: readonly {
    readonly rule: string
    readonly reason: string
    readonly count: number
    readonly observed: boolean
  }[]
  /** By the code of the error (`error_code`), in the range; the most first. */
  readonly codes: readonly { readonly code: string; readonly count: number }[]
}

/** `GET /api/upstreams?range=`: health of each target; also as `.csv`. */
export interface Targets {
  readonly targets: readonly TargetRow[]
}

export interface TargetRow {
  readonly name: string
  /** Of its breaker; with workers the worst of all. */
  readonly state: 'closed' | 'open' | 'half_open'
  readonly openedTimes: number
  readonly coolingMs: number
  readonly refused: 'credential' | 'quota' | 'model' | null
  readonly inFlight: number
  /** Of the requests that it answered in the range; null for a target without any. */
  readonly counts: Counts | null
  readonly latencies: Latencies | null
}

/** `GET /api/requests?limit=&before=ID`: the last requests, the latest first, at most 200; also as `.csv`. */
export interface RequestList {
  readonly requests: readonly RequestRow[]
  /** How many are kept; older ones are in the ledger alone. */
  readonly kept: number
}

export interface RequestRow {
  readonly id: string
  /** When it arrived. */
  readonly at: number
  readonly key: string | null
  readonly owner: string | null
  readonly model: string | null
  readonly upstream: string | null
  readonly status: number | null
  readonly end: string
  readonly cache: string | null
  readonly stream: boolean | null
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly costNano: number | null
  readonly firstTokenMs: number | null
  readonly totalMs: number | null
  readonly addedUs: number | null
  readonly isError: boolean
}

/** `GET /api/requests/ID`: one request, whole. */
export interface RequestDetail {
  readonly row: RequestRow
  /** For the waterfall: in the order of time, from the request head on. */
  readonly spans: readonly Span[]
  /** `azure 429, groq ECONNREFUSED`; null for none. */
  readonly failedAttempts: string | null
  readonly attempts: number
  /** The record as the ledger has it. */
  readonly record: Readonly<Record<string, unknown>>
}

export interface Span {
  /** A phase of the relay (`admit`), `upload`, `upstream` (to its first byte), `tokens` (first to last). */
  readonly name: string
  /** From the request head. */
  readonly startUs: number
  readonly lengthUs: number
  readonly isOurs: boolean
}

/** `GET /api/keys`: also as `.csv`. A holder gets the own key. */
export interface KeyList {
  readonly keys: readonly KeyRow[]
}

export interface KeyRow {
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  readonly createdAt: number | null
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  readonly models: readonly string[] | null
  readonly addresses: readonly string[] | null
  readonly rules: number
  /** In the last 90 days. */
  readonly lastAt: number | null
  readonly monthNano: number
  readonly monthRequests: number
}

/**
 * `POST /api/keys` issues a key: `NewKey`. `expires` is as in `thinwire keys add`: `30d`, `2026-12-31`, `never`.
 * `POST /api/keys/ID/rotate` with `{overlap: '24h'}`: `NewKey`. `POST /api/keys/ID/revoke`: 204.
 */
export interface KeyOrder {
  readonly env: string
  readonly team: string
  readonly user: string
  readonly expires?: string
  readonly models?: readonly string[]
}

export interface NewKey {
  readonly id: string
  /** Shown this once. */
  readonly key: string
}

/** What `thinwire usage report --html` shows of a period. */
export interface UsageReport {
  readonly version: string
  readonly madeAt: number
  readonly zone: string
  /** Of the period, as text: `2026-01`, `2026-01-01 to 2026-01-31`. */
  readonly period: string
  /** Filters, as they were given: `team=a`. */
  readonly filters: readonly string[]
  readonly total: UsageRow
  /** One for each day with requests, in the order of time; the name is `2026-01-31`. */
  readonly days: readonly UsageRow[]
  /** The largest first. */
  readonly tables: readonly { readonly by: string; readonly rows: readonly UsageRow[] }[]
  readonly torn: number
  readonly duplicates: number
}

/** As in `thinwire usage report --json`. */
export interface UsageRow {
  /** Null: unknown. */
  readonly name: string | null
  readonly requests: number
  readonly errors: number
  readonly promptTokens: number | null
  readonly cachedTokens: number | null
  readonly completionTokens: number | null
  readonly costNano: number | null
  readonly unpriced: number
  readonly ttftMs: readonly [number | null, number | null]
  readonly addedUsP99: number | null
  /** Requests whose tokens are estimated, and those that went directly to the provider. */
  readonly estimated: number
  readonly direct: number
}

/** An error of the API: `{"error": {...}}` with the status. */
export interface ApiError {
  readonly error: { readonly code: string; readonly message: string }
}

/**
 * `GET /api/live`: Server-Sent Events, one a second at most. `id` is the second; a client that comes back with
 * `Last-Event-ID` gets what it missed, of the last 30 seconds. `event: now`.
 */
export interface Now extends SecondSums {
  /** Open requests, of which at most 200 are in `open`: those with the longest age first. */
  readonly openCount: number
  readonly open: readonly OpenRow[]
}

export interface OpenRow {
  readonly id: string
  readonly key: string | null
  readonly owner: string | null
  readonly model: string | null
  readonly upstream: string | null
  readonly phase: string
  readonly ageMs: number
  /** Of the answer so far. */
  readonly tokens: number | null
  /** Tokens a second since the first one. */
  readonly pace: number | null
  readonly longestGapMs: number | null
  readonly bytesOut: number
}

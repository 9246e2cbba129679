/** What the tags of requests cost. */
export interface TagRow {
  /** As in the record: `project=a,ticket=b`. */
  readonly tags: string
  readonly costNano: number
  readonly tokens: number
  readonly requests: number
}

/**
 * The requests of one second that have all names in common and arrived in the same minute. Plain data: it goes over the
 * links of workers, which may be of another version.
 */
export interface RollupRow {
  /** In the order of `DIMENSIONS`; empty where it is unknown. */
  readonly names: readonly string[]
  /** When the requests arrived: start of the minute, epoch milliseconds. */
  readonly minute: number
  /** When the last one ended. */
  readonly lastAt: number
  /** Keys of counts and buckets with their numbers in turn, ascending: see `layout.ts`. */
  readonly pairs: readonly number[]
  /** Requests by the code of their error. */
  readonly codes: readonly (readonly [code: string, count: number])[]
  readonly tags: readonly TagRow[]
}

/** What was counted in one second. */
export interface RollupBatch {
  /** When the requests ended: start of the second, epoch milliseconds. */
  readonly second: number
  readonly rows: readonly RollupRow[]
}

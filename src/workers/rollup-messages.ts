import type { RollupBatch } from '../rollups/row.js'

/** What a worker says on the topic `rollups`, once a second. */
export type ToRollupPrimary =
  | {
      readonly kind: 'second'
      /** Names this start of the worker in its records; null if it makes none. */
      readonly writer: string | null
      /** Number of the last record that is in what was told. */
      readonly lastSeq: number
      readonly batches: readonly RollupBatch[]
      /** Of the ledger: the latest ones, if there are too many. */
      readonly lines: readonly string[]
    }
  /** All has been told: the worker ends. */
  | { readonly kind: 'end' }

import type { Bookkeeper } from '../../ledger/write/bookkeeper.js'

/** Records of other processes that this one counts live: those of its workers, also of workers that are gone. */
export interface LiveRecords {
  /** Names of the writers that are known so far. */
  readonly names: readonly string[]
  has(writer: string): boolean
  /** By writer: its records up to this number count from the ledger for a budget; all of a writer that is not there. */
  upTo(budget: string): ReadonlyMap<string, number>
  /** Budgets are followed from now on: what the writers say counts live. Not given: each writer says when. */
  begin?(budgets: readonly string[]): void
  /** Resolves when the writers count budgets live, and when what they have not counted is in a file. */
  whenFollowed(budgets: readonly string[]): Promise<void>
  /** Finds out anew up to which number records count from the ledger. In `then`, nothing is under way. */
  restate(budgets: readonly string[], then: () => void): void
}

/** The records of this process, if it makes some, and where all records are. */
export interface RestoredLedger extends Pick<Bookkeeper, 'lastSeq' | 'writtenSeq' | 'folders'> {
  readonly writer: string | null
  /** Not given: there are no other processes that count here. */
  readonly live?: LiveRecords
}

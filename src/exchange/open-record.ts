import type { Outcome } from './outcome.js'
import type { RequestFacts } from './request-facts.js'
import type { RequestSummary } from './summary.js'

/** A record that is not closed: of a request, or of a response on a WebSocket. */
export interface OpenRecord {
  readonly request: Readonly<RequestFacts>
  readonly outcome: Readonly<Outcome>
  /** `performance.now()` */
  readonly startedAt: number
  /** When the ledger's journal last got it: `performance.now()`, 0 for never. */
  journaledAt: number
  /** It has not ended, and will be in the ledger. */
  readonly isPending: boolean
  /**
   * What the record would be if the relay were killed now.
   * @param now `performance.now()`
   */
  summarizeOpen(now: number): RequestSummary
}

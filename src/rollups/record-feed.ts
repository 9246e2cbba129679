import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Prices } from '../ledger/prices.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { RecordFollower } from '../ledger/write/ledger.js'
import { RollupCounts } from './rollup-counts.js'

/** Milliseconds behind the full second at which it is told: requests are handed on some milliseconds after they end. */
const TELL_AFTER_MS = 60

/**
 * What this process makes of requests: counts of each second, and the lines of the ledger. With a ledger it counts what
 * the ledger makes a record of, at the moment when it does, so that both have the same requests at any time.
 */
export class RecordFeed implements RecordFollower, SummarySink {
  readonly counts: RollupCounts
  private readonly ledger: Bookkeeper | null
  private readonly onLine: (line: string) => void
  private readonly onSecond: () => void
  private readonly isTaken: (id: string) => boolean
  private timer: NodeJS.Timeout | null

  /**
   * @param ledger null: the requests are counted as summaries come, and there are no lines
   * @param onSecond called at the beginning of each second
   * @param isTaken whether the record with this id was counted by `take`
   */
  constructor(
    ledger: Bookkeeper | null,
    prices: Prices | null,
    onLine: (line: string) => void,
    onSecond: () => void,
    isTaken: (id: string) => boolean = () => false,
  ) {
    this.counts = new RollupCounts(prices)
    this.ledger = ledger
    this.onLine = onLine
    this.onSecond = onSecond
    this.isTaken = isTaken
    this.timer = null
    ledger?.followRecords(this)
    this.wait()
  }

  record(summary: RequestSummary): void {
    if (this.ledger === null) this.counts.record(summary)
  }

  onRecord(line: string, summary: RequestSummary): void {
    this.counts.count(summary)
    this.onLine(line)
  }

  onAdopted(line: string): void {
    const { id } = JSON.parse(line) as { readonly id: string }
    // It was counted when it was made, and did not reach the disk before its process was killed.
    if (!this.isTaken(id)) this.take(line)
  }

  /** Counts a record that another process has made. */
  take(line: string): void {
    this.counts.countLine(line)
    this.onLine(line)
  }

  close(): void {
    this.ledger?.followRecords(null)
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  /** Until the next second has begun. */
  private wait(): void {
    const ms = 1_000 - (Date.now() % 1_000) + TELL_AFTER_MS
    this.timer = setTimeout(() => {
      this.wait()
      this.onSecond()
    }, ms).unref()
  }
}

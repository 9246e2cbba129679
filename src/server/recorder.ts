import type { RequestSummary, SummarySink } from '../exchange/summary.js'

/** Summaries are handed on together when there are so many, or after `gatherMs`. */
const MAX_GATHERED = 1_000

/** Hands the summary of every request to each sink: the ledger, the log, the metrics and others. */
export class Recorder {
  private readonly sinks: readonly SummarySink[]
  private readonly gatherMs: number
  private gathered: RequestSummary[]
  /** Requests that are over, but whose response the meter has not read to its end. */
  private readonly unread: Set<RequestSummary>
  private isWaiting: boolean

  /**
   * @param sinks in the order in which they get the summaries
   * @param gatherMs milliseconds for which summaries are gathered; 0: until the end of the turn
   */
  constructor(sinks: readonly SummarySink[], gatherMs: number) {
    this.sinks = sinks
    this.gatherMs = gatherMs
    this.gathered = []
    this.unread = new Set()
    this.isWaiting = false
  }

  add(summary: RequestSummary): void {
    const { meter } = summary.outcome
    if (meter === null || meter.isRead) {
      this.gather(summary)
      return
    }
    this.unread.add(summary)
    meter.whenRead(() => {
      if (this.unread.delete(summary)) this.gather(summary)
    })
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    for (const sink of this.sinks) sink.tick?.(now)
  }

  get unreadCount(): number {
    return this.unread.size
  }

  /** Whether a response that is over is still being read: a compressed one takes some milliseconds. */
  hasUnread(matches: (summary: RequestSummary) => boolean): boolean {
    for (const summary of this.unread) if (matches(summary)) return true
    return false
  }

  /** Resolves when all responses that are over now have been read. */
  async whenRead(): Promise<void> {
    const unread = [...this.unread]
    await Promise.all(
      unread.map(({ outcome }) => new Promise<void>((resolve) => outcome.meter?.whenRead(resolve))),
    )
  }

  /** Hands on all that there is, when the relay ends. */
  close(): void {
    this.gathered.push(...this.unread)
    this.unread.clear()
    this.flush()
  }

  /** Hands on what was gathered. */
  flush(): void {
    const { gathered } = this
    this.isWaiting = false
    this.gathered = []
    // Sink by sink and not summary by summary: each stays in the processor's caches.
    for (const sink of this.sinks) for (const summary of gathered) sink.record(summary)
  }

  private gather(summary: RequestSummary): void {
    this.gathered.push(summary)
    if (this.gathered.length >= MAX_GATHERED) this.flush()
    else if (!this.isWaiting) {
      this.isWaiting = true
      if (this.gatherMs === 0) setImmediate(flush, this)
      else setTimeout(flush, this.gatherMs, this).unref()
    }
  }
}

function flush(recorder: Recorder): void {
  recorder.flush()
}

import type { Exchange } from '../exchange/exchange.js'
import { RequestSummary } from '../exchange/summary.js'
import type { Ledger } from '../ledger/write/ledger.js'
import type { Log } from '../observe/log.js'
import type { Metrics } from '../observe/metrics.js'
import { PromptCacheWatch } from '../observe/prompt-cache-watch.js'
import { SlownessWatch } from '../observe/slowness-watch.js'

/** Requests that are over are gathered for so long, or so many of them, and then written down together. */
const GATHER_MS = 20
const MOST_GATHERED = 1_000

/** Where every request ends up: a line in the log, a record in the ledger, and the metrics. */
export class Recorder {
  private readonly log: Log
  private readonly ledger: Pick<Ledger, 'add'> | null
  private readonly metrics: Pick<Metrics, 'onSettled'> | null
  private readonly slowness: SlownessWatch
  private readonly shares: PromptCacheWatch
  private settled: RequestSummary[]
  /** Whose answer is still being looked at. */
  private readonly unread: Set<RequestSummary>
  private waiting: boolean

  /** @param slowMs a relay that takes longer is told of */
  constructor(
    log: Log,
    ledger: Pick<Ledger, 'add'> | null,
    metrics: Pick<Metrics, 'onSettled'> | null,
    slowMs: number,
  ) {
    this.log = log
    this.ledger = ledger
    this.metrics = metrics
    this.slowness = new SlownessWatch(log, slowMs)
    this.shares = new PromptCacheWatch(log)
    this.settled = []
    this.unread = new Set()
    this.waiting = false
  }

  /** @param now `performance.now()` */
  settle(exchange: Exchange, now: number): void {
    const summary = new RequestSummary(exchange, now)
    this.slowness.onSettled(summary)
    if (exchange.meter === null || exchange.meter.isRead) {
      this.gather(summary)
      return
    }
    this.unread.add(summary)
    exchange.meter.whenRead(() => {
      if (this.unread.delete(summary)) this.gather(summary)
    })
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.slowness.tick(now)
  }

  /** Requests that are over, of which the answers are still being looked at. */
  get unreadCount(): number {
    return this.unread.size
  }

  /** Hands on all that there is, at the end of the relay. */
  close(): void {
    this.slowness.close()
    for (const summary of this.unread) this.settled.push(summary)
    this.unread.clear()
    this.flush()
  }

  /** Hands on what was gathered. */
  flush(): void {
    const { settled } = this
    this.waiting = false
    this.settled = []
    // One after the other and not by turns: each then goes on with what it has just worked with.
    for (const one of settled) this.ledger?.add(one)
    for (const one of settled) this.shares.onSettled(one)
    for (const one of settled) this.log.request(one)
    if (this.metrics !== null) for (const one of settled) this.metrics.onSettled(one)
  }

  private gather(summary: RequestSummary): void {
    this.settled.push(summary)
    if (this.settled.length >= MOST_GATHERED) this.flush()
    else if (!this.waiting) {
      this.waiting = true
      setTimeout(flush, GATHER_MS, this).unref()
    }
  }
}

function flush(recorder: Recorder): void {
  recorder.flush()
}

import type { RequestSummary, SummarySink } from '../exchange/summary.js'

/** Most summaries that wait to be handed on: beyond it, the first of them are handed on at once. */
const MAX_GATHERED = 1_000

/**
 * Summaries that are handed on in one turn of the event loop. All sinks together take some 12 microseconds for each,
 * and the chunks of open streams wait meanwhile. With 8, a request took 1.2x of the CPU time that it takes if all are
 * handed on at once, as the code of the sinks has left the processor's caches each time; with 32 no difference can be
 * measured (bench `requests`).
 */
const SLICE = 32

/**
 * If more than these come in each turn, the turns themselves are long. Then as many are handed on as have come since
 * the turn before, but no more than this share of those that wait: a thousand clients may leave in one turn.
 */
const MOST_SHARE = 1 / 8

/**
 * Hands the summary of every request to each sink: the ledger, the log, the metrics and others. Summaries are gathered
 * for a moment and then handed on one after the other, as code that runs again and again is in the processor's caches;
 * but only some in each turn of the event loop.
 */
export class Recorder {
  private readonly sinks: readonly SummarySink[]
  private readonly gatherMs: number
  private readonly prepare: (summary: RequestSummary) => Promise<void> | null
  private gathered: RequestSummary[]
  /** How many of these, the first ones, have been gathered for long enough. */
  private due: number
  /** How many have come since some were handed on. */
  private arrived: number
  /** Requests that are over, but whose response the meter has not read to its end. */
  private readonly unread: Set<RequestSummary>
  /** Requests whose response has been read, and that wait for `prepare`. */
  private readonly unprepared: Set<RequestSummary>
  /** The time for gathering runs. */
  private isGathering: boolean
  /** More are handed on in the next turn. */
  private isPassing: boolean
  /** The sinks have been told that more follow. */
  private isHolding: boolean

  /**
   * @param sinks in the order in which they get the summaries
   * @param gatherMs milliseconds for which summaries are gathered; 0: until the end of the turn, and then all of them
   * are handed on in it
   * @param prepare called when a response has been read: the summary waits for what it returns
   */
  constructor(
    sinks: readonly SummarySink[],
    gatherMs: number,
    prepare: (summary: RequestSummary) => Promise<void> | null = () => null,
  ) {
    this.sinks = sinks
    this.prepare = prepare
    this.gatherMs = gatherMs
    this.gathered = []
    this.due = 0
    this.arrived = 0
    this.unread = new Set()
    this.unprepared = new Set()
    this.isGathering = false
    this.isPassing = false
    this.isHolding = false
  }

  add(summary: RequestSummary): void {
    const { meter } = summary.outcome
    if (meter === null || meter.isRead) {
      this.prepareOne(summary)
      return
    }
    this.unread.add(summary)
    meter.whenRead(() => {
      if (this.unread.delete(summary)) this.prepareOne(summary)
    })
  }

  private prepareOne(summary: RequestSummary): void {
    const prepared = this.prepare(summary)
    if (prepared === null) {
      this.gather(summary)
      return
    }
    this.unprepared.add(summary)
    void prepared.then(() => {
      if (this.unprepared.delete(summary)) this.gather(summary)
    })
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    for (const sink of this.sinks) sink.tick?.(now)
  }

  /** Requests that are over, and whose summary cannot be handed on yet. */
  get unreadCount(): number {
    return this.unread.size + this.unprepared.size
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
    this.gathered.push(...this.unread, ...this.unprepared)
    this.unread.clear()
    this.unprepared.clear()
    this.flush()
    for (const sink of this.sinks) sink.flush?.()
  }

  /** Hands on all that was gathered. */
  flush(): void {
    const { gathered } = this
    this.gathered = []
    this.due = 0
    this.pass(gathered)
    this.release()
  }

  private gather(summary: RequestSummary): void {
    this.gathered.push(summary)
    this.arrived++
    if (this.gathered.length > MAX_GATHERED) this.passFirst(SLICE)
    if (this.isGathering) return
    this.isGathering = true
    if (this.gatherMs === 0) setImmediate(onGathered, this)
    else setTimeout(onGathered, this.gatherMs, this).unref()
  }

  /** The time for gathering is over. */
  onGathered(): void {
    this.isGathering = false
    if (this.gatherMs === 0) {
      this.flush()
      return
    }
    this.due = this.gathered.length
    // Under load there are always more to follow: what the sinks have got is not held for all that time.
    if (this.isPassing) {
      this.release()
      return
    }
    this.arrived = 0
    this.passSlice()
  }

  /** Hands on as many as one turn may. The rest follows in the next turns. */
  passSlice(): void {
    const share = Math.min(this.arrived, Math.ceil(this.due * MOST_SHARE))
    this.arrived = 0
    const count = Math.min(this.due, Math.max(SLICE, share))
    this.isPassing = count < this.due
    if (!this.isHolding) this.hold()
    this.passFirst(count)
    if (this.isPassing) setImmediate(passSlice, this)
    else this.release()
  }

  private passFirst(count: number): void {
    const first = this.gathered.splice(0, count)
    this.due = Math.max(0, this.due - first.length)
    this.pass(first)
  }

  /** Sink by sink and not summary by summary: each stays in the processor's caches. */
  private pass(summaries: readonly RequestSummary[]): void {
    for (const sink of this.sinks) for (const summary of summaries) sink.record(summary)
  }

  /** Tells the sinks that summaries follow, all of which are to be written together. */
  private hold(): void {
    this.isHolding = true
    for (const sink of this.sinks) sink.startBatch?.()
  }

  /** Tells the sinks that no more are waited for: each writes at once, and not when a clock of its own wakes it up. */
  private release(): void {
    if (!this.isHolding) return
    this.isHolding = false
    for (const sink of this.sinks) sink.endBatch?.()
  }
}

function onGathered(recorder: Recorder): void {
  recorder.onGathered()
}

function passSlice(recorder: Recorder): void {
  recorder.passSlice()
}

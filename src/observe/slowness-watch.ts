import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION_MS = 20

/** As long as it goes on, it is told no more often. */
const SILENCE_MS = 1_000

/** Tells the log when it is the relay itself that is slow: the budget that users were promised, watched while it works. */
export class SlownessWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly slowMs: number
  private readonly delays: IntervalHistogram
  private slowest: RequestSummary | null
  private slow: number
  private toldAt: number
  /** What happened at the start is over: code was compiled, connections were opened. */
  private started: boolean

  /** @param slowMs told from so many milliseconds on */
  constructor(log: Pick<Log, 'warn'>, slowMs: number) {
    this.log = log
    this.slowMs = slowMs
    this.delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.delays.enable()
    this.slowest = null
    this.slow = 0
    this.toldAt = performance.now()
    this.started = false
  }

  record(summary: RequestSummary): void {
    const { overheadMs } = summary
    if (overheadMs === null || overheadMs < this.slowMs) return
    this.slow++
    if (overheadMs > (this.slowest?.overheadMs ?? 0)) this.slowest = summary
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    if (now - this.toldAt < SILENCE_MS) return
    const delayMs = this.started ? this.delays.max / 1e6 - RESOLUTION_MS : 0
    this.started = true
    this.delays.reset()
    if (delayMs < this.slowMs && this.slowest === null) return
    this.toldAt = now
    if (delayMs >= this.slowMs) {
      const ms = Math.round(delayMs)
      this.log.warn(
        { delay_ms: ms },
        `everything stood still for ${ms} ms: a busy machine, or the relay itself`,
      )
    }
    if (this.slowest === null) return
    const ms = Math.round(this.slowest.overheadMs ?? 0)
    this.log.warn(
      { id: this.slowest.request.id, overhead_ms: ms, requests: this.slow },
      `the relay itself held a request up for ${ms} ms; ${this.slow} were slower than log.slowMs`,
    )
    this.slowest = null
    this.slow = 0
  }

  close(): void {
    this.delays.disable()
  }
}

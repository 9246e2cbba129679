import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** Interval at which the delay of the event loop is sampled, in milliseconds. */
const RESOLUTION_MS = 20

/** Least time between two warnings, in milliseconds. */
const WARN_INTERVAL_MS = 1_000

/** Logs a warning when the relay itself is slow, and not an upstream or a client. */
export class SlownessWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly slowMs: number
  private readonly delays: IntervalHistogram
  private slowest: RequestSummary | null
  private slow: number
  private warnedAt: number
  /** False until the first tick: while code is compiled and connections are opened, delays are normal. */
  private started: boolean

  /** @param slowMs warn from this many milliseconds on (`log.slowMs`) */
  constructor(log: Pick<Log, 'warn'>, slowMs: number) {
    this.log = log
    this.slowMs = slowMs
    this.delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.delays.enable()
    this.slowest = null
    this.slow = 0
    this.warnedAt = performance.now()
    this.started = false
  }

  /** Remembers the slowest request since the last warning. */
  record(summary: RequestSummary): void {
    const { overheadMs } = summary
    if (overheadMs === null || overheadMs < this.slowMs) return
    this.slow++
    if (overheadMs > (this.slowest?.overheadMs ?? 0)) this.slowest = summary
  }

  /** Logs what was slow since the last warning. @param now `performance.now()` */
  tick(now: number): void {
    if (now - this.warnedAt < WARN_INTERVAL_MS) return
    const delayMs = this.started ? this.delays.max / 1e6 - RESOLUTION_MS : 0
    this.started = true
    this.delays.reset()
    if (delayMs < this.slowMs && this.slowest === null) return
    this.warnedAt = now
    if (delayMs >= this.slowMs) {
      const ms = Math.round(delayMs)
      this.log.warn(
        { delay_ms: ms },
        `the event loop was blocked for ${ms} ms, by a busy machine or by the relay itself`,
      )
    }
    if (this.slowest === null) return
    const ms = Math.round(this.slowest.overheadMs ?? 0)
    this.log.warn(
      { id: this.slowest.request.id, overhead_ms: ms, requests: this.slow },
      `the relay itself delayed a request by ${ms} ms; ${this.slow} requests exceeded log.slowMs`,
    )
    this.slowest = null
    this.slow = 0
  }

  close(): void {
    this.delays.disable()
  }
}

import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** Interval at which the delay of a busy event loop is sampled, in milliseconds. */
const RESOLUTION_MS = 20

/**
 * The delay is sampled from this share of busy time on. Below it, a timer each 20 ms would be most of what wakes the
 * process up: 50 of 64 wakes a second of a relay that nobody asks (bench `idle`).
 */
const BUSY_SHARE = 0.2

/** Ticks with less than that before the samples end. */
const QUIET_TICKS = 8

/** Least time between two warnings, in milliseconds. */
const WARN_INTERVAL_MS = 1_000

/**
 * Without samples, a turn is taken for long if all turns since the last tick took `slowMs` together, and this share of
 * it on average. A loop that was quiet before has few turns beside the long one.
 */
const MEAN_SHARE = 1 / 8

/** What the event loop has done since its start. */
export interface LoopWork {
  /** Milliseconds. */
  readonly activeMs: number
  readonly idleMs: number
  readonly turns: number
}

/** Logs a warning when the relay itself is slow, and not an upstream or a client. */
export class SlownessWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly slowMs: number
  private readonly readWork: () => LoopWork
  /** Null until the loop is busy for the first time. */
  private delays: IntervalHistogram | null
  private isSampling: boolean
  private quietTicks: number
  private seen: LoopWork
  /** The longest time without samples in which the loop was busy, and its turns; 0 for none. */
  private busyMs: number
  private busyTurns: number
  private slowest: RequestSummary | null
  private slow: number
  private warnedAt: number
  /** False until the first tick: while code is compiled and connections are opened, delays are normal. */
  private started: boolean
  private isClosed: boolean

  /** @param slowMs warn from this many milliseconds on (`log.slowMs`) */
  constructor(log: Pick<Log, 'warn'>, slowMs: number, readWork = readLoopWork) {
    this.log = log
    this.slowMs = slowMs
    this.readWork = readWork
    this.delays = null
    this.isSampling = false
    this.quietTicks = 0
    this.seen = readWork()
    this.busyMs = 0
    this.busyTurns = 0
    this.slowest = null
    this.slow = 0
    this.warnedAt = performance.now()
    this.started = false
    this.isClosed = false
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
    this.look()
    if (now - this.warnedAt < WARN_INTERVAL_MS) return
    if (this.started) this.warn(now)
    // Not at each tick: the delay until the next sample is not in the histogram then.
    if (!this.started || this.delayMs >= this.slowMs) this.delays?.reset()
    this.started = true
    this.busyMs = 0
  }

  close(): void {
    this.isClosed = true
    this.delays?.disable()
  }

  /** The longest delay of the samples. */
  private get delayMs(): number {
    return this.delays === null ? 0 : this.delays.max / 1e6 - RESOLUTION_MS
  }

  /** Finds how busy the loop was since the last tick, and samples its delay while it is. */
  private look(): void {
    const work = this.readWork()
    const activeMs = work.activeMs - this.seen.activeMs
    const idleMs = work.idleMs - this.seen.idleMs
    const turns = Math.max(1, work.turns - this.seen.turns)
    this.seen = work
    const isLong = activeMs >= this.slowMs && activeMs / turns >= this.slowMs * MEAN_SHARE
    if (!this.isSampling && isLong && activeMs > this.busyMs) {
      this.busyMs = activeMs
      this.busyTurns = turns
    }
    if (activeMs >= BUSY_SHARE * (activeMs + idleMs)) {
      this.quietTicks = 0
      if (!this.isSampling) this.startSampling()
    } else if (this.isSampling && ++this.quietTicks >= QUIET_TICKS) {
      this.isSampling = false
      this.delays?.disable()
    }
  }

  private startSampling(): void {
    if (this.isClosed) return
    this.isSampling = true
    this.delays ??= monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.delays.enable()
  }

  private warn(now: number): void {
    const { delayMs } = this
    if (delayMs >= this.slowMs) {
      this.warnedAt = now
      const ms = Math.round(delayMs)
      this.log.warn(
        { delay_ms: ms },
        `the event loop was blocked for ${ms} ms, by a busy machine or by the relay itself`,
      )
    } else if (this.busyMs > 0) {
      this.warnedAt = now
      const ms = Math.round(this.busyMs)
      const turns = this.busyTurns === 1 ? 'one turn' : `${this.busyTurns} turns`
      this.log.warn(
        { busy_ms: ms, turns: this.busyTurns },
        `the event loop was busy for ${ms} ms in ${turns}, by a busy machine or by the relay itself`,
      )
    }
    if (this.slowest === null) return
    this.warnedAt = now
    const ms = Math.round(this.slowest.overheadMs ?? 0)
    this.log.warn(
      { id: this.slowest.request.id, overhead_ms: ms, requests: this.slow },
      `the relay itself delayed a request by ${ms} ms; ${this.slow} requests exceeded log.slowMs`,
    )
    this.slowest = null
    this.slow = 0
  }
}

function readLoopWork(): LoopWork {
  const { active, idle } = performance.eventLoopUtilization()
  return { activeMs: active, idleMs: idle, turns: performance.nodeTiming.uvMetricsInfo.loopCount }
}

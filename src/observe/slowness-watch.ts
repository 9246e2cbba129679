import { performance } from 'node:perf_hooks'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** Least time between two warnings, in milliseconds. */
const WARN_INTERVAL_MS = 1_000

/** The time, and the part of it in which the event loop had nothing to do: milliseconds. */
export interface LoopClock {
  now(): number
  idleMs(): number
}

const LOOP_CLOCK: LoopClock = {
  // Node's own clock, whatever a test makes of `performance.now`.
  now: performance.now.bind(performance),
  idleMs: () => performance.nodeTiming.idleTime,
}

/**
 * Logs a warning when the relay itself is slow, and not an upstream or a client.
 *
 * Each turn of the event loop is measured at its end, by an immediate that does not hold the loop: it runs when there
 * is a turn anyway. A timer that samples the delay would be most of what wakes the process up when nobody asks it
 * (bench `idle`). A process that was stopped, or got no core, seems to wait meanwhile: only its late tick shows that.
 */
export class SlownessWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly slowMs: number
  private readonly tickMs: number
  private readonly clock: LoopClock
  private immediate: NodeJS.Immediate
  /** When the turn began, and how long the loop had been idle by then. */
  private turnStartedAt: number
  private turnIdleMs: number
  private tickedAt: number
  /** The longest turn, or delay of a tick, since the last warning. */
  private longestMs: number
  private slowest: RequestSummary | null
  private slow: number
  private warnedAt: number
  /** False until the first tick: while code is compiled and connections are opened, delays are normal. */
  private started: boolean

  /**
   * @param slowMs warn from this many milliseconds on (`log.slowMs`)
   * @param tickMs milliseconds from one tick to the next
   */
  constructor(log: Pick<Log, 'warn'>, slowMs: number, tickMs: number, clock = LOOP_CLOCK) {
    this.log = log
    this.slowMs = slowMs
    this.tickMs = tickMs
    this.clock = clock
    this.turnStartedAt = clock.now()
    this.turnIdleMs = clock.idleMs()
    this.tickedAt = this.turnStartedAt
    this.longestMs = 0
    this.slowest = null
    this.slow = 0
    this.warnedAt = performance.now()
    this.started = false
    this.immediate = setImmediate(endTurn, this).unref()
  }

  /** Remembers the slowest request since the last warning. */
  record(summary: RequestSummary): void {
    const { overheadMs } = summary
    if (overheadMs === null || overheadMs < this.slowMs) return
    this.slow++
    if (overheadMs > (this.slowest?.overheadMs ?? 0)) this.slowest = summary
  }

  /** Measures the turn that ends, and waits for the end of the next one. */
  endTurn(): void {
    this.measureTurn()
    this.immediate = setImmediate(endTurn, this).unref()
  }

  /** Logs what was slow since the last warning. @param now `performance.now()` */
  tick(now: number): void {
    const at = this.clock.now()
    this.noteDelay(at - this.tickedAt - this.tickMs)
    this.tickedAt = at
    // The turn of this tick, as far as it has come.
    this.noteDelay(this.turnMs(at, this.clock.idleMs()))
    if (now - this.warnedAt < WARN_INTERVAL_MS) return
    if (this.started) this.warn(now)
    if (this.started && this.longestMs < this.slowMs) return
    this.started = true
    // The rest of this turn is measured by itself: what was logged is not logged again.
    this.measureTurn()
    this.longestMs = 0
  }

  close(): void {
    clearImmediate(this.immediate)
  }

  private measureTurn(): void {
    const now = this.clock.now()
    const idleMs = this.clock.idleMs()
    this.noteDelay(this.turnMs(now, idleMs))
    this.turnStartedAt = now
    this.turnIdleMs = idleMs
  }

  private turnMs(now: number, idleMs: number): number {
    return now - this.turnStartedAt - (idleMs - this.turnIdleMs)
  }

  private noteDelay(ms: number): void {
    if (ms > this.longestMs) this.longestMs = ms
  }

  private warn(now: number): void {
    if (this.longestMs >= this.slowMs) {
      this.warnedAt = now
      const ms = Math.round(this.longestMs)
      this.log.warn(
        { delay_ms: ms },
        `the event loop was blocked for ${ms} ms, by a busy machine or by the relay itself`,
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

function endTurn(watch: SlownessWatch): void {
  watch.endTurn()
}

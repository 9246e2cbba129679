import { LatencyWindow } from './latency.js'
import { classifyFailure, type Outcome } from './retry-policy.js'

/** `closed`: asked as any other. `open`: left alone. `trial`: one request has been let through to see. */
export type BreakerState = 'closed' | 'open' | 'trial'

export interface BreakerOptions {
  /** So many failures in a row open it; so do half of all outcomes within the window, if they are twice as many. */
  readonly failures: number
  readonly windowMs: number
  /** Before the first trial; twice as long after each that failed. */
  readonly openMs: number
  readonly openMaxMs: number
  /** A first byte that takes longer counts as a failure. Null: none is too slow. */
  readonly slowMs: number | null
  /**
   * The same, by how many times the target's own median. Null where models of one target differ: they have no one
   * median.
   */
  readonly slowTimes: number | null
}

export const BREAKER_DEFAULTS: BreakerOptions = Object.freeze({
  failures: 5,
  windowMs: 30_000,
  openMs: 5_000,
  openMaxMs: 60_000,
  slowMs: null,
  slowTimes: null,
})

/** Called after the change. @param why what failed, as given to `fail`, or what else happened */
export type OnBreakerChange = (from: BreakerState, to: BreakerState, why: string) => void

export interface BreakerSnapshot {
  readonly state: BreakerState
  /** Since the start. */
  readonly failures: number
  /** How often it was opened since the start, after a failed trial too. */
  readonly opened: number
  /** Still to be left alone by its own wish. */
  readonly cooling_ms: number
  readonly in_flight: number
  readonly first_byte_p50: number | null
  readonly first_byte_p95: number | null
}

/** A median of fewer times is none to judge others by. */
const MEDIAN_OF = 20

const MOSTLY = 0.5

/**
 * Passive health of one target: a circuit breaker, a cooldown, and how long its first byte takes. It has no timer:
 * time is passed in, as of `performance.now()`.
 *
 * ```
 * closed --failures--> open --openMs--> trial --success--> closed
 *                       ^                 |
 *                       +-----failure-----+   (for twice as long)
 * ```
 *
 * Each attempt is `begin`, then `succeed` or `fail` or neither, then `end`. What `begin` returns tells them apart: an
 * attempt that was begun before the last change between closed and open speaks of a time that is over. A hundred
 * requests that hang and fail one after another would else close the door again on a target that has recovered.
 */
export class CircuitBreaker {
  state: BreakerState
  /** Attempts that have begun and not ended, streams included. */
  inFlight: number
  readonly latency: LatencyWindow
  private readonly options: BreakerOptions
  private readonly onChange: OnBreakerChange
  private readonly tally: Tally
  private inARow: number
  private failures: number
  private opened: number
  /**
   * Openings that still count for how long the next one is: one more for each, one less for each window spent closed.
   */
  private level: number
  private readonly levelMax: number
  private closedAt: number
  /** Not closed: when a trial may begin. In a trial: when it has had its time, and another may. */
  private trialAt: number
  private coolUntilAt: number
  /** Of the last attempt. */
  private ticket: number
  /** Up to this, attempts tell nothing any more. */
  private lastBefore: number
  /** Of the attempt that is the trial; 0 if there is none. */
  private trial: number

  constructor(options: BreakerOptions, onChange: OnBreakerChange) {
    this.state = 'closed'
    this.inFlight = 0
    this.latency = new LatencyWindow()
    this.options = options
    this.onChange = onChange
    this.tally = new Tally(options.windowMs)
    this.inARow = 0
    this.failures = 0
    this.opened = 0
    this.level = 0
    this.levelMax = Math.max(0, Math.ceil(Math.log2(options.openMaxMs / options.openMs)))
    this.closedAt = 0
    this.trialAt = 0
    this.coolUntilAt = 0
    this.ticket = 0
    this.lastBefore = 0
    this.trial = 0
  }

  /** Whether it is to be asked before targets that are not. Who has nobody else may ask all the same. */
  allows(now: number): boolean {
    return now >= this.coolUntilAt && (this.state === 'closed' || now >= this.trialAt)
  }

  /**
   * An attempt begins; it is the trial if one is due.
   * @returns what the other calls for this attempt need
   */
  begin(now: number): number {
    this.inFlight++
    const ticket = ++this.ticket
    if (this.state !== 'closed' && this.allows(now)) {
      this.trial = ticket
      // A trial that hangs does not keep others out for as long as the first byte may take.
      this.trialAt = now + this.options.openMaxMs
      if (this.state === 'open') this.change('trial', 'its time is over')
    }
    return ticket
  }

  /**
   * It answers.
   * @param firstByteMs null where that says nothing about a model: of an error, say, which is quickly told
   */
  succeed(ticket: number, now: number, firstByteMs: number | null): void {
    if (firstByteMs !== null) {
      const slow = this.isSlow(firstByteMs)
      this.latency.observe(now, firstByteMs)
      if (slow) {
        this.fail(ticket, now, 'slow')
        return
      }
    }
    if (ticket <= this.lastBefore) return
    if (this.state !== 'closed') {
      this.close(now)
      return
    }
    this.inARow = 0
    this.tally.add(now, false)
  }

  /** It does not. @param why for the log: an error's code, a status */
  fail(ticket: number, now: number, why: string): void {
    this.failures++
    if (ticket <= this.lastBefore) return
    if (this.state === 'closed') {
      this.inARow++
      this.tally.add(now, true)
      const { failures } = this.options
      if (this.inARow >= failures || this.tally.mostlyFailed(2 * failures)) this.open(now, why)
    } else if (ticket === this.trial) {
      this.open(now, why)
    }
  }

  /** Once for each attempt, when it is over: a trial that has told nothing (its client left) makes room for another. */
  end(ticket: number): void {
    this.inFlight--
    if (ticket !== this.trial) return
    this.trial = 0
    this.trialAt = 0
    this.change('open', 'its trial was given up')
  }

  /**
   * By the target's own wish, or not for as long as it has wished before. No failure: a target with a quota is well.
   */
  coolDownUntil(time: number): void {
    if (time > this.coolUntilAt) this.coolUntilAt = time
  }

  /** How long its first byte may take, the less the longer nothing was heard; null if nothing ever was. */
  expectedFirstByteMs(now: number): number | null {
    return this.latency.expected(now)
  }

  snapshot(now: number): BreakerSnapshot {
    return {
      state: this.state,
      failures: this.failures,
      opened: this.opened,
      cooling_ms: Math.max(0, this.coolUntilAt - now),
      in_flight: this.inFlight,
      first_byte_p50: this.latency.quantile(0.5),
      first_byte_p95: this.latency.quantile(0.95),
    }
  }

  private isSlow(ms: number): boolean {
    const { slowMs, slowTimes } = this.options
    if (slowMs !== null && ms > slowMs) return true
    if (slowTimes === null || this.latency.count < MEDIAN_OF) return false
    return ms > slowTimes * (this.latency.quantile(0.5) as number)
  }

  private open(now: number, why: string): void {
    const { windowMs, openMs, openMaxMs } = this.options
    if (this.state === 'closed') {
      this.level = Math.max(0, this.level - Math.floor((now - this.closedAt) / windowMs))
    }
    this.trialAt = now + Math.min(openMaxMs, openMs * 2 ** this.level)
    this.level = Math.min(this.levelMax, this.level + 1)
    this.opened++
    this.startAnew()
    this.change('open', why)
  }

  private close(now: number): void {
    this.closedAt = now
    this.inARow = 0
    this.tally.clear()
    this.startAnew()
    this.change('closed', 'it answers')
  }

  private startAnew(): void {
    this.lastBefore = this.ticket
    this.trial = 0
  }

  private change(to: BreakerState, why: string): void {
    const from = this.state
    this.state = to
    this.onChange(from, to, why)
  }
}

const SLOTS = 10

/** Outcomes of the last while, by tenths of it. */
class Tally {
  private readonly slotMs: number
  private readonly all: Uint32Array
  private readonly failed: Uint32Array
  /** Number of the newest tenth, counted from time 0; it is kept at its last digit. */
  private newest: number

  constructor(windowMs: number) {
    this.slotMs = windowMs / SLOTS
    this.all = new Uint32Array(SLOTS)
    this.failed = new Uint32Array(SLOTS)
    this.newest = 0
  }

  add(now: number, failed: boolean): void {
    this.advance(Math.floor(now / this.slotMs))
    const at = this.newest % SLOTS
    this.all[at] = (this.all[at] as number) + 1
    if (failed) this.failed[at] = (this.failed[at] as number) + 1
  }

  /** Of the time that the last `add` told of. @param least of fewer outcomes there is no saying */
  mostlyFailed(least: number): boolean {
    let all = 0
    let failed = 0
    for (let at = 0; at < SLOTS; at++) {
      all += this.all[at] as number
      failed += this.failed[at] as number
    }
    return all >= least && failed >= all * MOSTLY
  }

  clear(): void {
    this.all.fill(0)
    this.failed.fill(0)
  }

  private advance(to: number): void {
    if (to - this.newest >= SLOTS) this.clear()
    else {
      for (let slot = this.newest + 1; slot <= to; slot++) {
        this.all[slot % SLOTS] = 0
        this.failed[slot % SLOTS] = 0
      }
    }
    if (to > this.newest) this.newest = to
  }
}

/**
 * What an outcome says of the target's health: a status below 500 that it is well (a client's mistakes are not its
 * own), as do 501 and 505, and an answer that is of no use for this one request; a failure or another status from 500 up that it is not; `nothing`, if it wants to be left
 * alone for a while (429), if a kept connection had gone stale, or if the request could not be sent to anybody.
 *
 * A client that has left says nothing either, and is no outcome.
 */
export function classifyOutcome(outcome: Outcome): 'well' | 'unwell' | 'nothing' {
  switch (classifyFailure(outcome)) {
    case 'answered':
    case 'unusable':
      return 'well'
    case 'turned_away':
      return verdictOnStatus(outcome as number)
    case 'refused':
    case 'stale':
    case 'stale_unsent':
      return 'nothing'
    case 'unreached':
    case 'unsent':
    case 'dead':
    case 'late':
    case 'silent':
      return 'unwell'
  }
}

function verdictOnStatus(status: number): 'well' | 'unwell' | 'nothing' {
  if (status >= 500) return 'unwell'
  return status === 429 ? 'nothing' : 'well'
}

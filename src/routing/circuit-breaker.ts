import { LatencyWindow } from './latency.js'
import { OutcomeWindow } from './outcome-window.js'

/**
 * `closed`: the target is healthy and gets requests as usual. `open`: it is unhealthy, so other targets are tried
 * before it. `half_open`: one trial request is under way, to see whether it has recovered.
 */
export type BreakerState = 'closed' | 'open' | 'half_open'

export interface BreakerOptions {
  /**
   * This many failures in a row open the breaker. So does a window in which at least half of the outcomes are failures,
   * if it has at least twice as many outcomes as this.
   */
  readonly failures: number
  readonly windowMs: number
  /** Milliseconds from opening to the first trial request; doubled after each failed trial. */
  readonly openMs: number
  readonly openMaxMs: number
  /** A first byte that takes longer, in milliseconds, counts as a failure. Null: no limit. */
  readonly slowMs: number | null
  /**
   * A first byte that takes this many times the target's median counts as a failure. Null: no limit. Set it only where
   * the target serves one model: models differ too much to share a median.
   */
  readonly slowFactor: number | null
}

export const BREAKER_DEFAULTS: BreakerOptions = Object.freeze({
  failures: 5,
  windowMs: 30_000,
  openMs: 5_000,
  openMaxMs: 60_000,
  slowMs: null,
  slowFactor: null,
})

/**
 * Called after each change of state.
 * @param why for the log: the failure's cause as given to `fail`, or another reason in words
 */
export type OnBreakerChange = (from: BreakerState, to: BreakerState, why: string) => void

/** The state of one target's breaker, for probes and metrics. */
export interface BreakerSnapshot {
  readonly state: BreakerState
  /** Failed attempts since the start. */
  readonly failures: number
  /** How often the breaker has opened since the start, failed trials included. */
  readonly opened: number
  /** Milliseconds until the target's own cooldown (`retry-after`) ends; 0 if there is none. */
  readonly cooling_ms: number
  readonly in_flight: number
  /** Milliseconds to the first byte; null if none has been measured. */
  readonly first_byte_p50: number | null
  readonly first_byte_p95: number | null
}

/** `slowFactor` applies once the median rests on this many times. */
const MEDIAN_MINIMUM = 20

/**
 * The passive health of one target: a circuit breaker, a cooldown, and the latency of its first byte. There is no
 * timer: every method takes the time, as of `performance.now()`.
 *
 * ```
 * closed --failures--> open --openMs--> half_open --success--> closed
 *                       ^                   |
 *                       +------failure------+   (for twice as long)
 * ```
 *
 * For each attempt the caller calls `begin`, then `succeed` or `fail` or neither, then `end`. `begin` returns a ticket
 * that identifies the attempt. Outcomes of attempts that began before the breaker last opened or closed are ignored:
 * otherwise a hundred hanging requests that fail one after another would reopen it for a target that has recovered.
 */
export class CircuitBreaker {
  state: BreakerState
  /** Attempts that have begun and not ended, streams included. */
  inFlight: number
  readonly latency: LatencyWindow
  private readonly options: BreakerOptions
  private readonly onChange: OnBreakerChange
  private readonly outcomes: OutcomeWindow
  private consecutiveFailures: number
  private failureCount: number
  private openedCount: number
  /** Exponent of the open time: up by one with each opening, down by one for each window that it stays closed. */
  private backoffLevel: number
  private readonly backoffMax: number
  private closedAt: number
  /** If open: when a trial may begin. If half-open: when the trial has had its time, and another may begin. */
  private nextTrialAt: number
  private coolingUntil: number
  private lastTicket: number
  /** Outcomes of attempts with this ticket or a lower one are ignored. */
  private ignoredUpTo: number
  /** Ticket of the trial request; 0 if there is none. */
  private trialTicket: number
  /** Ticket of the trial that closed the breaker; 0 for none. */
  private closingTicket: number
  /** Responses in a row that began well and ended in an error of the target's own. */
  private consecutiveLateFailures: number

  constructor(options: BreakerOptions, onChange: OnBreakerChange) {
    this.state = 'closed'
    this.inFlight = 0
    this.latency = new LatencyWindow()
    this.options = options
    this.onChange = onChange
    this.outcomes = new OutcomeWindow(options.windowMs)
    this.consecutiveFailures = 0
    this.failureCount = 0
    this.openedCount = 0
    this.backoffLevel = 0
    this.backoffMax = Math.max(0, Math.ceil(Math.log2(options.openMaxMs / options.openMs)))
    this.closedAt = 0
    this.nextTrialAt = 0
    this.coolingUntil = 0
    this.lastTicket = 0
    this.ignoredUpTo = 0
    this.trialTicket = 0
    this.closingTicket = 0
    this.consecutiveLateFailures = 0
  }

  /**
   * Whether the target should get a request now: the breaker is closed, or a trial is due; and there is no cooldown. A
   * target that is not allowed is tried after the others, not left out.
   */
  allows(now: number): boolean {
    return now >= this.coolingUntil && (this.state === 'closed' || now >= this.nextTrialAt)
  }

  /**
   * Begins an attempt, which becomes the trial request if one is due.
   * @returns the ticket that the other calls for this attempt need
   */
  begin(now: number): number {
    this.inFlight++
    const ticket = ++this.lastTicket
    if (this.state !== 'closed' && this.allows(now)) {
      this.trialTicket = ticket
      // A trial that hangs must not keep other trials out for as long as its first byte may take.
      this.nextTrialAt = now + this.options.openMaxMs
      if (this.state === 'open') this.changeState('half_open', 'open time is over')
    }
    return ticket
  }

  /**
   * The target responded, and is healthy.
   * @param firstByteMs null if the time says nothing about a model, as with an error response
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
    if (ticket <= this.ignoredUpTo) return
    if (this.state !== 'closed') {
      this.close(now)
      this.closingTicket = ticket
      return
    }
    this.consecutiveFailures = 0
    this.outcomes.add(now, false)
  }

  /** The attempt failed. @param why for the log: an error code or a status */
  fail(ticket: number, now: number, why: string): void {
    this.failureCount++
    if (ticket <= this.ignoredUpTo) return
    if (this.state === 'closed') {
      this.consecutiveFailures++
      this.outcomes.add(now, true)
      const { failures } = this.options
      if (this.consecutiveFailures >= failures || this.outcomes.hasMostlyFailed(2 * failures))
        this.open(now, why)
    } else if (ticket === this.trialTicket) {
      this.open(now, why)
    }
  }

  /**
   * A response that `succeed` has counted is over. Where it ended in an error of the target's own, the success becomes
   * a failure; if it was the trial that closed the breaker, the breaker opens again.
   * @param error for the log; null for none
   */
  settle(ticket: number, now: number, error: string | null): void {
    if (error === null) {
      if (ticket > this.ignoredUpTo) this.consecutiveLateFailures = 0
      return
    }
    this.failureCount++
    if (this.state !== 'closed') return
    if (ticket === this.closingTicket) {
      this.open(now, error)
      return
    }
    if (ticket <= this.ignoredUpTo) return
    this.consecutiveLateFailures++
    this.outcomes.turn(now)
    const { failures } = this.options
    if (this.consecutiveLateFailures >= failures || this.outcomes.hasMostlyFailed(2 * failures))
      this.open(now, error)
  }

  /**
   * Ends an attempt; to be called once for each. A trial without an outcome (its client left) makes room for another.
   */
  end(ticket: number): void {
    this.inFlight--
    if (ticket !== this.trialTicket) return
    this.trialTicket = 0
    this.nextTrialAt = 0
    this.changeState('open', 'trial ended without an outcome')
  }

  /**
   * Applies the target's `retry-after`; of several the latest time counts. This is no failure: rate limiting does not
   * open the breaker.
   */
  coolDownUntil(time: number): void {
    if (time > this.coolingUntil) this.coolingUntil = time
  }

  /** Expected time to the first byte; see `LatencyWindow.expected`. */
  expectedFirstByteMs(now: number): number | null {
    return this.latency.expected(now)
  }

  snapshot(now: number): BreakerSnapshot {
    return {
      state: this.state,
      failures: this.failureCount,
      opened: this.openedCount,
      cooling_ms: Math.max(0, this.coolingUntil - now),
      in_flight: this.inFlight,
      first_byte_p50: this.latency.quantile(0.5),
      first_byte_p95: this.latency.quantile(0.95),
    }
  }

  private isSlow(ms: number): boolean {
    const { slowMs, slowFactor } = this.options
    if (slowMs !== null && ms > slowMs) return true
    if (slowFactor === null || this.latency.count < MEDIAN_MINIMUM) return false
    return ms > slowFactor * (this.latency.quantile(0.5) as number)
  }

  private open(now: number, why: string): void {
    const { windowMs, openMs, openMaxMs } = this.options
    if (this.state === 'closed') {
      this.backoffLevel = Math.max(0, this.backoffLevel - Math.floor((now - this.closedAt) / windowMs))
    }
    this.nextTrialAt = now + Math.min(openMaxMs, openMs * 2 ** this.backoffLevel)
    this.backoffLevel = Math.min(this.backoffMax, this.backoffLevel + 1)
    this.openedCount++
    this.ignoreEarlierAttempts()
    this.changeState('open', why)
  }

  private close(now: number): void {
    this.closedAt = now
    this.consecutiveFailures = 0
    this.outcomes.clear()
    this.ignoreEarlierAttempts()
    this.changeState('closed', 'a request succeeded')
  }

  private ignoreEarlierAttempts(): void {
    this.ignoredUpTo = this.lastTicket
    this.trialTicket = 0
    this.closingTicket = 0
    this.consecutiveLateFailures = 0
  }

  private changeState(to: BreakerState, why: string): void {
    const from = this.state
    this.state = to
    this.onChange(from, to, why)
  }
}

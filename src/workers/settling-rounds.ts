import type { HeldCheck, WorkerLimits } from './worker-limits.js'

/** Milliseconds that workers have to settle what they have gathered. */
const ROUND_MS = 1_000

interface Round {
  readonly number: number
  /** `performance.now()` */
  readonly since: number
  readonly waitsFor: Set<WorkerLimits>
  checks: HeldCheck[]
}

/**
 * Checks that are refused while requests that are over have not been settled: these may have used less than was
 * estimated, and their clients may ask again at once, at another worker. Those workers are asked to settle what they
 * have gathered, and then the checks are decided.
 */
export class SettlingRounds {
  private readonly workers: ReadonlySet<WorkerLimits>
  private readonly decide: (check: HeldCheck) => void
  private round: Round | null
  /** Checks that came after the workers were asked. */
  private next: HeldCheck[]
  private count: number

  constructor(workers: ReadonlySet<WorkerLimits>, decide: (check: HeldCheck) => void) {
    this.workers = workers
    this.decide = decide
    this.round = null
    this.next = []
    this.count = 0
  }

  get hasUnsettled(): boolean {
    for (const { unsettled } of this.workers) if (unsettled.size > 0) return true
    return false
  }

  hold(check: HeldCheck): void {
    if (this.round === null) this.begin([check])
    else this.next.push(check)
  }

  /** @returns the check of a request that is held; null for none */
  find(worker: WorkerLimits, request: number): HeldCheck | null {
    const isIt = (check: HeldCheck): boolean => check.worker === worker && check.request === request
    return this.round?.checks.find(isIt) ?? this.next.find(isIt) ?? null
  }

  /** The same, and it is held no more. */
  drop(worker: WorkerLimits, request: number): HeldCheck | null {
    const found = this.round === null ? null : this.find(worker, request)
    if (found === null || this.round === null) return null
    this.round.checks = this.round.checks.filter((check) => check !== found)
    this.next = this.next.filter((check) => check !== found)
    return found
  }

  onFlushed(worker: WorkerLimits, number: number): void {
    const { round } = this
    if (round === null || round.number !== number || !round.waitsFor.delete(worker)) return
    if (round.waitsFor.size === 0) this.end(round)
  }

  /** The worker is gone. */
  leave(worker: WorkerLimits): void {
    const { round } = this
    const isOthers = (check: HeldCheck): boolean => check.worker !== worker
    this.next = this.next.filter(isOthers)
    if (round === null) return
    round.checks = round.checks.filter(isOthers)
    if (round.waitsFor.delete(worker) && round.waitsFor.size === 0) this.end(round)
  }

  /** @param now `performance.now()` */
  expire(now: number): void {
    if (this.round !== null && now - this.round.since >= ROUND_MS) this.end(this.round)
  }

  private begin(checks: HeldCheck[]): void {
    this.count++
    const waitsFor = new Set([...this.workers].filter(({ unsettled }) => unsettled.size > 0))
    const round = { number: this.count, since: performance.now(), waitsFor, checks }
    this.round = round
    for (const worker of waitsFor) worker.say(['settle', this.count])
    if (waitsFor.size === 0) this.end(round)
  }

  private end({ checks }: Round): void {
    this.round = null
    for (const check of checks) this.decide(check)
    const { next } = this
    this.next = []
    if (next.length > 0) this.begin(next)
  }
}

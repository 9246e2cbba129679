/** So many deaths within so many milliseconds, and the next replacements wait. */
const MANY_DEATHS = 3
const DEATHS_WITHIN_MS = 10_000

/** The waits: 1 s, 2 s, 4 s, 8 s, 16 s, 30 s, 30 s... Milliseconds. */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000

/** Without a death for so long, the next one is the first again; milliseconds. */
const CALM_MS = 60_000

/** So many workers die before they are ready while no other one lives: none can start. */
const MOST_FRUITLESS = 5

/** A worker that is not ready after so many ticks is hung. In a process that is stopped, no ticks pass. */
const READY_WITHIN_TICKS = 60

/** A worker that dies without a word has this exit code for the primary. */
const EXIT_CANNOT_RUN = 1

/** Carries out what `Supervision` decides, and tells people. */
export interface SupervisionHands {
  /** Starts a worker. Its number is the one of no other that lives. */
  fork(number: number): void
  /** A new worker has taken over from this one. */
  retire(number: number): void
  /** Ends a worker that is hung. */
  kill(number: number): void
  /** How many are ready has changed. */
  onStanding(ready: number): void
  /** A worker died. @param waitMs time before it is replaced */
  onDeath(death: Death, waitMs: number): void
  /** So many of the workers have been replaced by new ones. */
  onRestartStep(replaced: number): void
  /** @param problem null: all workers are new ones now */
  onRestartEnd(problem: string | null): void
  /** No worker runs, and none can start. */
  giveUp(message: string, exitCode: number): void
  /** The last worker has ended after `leave`. */
  onAllEnded(): void
}

/** How a worker ended that should not have. */
export interface Death {
  readonly number: number
  /** Such as `signal SIGKILL` or `exit code 1`. */
  readonly how: string
  /** Why it could not start; null if it did not say so, or had started. */
  readonly problem: string | null
}

type WorkerState = 'starting' | 'ready' | 'retiring'

interface WorkerEntry {
  readonly number: number
  /** Of the restart that it was started by, or after. */
  readonly generation: number
  state: WorkerState
  /** Until it has to be ready. */
  ticksLeft: number
  failure: { readonly message: string; readonly exitCode: number } | null
}

/**
 * Decides when workers are started, replaced and given up. It has no clock, no process and no timer: its caller tells
 * it what happens and what time it is (milliseconds of any clock that does not go back), and does what it decides.
 */
export class Supervision {
  private readonly count: number
  private readonly hands: SupervisionHands
  private readonly workers: Map<number, WorkerEntry>
  /** When each missing worker is started, the next one first. */
  private readonly starts: number[]
  /** Times of deaths, the latest last. */
  private deaths: number[]
  private waitMs: number
  /** Workers that died before they were ready, since the last one that became ready. */
  private fruitless: number
  private generation: number
  private restart: { candidate: number | null; replaced: number } | null
  private isLeaving: boolean

  /** @param count how many workers there are to be */
  constructor(count: number, hands: SupervisionHands) {
    this.count = count
    this.hands = hands
    this.workers = new Map()
    this.starts = []
    this.deaths = []
    this.waitMs = 0
    this.fruitless = 0
    this.generation = 0
    this.restart = null
    this.isLeaving = false
  }

  /** Workers that are ready and have not been replaced. */
  get readyCount(): number {
    let ready = 0
    for (const { state } of this.workers.values()) if (state === 'ready') ready++
    return ready
  }

  get isRestarting(): boolean {
    return this.restart !== null
  }

  start(): void {
    for (let i = 0; i < this.count; i++) this.fork()
  }

  onReady(number: number): void {
    const worker = this.workers.get(number)
    if (worker === undefined || worker.state !== 'starting') return
    worker.state = 'ready'
    this.fruitless = 0
    const { restart } = this
    if (restart?.candidate === number) {
      restart.candidate = null
      restart.replaced++
      this.retireOne()
      this.hands.onRestartStep(restart.replaced)
    }
    this.hands.onStanding(this.readyCount)
    this.stepRestart()
  }

  /** A worker says that it cannot start. Its end follows. */
  onFailed(number: number, message: string, exitCode: number): void {
    const worker = this.workers.get(number)
    if (worker !== undefined) worker.failure = { message, exitCode }
  }

  /** @param how such as `signal SIGKILL` */
  onExit(number: number, how: string, now: number): void {
    const worker = this.workers.get(number)
    if (worker === undefined) return
    this.workers.delete(number)
    if (worker.state === 'ready') this.hands.onStanding(this.readyCount)
    if (this.isLeaving) {
      if (this.workers.size === 0) this.hands.onAllEnded()
      return
    }
    // It has ended as it should.
    if (worker.state === 'retiring') return
    const problem = worker.failure?.message ?? null
    const isCandidate = this.restart?.candidate === number
    if (!isCandidate && !this.replace(worker, { number, how, problem }, now)) return
    if (isCandidate || worker.state === 'starting')
      this.endRestart(problem ?? `a new worker died before it was ready (${how})`)
    else this.stepRestart()
  }

  /** Replaces all workers, one by one. There is one restart at a time. */
  beginRestart(): void {
    if (this.isLeaving || this.restart !== null) return
    this.generation++
    this.restart = { candidate: null, replaced: 0 }
    // What they died of may be mended now.
    this.waitMs = 0
    this.deaths = []
    for (const _ of this.starts.splice(0)) this.fork()
    this.stepRestart()
  }

  /** Starts no more workers. @returns whether there is none to wait for */
  leave(): boolean {
    this.isLeaving = true
    this.restart = null
    this.starts.length = 0
    return this.workers.size === 0
  }

  /** Gives the relay up, unless it ends anyway. */
  abandon(message: string, exitCode: number): void {
    if (this.isLeaving) return
    this.leave()
    // Workers that retire end by themselves.
    for (const { number, state } of this.workers.values()) if (state === 'starting') this.hands.kill(number)
    this.hands.giveUp(message, exitCode)
  }

  /** Starts workers whose wait is over, and ends those that are hung in their start. Called once a second. */
  tick(now: number): void {
    while ((this.starts[0] ?? Number.POSITIVE_INFINITY) <= now) {
      this.starts.shift()
      this.fork()
    }
    for (const worker of this.workers.values()) {
      if (worker.state !== 'starting' || --worker.ticksLeft !== 0) continue
      this.onFailed(worker.number, `a worker was not ready within ${READY_WITHIN_TICKS} s`, EXIT_CANNOT_RUN)
      this.hands.kill(worker.number)
    }
  }

  private fork(): number {
    // The lowest one that no other has: in a restart, old and new ones live side by side.
    let number = 1
    while (this.workers.has(number)) number++
    const { generation } = this
    const ticksLeft = READY_WITHIN_TICKS
    this.workers.set(number, { number, generation, state: 'starting', ticksLeft, failure: null })
    this.hands.fork(number)
    return number
  }

  /** @returns false if there is no worker any more, and none can start */
  private replace({ state, failure }: WorkerEntry, death: Death, now: number): boolean {
    if (state === 'starting') this.fruitless++
    if (state === 'starting' && this.readyCount === 0 && this.isHopeless(failure !== null)) {
      const message = failure?.message ?? `the workers die before they are ready (${death.how})`
      this.abandon(message, failure?.exitCode ?? EXIT_CANNOT_RUN)
      return false
    }
    const later = this.noteDeath(now)
    // Nobody else serves, or is about to: clients are refused all the while.
    const isLast = [...this.workers.values()].every(({ state }) => state === 'retiring')
    const waitMs = state === 'ready' && isLast ? Math.min(later, FIRST_WAIT_MS) : later
    this.hands.onDeath(death, waitMs)
    if (waitMs === 0) this.fork()
    else {
      this.starts.push(now + waitMs)
      this.starts.sort((one, other) => one - other)
    }
    return true
  }

  /** Whether no other worker would start either. @param hasReason the last one has said why it could not */
  private isHopeless(hasReason: boolean): boolean {
    if (hasReason) return true
    const areOthers = [...this.workers.values()].some(({ state }) => state === 'starting')
    return !areOthers && this.fruitless >= MOST_FRUITLESS
  }

  /** @returns how long the replacement waits, in milliseconds */
  private noteDeath(now: number): number {
    const last = this.deaths.at(-1) ?? Number.NEGATIVE_INFINITY
    if (now - last > CALM_MS) this.waitMs = 0
    this.deaths = this.deaths.filter((at) => now - at <= DEATHS_WITHIN_MS)
    this.deaths.push(now)
    if (this.waitMs > 0) this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS)
    else if (this.deaths.length >= MANY_DEATHS) this.waitMs = FIRST_WAIT_MS
    return this.waitMs
  }

  /** Starts the next new worker, if there is an old one that it can replace. */
  private stepRestart(): void {
    const { restart } = this
    if (restart === null || restart.candidate !== null) return
    const workers = [...this.workers.values()]
    const isOld = ({ generation, state }: WorkerEntry): boolean =>
      state === 'ready' && generation < this.generation
    if (workers.some(isOld)) restart.candidate = this.fork()
    // An old one that is about to be ready is replaced then.
    else if (workers.every(({ state }) => state !== 'starting')) this.endRestart(null)
  }

  private retireOne(): void {
    for (const worker of this.workers.values()) {
      if (worker.generation === this.generation || worker.state !== 'ready') continue
      worker.state = 'retiring'
      this.hands.retire(worker.number)
      return
    }
  }

  /** @param problem null: all workers are new ones now */
  private endRestart(problem: string | null): void {
    if (this.restart === null) return
    this.restart = null
    this.hands.onRestartEnd(problem)
  }
}

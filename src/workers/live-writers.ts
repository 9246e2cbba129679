import type { LiveRecords } from '../limits/replay/live-records.js'
import type { Followed } from './limit-messages.js'
import { dropOldest, type WorkerLimits } from './worker-limits.js'

/** Milliseconds that a worker has to follow new rules, or to say up to which record it did not. */
const FOLLOW_MS = 5_000

/** Workers that are gone and are remembered: their records may still be read. */
const MOST_GONE = 64

/** Names of workers that are known: that they were some of this relay. */
const MOST_NAMES = 1_000

const NOTHING: ReadonlyMap<string, number> = new Map()

/** What a worker follows. */
interface Writer {
  /** Number of the last record that was counted without a budget, by its name. */
  readonly followed: Map<string, number>
  /** The highest of these numbers, and up to which number the records are in a file. */
  lastSeq: number
  writtenSeq: number
}

/** Somebody who waits until all workers have done something. */
interface Wait {
  /** `performance.now()` */
  readonly since: number
  /** @param isLate workers that do not follow are not waited for */
  readonly isDone: (isLate: boolean) => boolean
  readonly then: () => void
  isLate: boolean
}

/** Budgets of which the workers say where their records begin to count live. */
interface Restating {
  readonly round: number
  /** `performance.now()` */
  readonly since: number
  readonly budgets: readonly string[]
  readonly waitsFor: Set<WorkerLimits>
  readonly paused: Set<WorkerLimits>
  readonly then: () => void
}

/** The workers' records, as far as restoring has to know which of them count live, and which from the ledger. */
export class LiveWriters implements LiveRecords {
  private readonly workers: ReadonlySet<WorkerLimits>
  private readonly byWorker: Map<WorkerLimits, Writer>
  private readonly byName: Map<string, Writer>
  /** Names of workers that are gone, the oldest first. */
  private readonly gone: string[]
  /** All names that there were. */
  private readonly former: Set<string>
  private readonly waits: Set<Wait>
  private readonly restatings: Restating[]
  private round: number
  /** Budgets that were restored without what some workers have recorded. */
  private readonly lacking: Set<string>
  private late: string[]

  constructor(workers: ReadonlySet<WorkerLimits>) {
    this.workers = workers
    this.byWorker = new Map()
    this.byName = new Map()
    this.gone = []
    this.former = new Set()
    this.waits = new Set()
    this.restatings = []
    this.round = 0
    this.lacking = new Set()
    this.late = []
  }

  has(writer: string): boolean {
    return this.byName.has(writer)
  }

  upTo(budget: string): ReadonlyMap<string, number> {
    const found = new Map<string, number>()
    for (const [name, { followed }] of this.byName) {
      const seq = followed.get(budget)
      if (seq !== undefined) found.set(name, seq)
    }
    return found
  }

  get names(): readonly string[] {
    return [...this.byName.keys()]
  }

  /** The same, and those of workers that are long gone. */
  get allNames(): readonly string[] {
    return [...this.former]
  }

  /** The name of a worker; null if it has not said it, or writes no records. */
  nameOf(worker: WorkerLimits): string | null {
    const writer = this.byWorker.get(worker)
    for (const [name, one] of this.byName) if (one === writer) return name
    return null
  }

  /** Up to which record a writer has counted without each budget that it followed. */
  followedBy(name: string): ReadonlyMap<string, number> {
    return this.byName.get(name)?.followed ?? NOTHING
  }

  /** Resolves when each worker follows the budgets, and has written what it counted without them. */
  whenFollowed(budgets: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const isFollowedBy = (worker: WorkerLimits): boolean => {
        const writer = this.byWorker.get(worker)
        return writer !== undefined && budgets.every((budget) => writer.followed.has(budget))
      }
      const isDone = (isLate: boolean): boolean =>
        [...this.workers].every((worker) => {
          const writer = this.byWorker.get(worker)
          const isWritten = writer === undefined || writer.writtenSeq >= writer.lastSeq
          // A disk that is stalled is waited for.
          return isWritten && (isLate || isFollowedBy(worker))
        })
      const then = (): void => {
        // A worker that follows later has counted without them until then.
        if (![...this.workers].every(isFollowedBy)) for (const budget of budgets) this.lacking.add(budget)
        resolve()
      }
      if (isDone(false)) then()
      else this.waits.add({ since: performance.now(), isDone, then, isLate: false })
    })
  }

  /** A worker has come. */
  join(worker: WorkerLimits): void {
    for (const { round, waitsFor, budgets } of this.restatings) {
      waitsFor.add(worker)
      worker.say(['restate', round, budgets])
    }
  }

  /** Has all workers say where they are, and then calls `then`, while none of them counts. */
  restate(budgets: readonly string[], then: () => void): void {
    this.round++
    const waitsFor = new Set(this.workers)
    const restating = {
      round: this.round,
      since: performance.now(),
      budgets,
      waitsFor,
      paused: new Set<WorkerLimits>(),
      then,
    }
    this.restatings.push(restating)
    for (const worker of waitsFor) worker.say(['restate', this.round, budgets])
    if (waitsFor.size === 0) this.endRestating(restating)
  }

  follow(worker: WorkerLimits, { writer: name, seq, added, dropped, round }: Followed): void {
    let writer = this.byWorker.get(worker)
    if (writer === undefined) {
      writer = { followed: new Map(), lastSeq: 0, writtenSeq: 0 }
      this.byWorker.set(worker, writer)
      if (name !== null) {
        this.byName.set(name, writer)
        dropOldest(this.former, MOST_NAMES)
        this.former.add(name)
      }
    }
    for (const budget of dropped) writer.followed.delete(budget)
    for (const budget of added) {
      writer.followed.set(budget, seq)
      if (round === 0 && this.lacking.has(budget)) this.late.push(budget)
    }
    writer.lastSeq = Math.max(writer.lastSeq, seq)
    const restating = this.restatings.find((one) => one.round === round)
    if (restating?.waitsFor.delete(worker)) {
      worker.pause()
      restating.paused.add(worker)
      if (restating.waitsFor.size === 0) this.endRestating(restating)
    }
    this.look()
  }

  /** Budgets that were restored without the records of workers that have only now said what they follow. */
  takeLate(): readonly string[] {
    const late = [...new Set(this.late)]
    this.late = []
    for (const budget of late) this.lacking.delete(budget)
    return late
  }

  onWritten(worker: WorkerLimits, seq: number): void {
    const writer = this.byWorker.get(worker)
    if (writer !== undefined) writer.writtenSeq = Math.max(writer.writtenSeq, seq)
    this.look()
  }

  leave(worker: WorkerLimits): void {
    const writer = this.byWorker.get(worker)
    this.byWorker.delete(worker)
    for (const [name, one] of this.byName) if (one === writer) this.gone.push(name)
    while (this.gone.length > MOST_GONE) this.byName.delete(this.gone.shift() ?? '')
    for (const restating of [...this.restatings]) {
      restating.paused.delete(worker)
      if (restating.waitsFor.delete(worker) && restating.waitsFor.size === 0) this.endRestating(restating)
    }
    this.look()
  }

  /** @param now `performance.now()` */
  expire(now: number): void {
    for (const restating of [...this.restatings])
      if (now - restating.since >= FOLLOW_MS) this.endRestating(restating)
    for (const wait of this.waits) if (now - wait.since >= FOLLOW_MS) wait.isLate = true
    this.look()
  }

  private endRestating(restating: Restating): void {
    const at = this.restatings.indexOf(restating)
    if (at === -1) return
    this.restatings.splice(at, 1)
    // What workers that are gone have counted is forgotten now: all of it counts from the ledger.
    for (const name of this.gone)
      for (const budget of restating.budgets) this.byName.get(name)?.followed.delete(budget)
    restating.then()
    for (const worker of restating.paused) worker.resume()
  }

  private look(): void {
    for (const wait of this.waits) if (wait.isDone(wait.isLate)) this.end(wait)
  }

  private end(wait: Wait): void {
    if (this.waits.delete(wait)) wait.then()
  }
}

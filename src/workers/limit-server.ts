import type { LimitRule, LimitRulesConfig } from '../config/limit-rules.js'
import { LimitClaim } from '../exchange/limit-ticket.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import { MemoryLimitStore } from '../limits/counters/memory-store.js'
import type { LimitStore } from '../limits/counters/store.js'
import { MemoryLimitBooks } from '../limits/limit-books.js'
import { Limiter } from '../limits/limiter.js'
import { LimitAlerts } from '../limits/reports/alerts.js'
import type { LiveMark } from '../limits/snapshot/snapshot-file.js'
import type { LimitFigures } from '../observe/limit-metrics.js'
import type { Log } from '../observe/log.js'
import type { Followed } from './limit-messages.js'
import type { Link } from './link.js'
import { LiveWriters } from './live-writers.js'
import { LostRecords, type WorkerBooks } from './lost-records.js'
import { SettlingRounds } from './settling-rounds.js'
import { type Clock, dropOldest, type HeldCheck, type LimitCentre, WorkerLimits } from './worker-limits.js'

/** Ids of requests that are kept in case their records are recovered. */
const MOST_IDS = 100_000

/** Milliseconds after which claims that nobody uses are forgotten. */
const FORGET_MS = 60_000

export interface LimitServerParts {
  readonly config: LimitRulesConfig
  readonly log: Pick<Log, 'warn' | 'info'>
  /** The rules of all keys, a list for each key that has some; null: keys bring theirs along. */
  readonly listKeyRules: () => Iterable<readonly LimitRule[]> | null
  /** Folders of the ledger, its fallback behind the first one; null: there is none, and nothing is restored. */
  readonly folders: readonly string[] | null
  /** Counts alerts that find the queue full. */
  readonly bounds: Pick<BoundCounters, 'hit'>
  readonly clock?: Clock
}

const CLOCK: Clock = { now: () => performance.now(), at: () => Date.now() }

/**
 * The limits of all workers, in the primary: one set of counters, which the workers ask. It restores them from the
 * ledger, sends alerts, and reports what is used. It follows the rules of the config and of the keys as a relay does.
 */
export class LimitServer implements LimitCentre {
  readonly store: LimitStore
  readonly books: MemoryLimitBooks
  readonly limiter: Limiter
  readonly clock: Clock
  private readonly workers: Set<WorkerLimits>
  private readonly rounds: SettlingRounds
  private readonly writers: LiveWriters
  /** Null without a ledger. */
  private readonly lost: LostRecords | null
  /** By rule and owner. */
  private claims: WeakMap<LimitRule, Map<string, LimitClaim>>
  /** Requests that workers have counted that are gone, and those that were recovered: by their ids. */
  private readonly countedIds: Set<string>
  private forgottenAt: number

  constructor({ config, log, listKeyRules, folders, bounds, clock = CLOCK }: LimitServerParts) {
    this.workers = new Set()
    this.store = new MemoryLimitStore()
    this.clock = clock
    this.writers = new LiveWriters(this.workers)
    const { writers } = this
    this.books = new MemoryLimitBooks({
      store: this.store,
      log,
      alerts: new LimitAlerts(config.alerts, log, bounds),
      // It has no records of its own.
      ledger: folders === null ? null : { folders, writer: null, lastSeq: 0, writtenSeq: 0, live: writers },
      others: { has: (id) => this.hasRule(id) },
    })
    this.limiter = new Limiter(config, { books: this.books, prices: null, log, listKeyRules })
    const { limiter, store } = this
    this.lost = folders === null ? null : new LostRecords({ folders, limiter, store, writers, log })
    this.rounds = new SettlingRounds(this.workers, (check) => this.decide(check))
    this.claims = new WeakMap()
    this.countedIds = new Set()
    this.forgottenAt = clock.now()
  }

  /** Restores what was used so far. Called before the first worker. */
  begin(): void {
    this.limiter.begin()
  }

  /** Answers a worker from now on, until its link is closed. @param number of the worker */
  serve(link: Link, number: number | null = null): void {
    const worker = new WorkerLimits(link, this, number)
    this.workers.add(worker)
    this.writers.join(worker)
    link.onClose(() => this.onClosed(worker))
  }

  private onClosed(worker: WorkerLimits): void {
    this.workers.delete(worker)
    worker.close()
    const name = this.writers.nameOf(worker)
    this.writers.leave(worker)
    this.rounds.leave(worker)
    for (const id of worker.settledIds) this.noteRecovered(id)
    if (name !== null) this.lost?.lookFor(name, worker)
  }

  /** Requests from now on follow these rules. Called ahead of the workers. */
  reconfigure(config: LimitRulesConfig): void {
    this.limiter.reconfigure(config)
  }

  /** The key file was read again. Called ahead of the workers. */
  forgetKeys(): void {
    this.limiter.forgetKeys()
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.limiter.tick(now)
    this.rounds.expire(now)
    this.writers.expire(now)
    if (now - this.forgottenAt < FORGET_MS) return
    this.forgottenAt = now
    this.claims = new WeakMap()
  }

  /** What metrics show, for all workers. */
  readFigures(): Promise<LimitFigures> {
    return this.limiter.readFigures()
  }

  /** Which records of workers are counted: for the state of all counters at this moment. */
  get counted(): LiveMark {
    const mark = { writers: new Map<string, number>(), ids: new Set<string>() }
    const add = (name: string | null, { writtenSeq, unwritten }: WorkerBooks): void => {
      if (name !== null) mark.writers.set(name, writtenSeq)
      for (const [id, { claims }] of unwritten) if (claims.some(hasBudgets)) mark.ids.add(id)
    }
    for (const worker of this.workers) add(this.writers.nameOf(worker), worker)
    for (const [name, books] of this.lost?.sought ?? []) add(name, books)
    return mark
  }

  /** Names of the writers that are, or were, workers. */
  listWorkers(): readonly string[] {
    return this.writers.allNames
  }

  /** Counts up with each change of what `counted` and the counters say. */
  get changes(): number {
    return this.store.changes + this.limiter.ruleChanges + this.writers.allNames.length
  }

  /** Sends what waits for the webhook of alerts. */
  close(): Promise<void> {
    return this.limiter.close()
  }

  /** The same at an end that waits for nothing. */
  endNow(): void {
    this.limiter.endNow()
  }

  // Of the workers

  claimOf(id: string, owner: string, worker: WorkerLimits): LimitClaim | null {
    const rule = this.books.findRule(id) ?? worker.rules.get(id)
    if (rule === undefined) return null
    let owners = this.claims.get(rule)
    if (owners === undefined) {
      owners = new Map()
      this.claims.set(rule, owners)
    }
    let claim = owners.get(owner)
    if (claim === undefined) {
      claim = new LimitClaim(rule, owner)
      owners.set(owner, claim)
    }
    return claim
  }

  get hasUnsettled(): boolean {
    return this.rounds.hasUnsettled
  }

  hold(check: HeldCheck): void {
    this.rounds.hold(check)
  }

  findHeld(worker: WorkerLimits, request: number): HeldCheck | null {
    return this.rounds.find(worker, request)
  }

  dropHeld(worker: WorkerLimits, request: number): void {
    const check = this.rounds.drop(worker, request)
    if (check !== null) worker.answer(check, { ticket: null, excesses: [] })
  }

  onFlushed(worker: WorkerLimits, round: number): void {
    this.rounds.onFlushed(worker, round)
  }

  onFollowed(worker: WorkerLimits, followed: Followed): void {
    this.writers.follow(worker, followed)
    const late = this.writers.takeLate()
    if (late.length > 0) this.books.restoreAgain(late)
  }

  onWritten(worker: WorkerLimits, seq: number): void {
    this.writers.onWritten(worker, seq)
  }

  wasCounted(id: string): boolean {
    if (this.countedIds.has(id)) return true
    for (const { settledIds } of this.workers) if (settledIds.has(id)) return true
    return false
  }

  takeBack(id: string): boolean {
    return this.lost?.takeBack(id) === true
  }

  noteRecovered(id: string): void {
    dropOldest(this.countedIds, MOST_IDS)
    this.countedIds.add(id)
  }

  /** Nothing is given back any more for which the request could wait. */
  private decide(check: HeldCheck): void {
    const { worker, claims, estimate, at } = check
    worker.answer(check, this.store.check(claims, estimate, this.clock.now(), at))
  }

  /** Whether a worker uses a rule that the primary does not have, or not yet. */
  private hasRule(id: string): boolean {
    for (const { rules } of this.workers) if (rules.has(id)) return true
    return false
  }
}

function hasBudgets({ rule }: LimitClaim): boolean {
  return rule.budgets.length > 0
}

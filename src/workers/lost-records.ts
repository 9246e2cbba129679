import type { Budget, LimitRule } from '../config/limit-rules.js'
import { readLastRecords } from '../ledger/read/last-records.js'
import { readErrorCode } from '../lib/error-code.js'
import type { LimitStore } from '../limits/counters/store.js'
import { type Limiter, readUse } from '../limits/limiter.js'
import { nameBudget } from '../limits/replay/restored-budget.js'
import type { Log } from '../observe/log.js'
import type { LiveWriters } from './live-writers.js'
import { type CountedUse, dropOldest, MOST_IDS, type WorkerLimits } from './worker-limits.js'

/** What is known of the records of one worker. */
export type WorkerBooks = Pick<WorkerLimits, 'number' | 'writtenSeq' | 'unwritten'>

/** Requests of workers that are gone whose records were not found, and may be recovered: their ids are kept. */
const MOST_TAKEN_BACK = 10_000

interface LostRecordsParts {
  /** Of the ledger. */
  readonly folders: readonly string[]
  readonly limiter: Pick<Limiter, 'claimsOfEntry'>
  readonly store: Pick<LimitStore, 'restore' | 'takeBack'>
  readonly writers: Pick<LiveWriters, 'followedBy'>
  readonly log: Pick<Log, 'warn'>
}

/**
 * Makes the budgets what the ledger says when a worker is gone. It may have been killed between the settlement of a
 * request and its record, in this order or in the other one: what was counted and has no record is taken back, and what
 * has a record and was not counted is counted. A record that another worker recovers later counts as a new one.
 */
export class LostRecords {
  /** Workers that are gone, and whose last records are being read: by their names. */
  readonly sought: Map<string, WorkerBooks>
  private readonly parts: LostRecordsParts
  private readonly takenBack: Set<string>

  constructor(parts: LostRecordsParts) {
    this.sought = new Map()
    this.parts = parts
    this.takenBack = new Set()
  }

  /** The worker is gone. @param name of it as a writer */
  lookFor(name: string, books: WorkerBooks): void {
    this.sought.set(name, books)
    void this.read(name, books)
  }

  /**
   * A record of the request was recovered, and counts. @returns false if the worker that has counted it is not gone, or
   * its record was found
   */
  takeBack(id: string): boolean {
    if (this.takenBack.delete(id)) return true
    for (const [name, { unwritten }] of this.sought) {
      const counted = unwritten.get(id)
      if (counted === undefined) continue
      unwritten.delete(id)
      this.subtract(name, counted)
      return true
    }
    return false
  }

  private async read(name: string, books: WorkerBooks): Promise<void> {
    const { folders, log } = this.parts
    const { number: worker, writtenSeq: seq } = books
    try {
      const found = await readLastRecords(folders, { writer: name, worker, seq })
      for (const [id, counted] of books.unwritten) {
        if (found.delete(id)) continue
        this.subtract(name, counted)
        dropOldest(this.takenBack, MOST_TAKEN_BACK)
        this.takenBack.add(id)
      }
      // Of more, the oldest ones were forgotten: they may be counted.
      if (books.unwritten.size < MOST_IDS) for (const entry of found.values()) this.add(name, entry)
    } catch (error) {
      const code = readErrorCode(error)
      log.warn({ writer: name }, `the last records of a worker cannot be read (${code}): budgets may differ`)
    }
    this.sought.delete(name)
  }

  private subtract(name: string, { claims, use, at }: CountedUse): void {
    const followed = this.parts.writers.followedBy(name)
    const isLive = (rule: LimitRule, budget: Budget): boolean => followed.has(nameBudget(rule, budget))
    for (const claim of claims) {
      const { rule } = claim
      const budgets = rule.budgets.filter((budget) => isLive(rule, budget))
      this.parts.store.takeBack(claim, use, at, budgets)
    }
  }

  private add(name: string, entry: Parameters<Limiter['claimsOfEntry']>[0]): void {
    const { limiter, store, writers } = this.parts
    if (entry.at === null) return
    const followed = writers.followedBy(name)
    for (const claim of limiter.claimsOfEntry(entry)) {
      const { rule } = claim
      // Up to this number, its records were, or will be, read from the ledger.
      const isLive = (budget: Budget): boolean =>
        entry.seq > (followed.get(nameBudget(rule, budget)) ?? Number.POSITIVE_INFINITY)
      store.restore(claim, readUse(entry), entry.at, rule.budgets.filter(isLive))
    }
  }
}

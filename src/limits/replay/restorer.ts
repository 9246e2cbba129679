import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { LimitRule } from '../../config/limit-rules.js'
import { LimitClaim } from '../../exchange/limit-ticket.js'
import { readStarts } from '../../ledger/read/start-check.js'
import type { Whole } from '../../ledger/read/whole.js'
import type { Log } from '../../observe/log.js'
import { findPeriod } from '../counters/period.js'
import type { LimitCrossing, LimitStore } from '../counters/store.js'
import type { SummedRule } from './budget-sums.js'
import type { RestoredLedger } from './live-records.js'
import { reportProblems } from './problem-log.js'
import { listRunning, type ReplayTask } from './replay.js'
import { type ReplayResult, replayInThread } from './replay-thread.js'
import { groupEntries, nameBudget, type RestoredBudget } from './restored-budget.js'
import { isReadable, listUnread } from './unread-files.js'

/** Counters that are restored in one turn of the event loop: less than a millisecond. */
const AT_ONCE = 500

/**
 * Time between two looks whether the records of this start are written, and whether other relays have ended; and until
 * a replay that has failed is tried again, which doubles each time. Milliseconds.
 */
const PAUSES = { lookMs: 250, othersMs: 2_000, retryMs: 1_000 }
const LONGEST_RETRY_MS = 60_000

const DAY_MS = 86_400_000

const NO_WRITERS: ReadonlyMap<string, number> = new Map()

/** What requests have used of a counter while it was restored. */
interface Deferred {
  readonly crossing: LimitCrossing
  readonly entry: RestoredBudget
  live: bigint
}

export interface RestorerParts {
  readonly store: Pick<LimitStore, 'restore' | 'forget' | 'read'>
  readonly ledger: RestoredLedger
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Called with what was crossed while counters were restored. */
  readonly onCrossed: (crossings: readonly LimitCrossing[]) => void
  readonly replay?: (task: ReplayTask, stop: AbortSignal) => Promise<ReplayResult>
  readonly pauses?: typeof PAUSES
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/**
 * Restores budgets from the ledger: all of them when the relay starts, and new ones when rules change. Requests pass
 * meanwhile, and are counted live. Each record counts once: those of this start live, from the moment at which the rule
 * came; all others from the ledger.
 */
export class LimitRestorer {
  private readonly parts: RestorerParts
  private readonly replay: (task: ReplayTask, stop: AbortSignal) => Promise<ReplayResult>
  private readonly stop: AbortController
  /** By rule, unit and period. */
  private readonly budgets: Map<string, RestoredBudget>
  /** Those that were followed last. */
  private rules: ReadonlySet<LimitRule>
  /** Names of budgets that there were: their counters may still be there. */
  private readonly former: Set<string>
  private readonly deferred: Map<string, Deferred>
  /** Something is not restored. */
  private isRunning: boolean
  private isAtWork: boolean
  /** Of all that is restored, the latest `from`. */
  private latestFrom: number

  constructor(parts: RestorerParts) {
    this.parts = parts
    this.replay = parts.replay ?? replayInThread
    this.stop = new AbortController()
    this.budgets = new Map()
    this.rules = new Set()
    this.former = new Set()
    this.deferred = new Map()
    this.isRunning = false
    this.isAtWork = false
    this.latestFrom = Number.NEGATIVE_INFINITY
  }

  /** Whether the counters have all that the ledger says. */
  get isRestored(): boolean {
    return !this.isRunning
  }

  /**
   * Requests are counted on these rules from now on, and not before: budgets that are new are restored. It is called in
   * the same turn of the event loop in which the rules change, while no summary is on its way to the ledger.
   * @param rules of the config and of all keys
   */
  follow(rules: Iterable<LimitRule>): void {
    const { ledger } = this.parts
    const upTo = ledger.lastSeq
    const followed = new Set(rules)
    const known: RestoredBudget[] = []
    const fresh: string[] = []
    // After a change of one key, the rules of thousands of others are the same objects: they cost a look each.
    for (const rule of followed) {
      if (this.rules.has(rule)) continue
      for (const budget of rule.budgets) {
        const name = nameBudget(rule, budget)
        const before = this.budgets.get(name)
        if (before !== undefined) {
          before.rule = rule
          before.budget = budget
        } else {
          const isReady = !this.former.has(name)
          const entry = { name, rule, budget, upTo, isRestored: false, isReady, from: 0 }
          if (!isReady) known.push(entry)
          fresh.push(name)
          this.budgets.set(name, entry)
        }
      }
    }
    for (const rule of this.rules) if (!followed.has(rule)) this.drop(rule)
    this.rules = followed
    if (fresh.length > 0) ledger.live?.begin?.(fresh)
    if (known.length > 0) this.clear(known)
    if (fresh.length > 0) this.begin()
  }

  /**
   * Restores budgets again when the clock is back in a period that was over when they were restored: of those, nothing
   * was read. A machine may start with a clock that is far ahead.
   * @param at epoch milliseconds
   */
  tick(at: number): void {
    if (at >= this.latestFrom) return
    const { log } = this.parts
    const again: RestoredBudget[] = []
    this.latestFrom = Number.NEGATIVE_INFINITY
    for (const entry of this.budgets.values()) {
      const { isRestored, from } = entry
      if (!isRestored) continue
      if (at >= from) {
        this.latestFrom = Math.max(this.latestFrom, from)
        continue
      }
      again.push(entry)
    }
    if (again.length === 0) return
    log.warn({ budgets: again.length }, 'the clock was set back to an earlier period: budgets are read again')
    this.renew(again)
  }

  /** Restores budgets again of which something was not counted. @param names see `nameBudget` */
  restoreAgain(names: readonly string[]): void {
    const entries = names
      .flatMap((name) => this.budgets.get(name) ?? [])
      .filter(({ isRestored }) => isRestored)
    if (entries.length > 0) this.renew(entries)
  }

  private renew(entries: readonly RestoredBudget[]): void {
    const upTo = this.parts.ledger.lastSeq
    const fresh = entries.map(({ name, rule, budget }) => {
      const entry = { name, rule, budget, upTo, isRestored: false, isReady: false, from: 0 }
      this.budgets.set(name, entry)
      return entry
    })
    this.clear(fresh)
    this.begin()
  }

  /** Forgets what is counted of budgets, in the moment from which all is counted live. */
  private clear(entries: readonly RestoredBudget[]): void {
    const { store, ledger } = this.parts
    const then = (): void => {
      for (const entry of entries) {
        entry.isReady = true
        if (this.budgets.get(entry.name) === entry) store.forget(entry.rule, entry.budget)
      }
      this.begin()
    }
    if (ledger.live === undefined) then()
    else
      ledger.live.restate(
        entries.map(({ name }) => name),
        then,
      )
  }

  private begin(): void {
    if (this.stop.signal.aborted) return
    this.isRunning = true
    if (this.isAtWork) return
    this.isAtWork = true
    void this.run()
  }

  /** Forgets the budgets of a rule that no rule with other amounts goes on with. */
  private drop(rule: LimitRule): void {
    for (const budget of rule.budgets) {
      const name = nameBudget(rule, budget)
      if (this.budgets.get(name)?.rule !== rule) continue
      this.budgets.delete(name)
      this.former.add(name)
    }
  }

  /**
   * Keeps back what may only seem to be crossed, as not all is counted yet. It is reported when that is known.
   * @returns the others
   */
  defer(crossings: readonly LimitCrossing[]): readonly LimitCrossing[] {
    if (!this.isRunning) return crossings
    return crossings.filter((crossing) => {
      const { rule, budget, owner, period, before, after } = crossing
      const entry = this.budgets.get(nameBudget(rule, budget))
      if (entry === undefined || entry.isRestored) return true
      const id = `${entry.name} ${period} ${owner}`
      const known = this.deferred.get(id)
      const live = BigInt(after) - BigInt(before)
      if (known?.entry === entry) known.live += live
      else this.deferred.set(id, { crossing, entry, live })
      return false
    })
  }

  /** Ends what is going on. */
  close(): void {
    this.stop.abort()
  }

  private async run(): Promise<void> {
    const { ledger, log, pauses = PAUSES } = this.parts
    let delay = pauses.retryMs
    for (;;) {
      const entries = [...this.budgets.values()].filter(({ isRestored, isReady }) => !isRestored && isReady)
      if (entries.length === 0 || this.stop.signal.aborted) break
      try {
        await this.whenWritten(Math.max(...entries.map(({ upTo }) => upTo)))
        await ledger.live?.whenFollowed(entries.map(({ name }) => name))
        await this.restore(entries)
        delay = pauses.retryMs
      } catch (error) {
        if (this.stop.signal.aborted) break
        const { message } = error as Error
        log.warn({ cause: message }, `budgets cannot be restored from the ledger yet: ${message}`)
        await wait(delay, undefined, { ref: false })
        delay = Math.min(2 * delay, LONGEST_RETRY_MS)
      }
    }
    this.isAtWork = false
    // A relay that ends ahead of it does not say that its counters have all.
    this.isRunning = [...this.budgets.values()].some(({ isRestored }) => !isRestored)
  }

  /** The disk may be stalled: then it is waited for. */
  private async whenWritten(seq: number): Promise<void> {
    const { ledger, pauses = PAUSES } = this.parts
    while (ledger.writtenSeq < seq && !this.stop.signal.aborted)
      await wait(pauses.lookMs, undefined, { ref: false })
  }

  private async restore(entries: readonly RestoredBudget[]): Promise<void> {
    const { log, now = Date.now } = this.parts
    const [startedAt, at] = [performance.now(), now()]
    const found = await this.add(entries, at, {})
    for (const entry of entries) {
      const { rule, budget } = entry
      entry.isRestored = true
      entry.from = findPeriod(budget.period, rule.timezone, at).start
      if (this.budgets.get(entry.name) === entry) this.latestFrom = Math.max(this.latestFrom, entry.from)
    }
    this.reportDeferred()
    reportProblems(found.problems, log)
    const [counters, ms] = [found.uses.length, Math.round(performance.now() - startedAt)]
    log.info(
      { budgets: entries.length, counters, ms },
      'what was used of the budgets was read from the ledger',
    )
    void this.catchUp(entries, found, at)
  }

  /** Adds what the ledger says was used of some budgets in the periods that go on, and later. */
  private async add(
    entries: readonly RestoredBudget[],
    at: number,
    more: Pick<ReplayTask, 'counted' | 'fromDay'>,
  ): Promise<ReplayResult> {
    const { store, ledger } = this.parts
    const groups = groupEntries(entries, ledger.live)
    const { folders, writer, live } = ledger
    const rules = groups.map(([first, ...others]): SummedRule => {
      const { rule, upTo, name } = first as RestoredBudget
      const budgets = [first as RestoredBudget, ...others].map(({ budget }) => budget)
      const liveUpTo = live?.upTo(name) ?? NO_WRITERS
      return { rule: Object.assign({}, rule, { budgets }), upTo, liveUpTo }
    })
    const known = live?.names ?? []
    const task: ReplayTask = { folders, rules, writer, at, usesRollups: true, ...more }
    const found = await this.replay(task, this.stop.signal)
    if (live !== undefined) {
      // What a worker has said before its first record is here by now.
      await nextTurn()
      await nextTurn()
      if (found.ranges.some(([name]) => live.has(name) && !known.includes(name)))
        return this.add(entries, at, more)
    }
    for (const [i, use] of found.uses.entries()) {
      if (i % AT_ONCE === AT_ONCE - 1) await nextTurn()
      // Without those whose rule is gone, or has come again meanwhile.
      const wanted = (groups[use.rule] ?? []).filter(
        (entry) => this.budgets.get(entry.name) === entry && use.periods.includes(entry.budget.period),
      )
      const [first] = wanted
      if (first === undefined) continue
      const budgets = wanted.map(({ budget }) => budget)
      store.restore(new LimitClaim(first.rule, use.owner), use, use.at, budgets)
    }
    return found
  }

  /**
   * Adds what was not there at first. Files that cannot be read are read when they can. Another relay that ran
   * meanwhile, such as the one whose place this one takes, has made more records by its end; what relays use that go
   * on side by side is not counted before.
   * @param at when the first replay began: epoch milliseconds
   */
  private async catchUp(entries: readonly RestoredBudget[], first: ReplayResult, at: number): Promise<void> {
    const { ledger, log, pauses = PAUSES, now = Date.now } = this.parts
    // A day more, in case the clock was set back.
    const fromDay = new Date(at - DAY_MS).toISOString().slice(0, 10)
    const isOthers = (writer: string): boolean => ledger.live?.has(writer) !== true
    let { running, ranges: counted } = first
    let unread = listUnread(first)
    let delay = pauses.retryMs
    let isReported = false
    for (;;) {
      running = running.filter(isOthers)
      if (unread.length === 0 && running.length === 0) return
      await wait(unread.length > 0 ? delay : pauses.othersMs, undefined, { ref: false })
      if (this.stop.signal.aborted) return
      delay = Math.min(2 * delay, LONGEST_RETRY_MS)
      try {
        if (unread.length > 0) {
          const readable = await Promise.all(unread.map((path) => isReadable(path, ledger.folders)))
          if (!readable.includes(true)) continue
        } else {
          const others = listRunning(await readStarts(ledger.folders), ledger.writer)
          if (others.some((writer) => running.includes(writer))) continue
        }
        const more = await this.add(entries, now(), {
          counted,
          fromDay: unread.length > 0 ? '' : fromDay,
        })
        if (unread.length === 0) running = []
        counted = more.ranges
        unread = listUnread(more)
      } catch (error) {
        const { message } = error as Error
        if (!this.stop.signal.aborted && !isReported)
          log.warn({ cause: message }, `budgets lack records that were not there at first: ${message}`)
        isReported = true
      }
    }
  }

  private reportDeferred(): void {
    const { store, onCrossed, now = Date.now } = this.parts
    const crossings: LimitCrossing[] = []
    for (const [id, { crossing, entry, live }] of this.deferred) {
      if (!entry.isRestored) continue
      this.deferred.delete(id)
      const { rule, budget } = entry
      const claim = new LimitClaim(rule, crossing.owner)
      const state = store
        .read(claim, performance.now(), now())
        .find((one) => one.budget === budget && one.period === crossing.period)
      // Its period is over.
      if (state === undefined) continue
      const before = toWhole(BigInt(state.used) - live)
      crossings.push(Object.assign({}, crossing, { rule, budget, before, after: state.used }))
    }
    if (crossings.length > 0) onCrossed(crossings)
  }
}

function toWhole(value: bigint): Whole {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

import { open, readdir } from 'node:fs/promises'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { Budget, LimitRule } from '../../config/limit-rules.js'
import { LimitClaim } from '../../exchange/limit-ticket.js'
import { isMissing, readStarts } from '../../ledger/read/start-check.js'
import type { Whole } from '../../ledger/read/whole.js'
import type { Bookkeeper } from '../../ledger/write/bookkeeper.js'
import type { Log } from '../../observe/log.js'
import { findPeriod } from '../counters/period.js'
import type { LimitCrossing, LimitStore } from '../counters/store.js'
import type { SummedRule } from './budget-sums.js'
import { describeProblem, listRunning, type ReplayProblem, type ReplayTask } from './replay.js'
import { type ReplayResult, replayInThread } from './replay-thread.js'

/** Counters that are restored in one turn of the event loop: less than a millisecond. */
const AT_ONCE = 500

/**
 * Time between two looks whether the records of this start are written, and whether other relays have ended; and until
 * a replay that has failed is tried again, which doubles each time. Milliseconds.
 */
const PAUSES = { lookMs: 250, othersMs: 2_000, retryMs: 1_000 }
const LONGEST_RETRY_MS = 60_000

const DAY_MS = 86_400_000

/** Most files that are reported one by one. */
const MOST_REPORTED = 20

/** Budgets of one rule that came at the same time. */
interface Restored {
  readonly name: string
  /** As they are now: amounts may change while it is restored. */
  rule: LimitRule
  budget: Budget
  /** Records of this start count from the ledger up to this number, and live after it. */
  readonly upTo: number
  isRestored: boolean
  /** What began before is not restored: epoch milliseconds. */
  from: number
}

/** What requests have used of a counter while it was restored. */
interface Deferred {
  readonly crossing: LimitCrossing
  readonly entry: Restored
  live: bigint
}

export interface RestorerParts {
  readonly store: Pick<LimitStore, 'restore' | 'forget' | 'read'>
  readonly ledger: Pick<Bookkeeper, 'writer' | 'lastSeq' | 'writtenSeq' | 'folders'>
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
  private readonly budgets: Map<string, Restored>
  /** Those that were followed last. */
  private rules: ReadonlySet<LimitRule>
  /** Names of budgets that there were: their counters may still be there. */
  private readonly former: Set<string>
  private readonly deferred: Map<string, Deferred>
  private isRunning: boolean
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
    const { store, ledger } = this.parts
    const upTo = ledger.lastSeq
    const followed = new Set(rules)
    let hasNew = false
    // After a change of one key, the rules of thousands of others are the same objects: they cost a look each.
    for (const rule of followed) {
      if (this.rules.has(rule)) continue
      for (const budget of rule.budgets) {
        const name = nameBudget(rule, budget)
        const known = this.budgets.get(name)
        if (known !== undefined) {
          known.rule = rule
          known.budget = budget
        } else {
          if (this.former.has(name)) store.forget(rule, budget)
          hasNew = true
          this.budgets.set(name, { name, rule, budget, upTo, isRestored: false, from: 0 })
        }
      }
    }
    for (const rule of this.rules) if (!followed.has(rule)) this.drop(rule)
    this.rules = followed
    if (hasNew) this.begin()
  }

  /**
   * Restores budgets again when the clock is back in a period that was over when they were restored: of those, nothing
   * was read. A machine may start with a clock that is far ahead.
   * @param at epoch milliseconds
   */
  tick(at: number): void {
    if (at >= this.latestFrom) return
    const { store, ledger, log } = this.parts
    const upTo = ledger.lastSeq
    let count = 0
    this.latestFrom = Number.NEGATIVE_INFINITY
    for (const entry of this.budgets.values()) {
      const { name, rule, budget, isRestored, from } = entry
      if (!isRestored) continue
      if (at >= from) {
        this.latestFrom = Math.max(this.latestFrom, from)
        continue
      }
      store.forget(rule, budget)
      this.budgets.set(name, { name, rule, budget, upTo, isRestored: false, from: 0 })
      count++
    }
    if (count === 0) return
    log.warn({ budgets: count }, 'the clock was set back to an earlier period: budgets are read again')
    this.begin()
  }

  private begin(): void {
    if (this.isRunning || this.stop.signal.aborted) return
    this.isRunning = true
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
    const { log, pauses = PAUSES } = this.parts
    let delay = pauses.retryMs
    for (;;) {
      const entries = [...this.budgets.values()].filter(({ isRestored }) => !isRestored)
      if (entries.length === 0 || this.stop.signal.aborted) break
      try {
        await this.whenWritten(Math.max(...entries.map(({ upTo }) => upTo)))
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
    // A relay that ends ahead of it does not say that its counters have all.
    this.isRunning = [...this.budgets.values()].some(({ isRestored }) => !isRestored)
  }

  /** The disk may be stalled: then it is waited for. */
  private async whenWritten(seq: number): Promise<void> {
    const { ledger, pauses = PAUSES } = this.parts
    while (ledger.writtenSeq < seq && !this.stop.signal.aborted)
      await wait(pauses.lookMs, undefined, { ref: false })
  }

  private async restore(entries: readonly Restored[]): Promise<void> {
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
    entries: readonly Restored[],
    at: number,
    more: Pick<ReplayTask, 'counted' | 'fromDay'>,
  ): Promise<ReplayResult> {
    const { store, ledger } = this.parts
    const groups = groupEntries(entries)
    const rules = groups.map(([first, ...others]): SummedRule => {
      const { rule, upTo } = first as Restored
      const budgets = [first as Restored, ...others].map(({ budget }) => budget)
      return { rule: Object.assign({}, rule, { budgets }), upTo }
    })
    const { folders, writer } = ledger
    const task: ReplayTask = { folders, rules, writer, at, usesRollups: true, ...more }
    const found = await this.replay(task, this.stop.signal)
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
  private async catchUp(entries: readonly Restored[], first: ReplayResult, at: number): Promise<void> {
    const { ledger, log, pauses = PAUSES, now = Date.now } = this.parts
    // A day more, in case the clock was set back.
    const fromDay = new Date(at - DAY_MS).toISOString().slice(0, 10)
    let { running, ranges: counted } = first
    let unread = listUnread(first)
    let delay = pauses.retryMs
    let isReported = false
    while (unread.length > 0 || running.length > 0) {
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

function nameBudget({ id }: LimitRule, { unit, period }: Budget): string {
  return `${id} ${unit} ${period}`
}

/** Budgets of the same rule that came at the same time are summed up together. */
function groupEntries(entries: readonly Restored[]): Restored[][] {
  const groups = new Map<string, Restored[]>()
  for (const entry of entries) {
    const id = `${entry.rule.id} ${entry.upTo}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [entry])
    else group.push(entry)
  }
  return [...groups.values()]
}

/** Paths of what could not be read. */
function listUnread({ problems }: ReplayResult): readonly string[] {
  return problems.filter(({ kind }) => kind === 'unreadable').map(({ path }) => path)
}

/** Whether a file or folder can be read now, or is gone. */
async function isReadable(path: string, folders: readonly string[]): Promise<boolean> {
  try {
    if (folders.includes(path)) await readdir(path)
    else {
      const file = await open(path, 'r')
      await file.read(Buffer.alloc(1), 0, 1, 0).finally(() => file.close())
    }
    return true
  } catch (error) {
    return isMissing(error)
  }
}

function toWhole(value: bigint): Whole {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

function reportProblems(problems: readonly ReplayProblem[], log: Pick<Log, 'warn'>): void {
  for (const problem of problems.slice(0, MOST_REPORTED)) {
    const { path, kind, detail } = problem
    log.warn(
      { file: path, problem: kind, detail },
      `budgets count what is there: ${describeProblem(problem)}`,
    )
  }
  const others = problems.length - MOST_REPORTED
  if (others > 0) log.warn({ files: others }, `budgets count what is there: ${others} more files have faults`)
}

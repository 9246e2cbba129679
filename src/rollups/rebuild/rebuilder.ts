import { setImmediate as nextTurn } from 'node:timers/promises'
import { readErrorCode } from '../../lib/error-code.js'
import type { Log } from '../../observe/log.js'
import type { RecentRequests } from '../recent-requests.js'
import type { RebuildProblem, Rollups } from '../rollups.js'
import type { RecordCeiling, RecordChoice } from './collector.js'
import { READ_BACK_MS, type RebuildTask, type RebuiltPart } from './rebuild.js'
import { rebuildInThread } from './rebuild-thread.js'
import type { DaySizes, LedgerSnapshot } from './snapshot.js'
import { takeSnapshot } from './snapshot.js'

const DAY_MS = 86_400_000

/** Milliseconds before a thread that failed is started again, and how often. */
const RETRY_MS = 30_000
const MOST_TRIES = 4

/** Most problems that are kept. */
const MOST_PROBLEMS = 50

export interface RebuilderOptions {
  readonly rollups: Rollups
  readonly recent: RecentRequests
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Of the ledger; its fallback behind the first one. */
  readonly folders: readonly string[]
  readonly prices: RebuildTask['prices']
  readonly retryMs?: number
  /** The module of the thread; a test has another one. */
  readonly module?: URL
}

/**
 * Adds to the sums what the ledger says of earlier requests and of other writers, in the background. A day comes into
 * them as a whole or not at all, so that a thread which fails can go on where it was.
 */
export class Rebuilder {
  private readonly options: RebuilderOptions
  private readonly stopping: AbortController
  /** Rebuilds that go on. */
  private running: number

  constructor(options: RebuilderOptions) {
    this.options = options
    this.stopping = new AbortController()
    this.running = 0
  }

  /** Looks at what is in the ledger now. */
  look(): Promise<LedgerSnapshot> {
    return takeSnapshot(this.options.folders, this.options.rollups.store.now() - READ_BACK_MS)
  }

  /**
   * Reads all that the ledger had.
   * @param ceiling up to where the records of a process count that this one replaces
   * @returns resolves when that is done, or was given up
   */
  async readAll({ days, problems }: LedgerSnapshot, ceiling: RecordCeiling | null = null): Promise<void> {
    const { rollups } = this.options
    this.report(problems)
    if (days.length === 0) return
    rollups.completeFrom = rollups.store.now()
    const isDone = await this.read(days, { only: null, ceiling }, (day, isRolledUp) => {
      const start = Date.parse(`${day}T00:00:00.000Z`)
      rollups.completeFrom = start
      if (isRolledUp) rollups.detailFrom ??= start + DAY_MS
    })
    if (isDone) rollups.completeFrom = null
  }

  /**
   * Reads what a worker has recorded and not told of, as it died.
   * @param only its writer, and the number of its last record that was told of
   * @param number of the worker, whose files are read
   * @param since when it last told something: epoch milliseconds
   */
  async readLost(only: NonNullable<RebuildTask['only']>, number: number, since: number): Promise<void> {
    const isWanted = (name: string): boolean => name.includes(`.w${number}.`)
    const { days } = await takeSnapshot(this.options.folders, since - DAY_MS, isWanted)
    if (days.length > 0) await this.read(days, { only, ceiling: null }, () => {})
  }

  /** Ends what is under way. */
  close(): void {
    this.stopping.abort()
  }

  /** @returns false if it was given up, or the relay ends */
  private async read(
    days: readonly DaySizes[],
    choice: RecordChoice,
    onDay: (day: string, isRolledUp: boolean) => void,
  ): Promise<boolean> {
    const { retryMs = RETRY_MS, log } = this.options
    let left = days
    this.setRunning(1)
    try {
      for (let tries = 1; tries <= MOST_TRIES; tries++) {
        try {
          await this.readOnce(left, choice, tries === 1, (day, isRolledUp) => {
            left = left.filter((one) => one.day < day)
            onDay(day, isRolledUp)
          })
          return true
        } catch (error) {
          if (this.stopping.signal.aborted) return false
          const code = readErrorCode(error)
          log.warn({ cause: code, tries }, 'the thread that reads the ledger for the page has failed')
          this.report([{ path: '', code }])
          if (tries < MOST_TRIES) await this.wait(retryMs)
        }
      }
      return false
    } finally {
      this.setRunning(-1)
    }
  }

  private async readOnce(
    days: readonly DaySizes[],
    choice: RecordChoice,
    isFirst: boolean,
    onDay: (day: string, isRolledUp: boolean) => void,
  ): Promise<void> {
    const { rollups, recent, prices, module } = this.options
    const { now, settings } = rollups.store
    const wantsRecent = choice.only === null && isFirst
    const task: RebuildTask = { days, store: settings, at: now(), prices, wantsRecent, ...choice }
    const adding = new Adding(rollups, recent)
    const { signal } = this.stopping
    await rebuildInThread(
      task,
      async (news) => {
        if (news.kind === 'part') {
          adding.hold(news.part)
          return
        }
        await adding.addHeld()
        this.report(news.problems)
        onDay(news.day, news.isRolledUp)
      },
      signal,
      module,
    )
  }

  private setRunning(change: number): void {
    this.running += change
    this.options.rollups.store.keepSeries(this.running > 0)
  }

  private report(problems: readonly RebuildProblem[]): void {
    const { rollups } = this.options
    if (problems.length > 0) rollups.problems = [...rollups.problems, ...problems].slice(-MOST_PROBLEMS)
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.stopping.signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** Puts what one thread tells into the sums. */
class Adding {
  private readonly rollups: Rollups
  private readonly recent: RecentRequests
  private held: RebuiltPart[]
  /** Number of each series here, by its number in the thread. */
  private readonly map: number[]

  constructor(rollups: Rollups, recent: RecentRequests) {
    this.rollups = rollups
    this.recent = recent
    this.held = []
    this.map = []
  }

  hold(part: RebuiltPart): void {
    this.held.push(part)
  }

  /** Adds what is held, each part in a turn of the event loop. */
  async addHeld(): Promise<void> {
    const { held } = this
    this.held = []
    for (const part of held) {
      this.add(part)
      await nextTurn()
    }
  }

  private add({ series, slots, keys, tags, lines }: RebuiltPart): void {
    const { store } = this.rollups
    const now = store.now()
    for (const names of series) {
      const number = store.book.find(names)
      store.book.touch(number, now)
      this.map.push(number)
    }
    for (const [name, number, bytes] of slots) {
      const ring = store.rings[name]
      ring.addPack(number, { bytes, map: this.map }, ring.numberOf(now))
    }
    for (const [key, at] of keys) store.see(key, at)
    for (const [from, number, tag, ...sums] of tags)
      store.tags.addOne(from, this.map[number] ?? 0, tag, ...sums)
    if (lines.length > 0) this.recent.addEarlier(lines)
    store.version++
    store.trim()
  }
}

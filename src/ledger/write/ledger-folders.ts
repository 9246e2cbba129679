import type { Config } from '../../config/config.js'
import { readErrorCode } from '../../lib/error-code.js'
import { ignore } from '../../lib/ignore.js'
import type { LedgerFiles } from '../files.js'
import type { Batch } from './batch.js'
import { type DayFileEvents, DayFiles } from './day-files.js'
import { DISK_TIMEOUT_MS, DiskWatch } from './disk-watch.js'

/** Reported in place of an error code when the disk does not respond at all. */
const NO_ANSWER = 'no answer'

/** How long a failing disk is waited for, in milliseconds. */
export interface Patience {
  /** First wait between two attempts; doubled after each attempt. */
  readonly firstWaitMs: number
  readonly longestWaitMs: number
  /** After this time records go to the fallback folder. A shorter stall is waited for. */
  readonly fallbackAfterMs: number
}

/** A disk that gets room again is noticed within a second, as all that time records wait and may be dropped. */
export const PATIENCE: Patience = { firstWaitMs: 250, longestWaitMs: 1_000, fallbackAfterMs: 3_000 }

/** What the ledger hears of its folders. */
export interface LedgerFolderEvents extends Pick<DayFileEvents, 'onReplaced' | 'onSyncDue'> {
  /** The folder cannot be written. @param cause error code or `no answer`; called again when it changes */
  readonly onStalled: (cause: string) => void
  /** The first record has gone to the fallback folder since the stall began. */
  readonly onFallback: (cause: string | null, folder: string | null) => void
  /** The folder can be written again. */
  readonly onWorking: () => void
  /** A batch is in the folder after all, whose write was given up. */
  readonly onLate: (batch: Batch) => void
}

/** The ledger's folder, and the fallback folder for the time when that cannot be written. One write at a time. */
export class LedgerFolders {
  /** Error code that prevents writing, or `no answer`; null if writing works. */
  stalled: string | null
  private readonly fallbackFolder: string | null
  private readonly patience: Patience
  private readonly events: LedgerFolderEvents
  private readonly disk: DiskWatch
  private readonly days: DayFiles
  /** Null if there is no fallback folder. */
  private readonly spare: DayFiles | null
  /** `performance.now()` of the first failure of the stall; 0 without one. */
  private stalledAt: number
  /** While records go to the fallback folder: `performance.now()` of the next attempt on the first one. */
  private retryAt: number
  /** Records went to the fallback folder since the stall began. */
  private isSpilling: boolean
  /** A write that has not come back, and is no longer waited for. */
  private hungWrite: Promise<void> | null
  /** Called when the disk has not responded for `DISK_TIMEOUT_MS`. */
  private onHung: (() => void) | null
  /** The ledger is closing: nothing is waited for. */
  private isHurried: boolean
  /** The files are closed for good. */
  private isOver: boolean
  private waitMs: number
  /** Ends the wait that is under way. */
  private wake: (() => void) | null

  /** @param worker whose files are written; null for a relay of one process */
  constructor(
    options: Config['ledger'],
    files: LedgerFiles,
    patience: Patience,
    events: LedgerFolderEvents,
    worker: number | null = null,
  ) {
    const { onReplaced, onSyncDue } = events
    const { fallbackFolder } = options
    this.stalled = null
    this.fallbackFolder = fallbackFolder
    this.patience = patience
    this.events = events
    this.disk = new DiskWatch(() => this.giveUp())
    const onSyncFailed = (code: string): void => this.stall(code)
    this.days = new DayFiles(options, files, this.disk, { onSyncFailed, onSyncDue, onReplaced }, worker)
    // The fallback has no watch: there is no third place.
    const spareEvents = { onSyncFailed: ignore, onSyncDue, onReplaced }
    this.spare =
      fallbackFolder === null
        ? null
        : new DayFiles(
            { ...options, folder: fallbackFolder },
            files,
            new DiskWatch(ignore),
            spareEvents,
            worker,
          )
    this.stalledAt = 0
    this.retryAt = 0
    this.isSpilling = false
    this.hungWrite = null
    this.onHung = null
    this.isHurried = false
    this.isOver = false
    this.waitMs = patience.firstWaitMs
    this.wake = null
  }

  /** Whether the disk neither works nor fails. Any further call to it may block for ever. */
  get hung(): boolean {
    return this.disk.isBusy && this.stalled === NO_ANSWER
  }

  /** Opens the file of a day. No write may be under way. */
  async prepare(day: string): Promise<void> {
    const attempt = this.days.prepare(day).catch((error) => this.stall(readErrorCode(error)))
    if (this.spare === null) await this.disk.watch(attempt)
    else await this.waitUntilHung(attempt, ignore)
  }

  /** Writes a batch, while the folder is stalled to the fallback. @returns whether the whole batch is in a file */
  async write(batch: Batch): Promise<boolean> {
    const { spare } = this
    if (spare === null) return this.disk.watch(this.attempt(batch))
    if (this.hungWrite === null && performance.now() >= this.retryAt) {
      // If a hung write comes back, the batch may be in both folders: readers take each number once.
      const isWritten = await this.waitUntilHung(this.attempt(batch), (isLate) => {
        if (isLate) this.events.onLate(batch)
      })
      if (isWritten === true) return true
    }
    const now = performance.now()
    if (now - this.stalledAt < this.patience.fallbackAfterMs && !this.isHurried) return false
    if (this.retryAt <= now) this.retryAt = now + this.patience.longestWaitMs
    return this.spill(spare, batch)
  }

  /** Writes the rest of a batch synchronously. @returns whether it is in a file */
  writeNow(batch: Batch): boolean {
    if (!this.hung && this.days.appendNow(batch)) return true
    return this.spare?.appendNow(afresh(batch)) === true
  }

  /** Waits before the next attempt. */
  wait(): Promise<void> {
    const { firstWaitMs, longestWaitMs } = this.patience
    const ms = this.isHurried ? firstWaitMs : this.waitMs
    this.waitMs = Math.min(this.waitMs * 2, longestWaitMs)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** From now on the fallback is used at once, and waits are short. */
  hurry(): void {
    this.isHurried = true
    this.wake?.()
  }

  /** A write that is under way is waited for no longer. */
  giveUp(): void {
    if (!this.disk.isBusy) return
    this.reportStall(NO_ANSWER)
    this.onHung?.()
  }

  syncIfDue(): void {
    this.days.syncIfDue()
    this.spare?.syncIfDue()
  }

  /** Syncs and closes the open files. Nothing is written afterwards. */
  async leave(): Promise<void> {
    this.isOver = true
    this.days.stopSyncing()
    this.spare?.stopSyncing()
    await this.spare?.leave().catch(ignore)
    await this.disk.watch(this.days.leave().catch(ignore))
  }

  /** @returns whether the whole batch is in the file */
  private async attempt(batch: Batch): Promise<boolean> {
    try {
      await this.days.write(batch)
    } catch (error) {
      this.stall(readErrorCode(error))
      return false
    }
    if (this.stalled !== null) this.events.onWorking()
    this.stalled = null
    this.stalledAt = 0
    this.retryAt = 0
    this.isSpilling = false
    this.waitMs = this.patience.firstWaitMs
    return true
  }

  /**
   * Waits for a write until it has come back, or the disk does not respond.
   * @param onLate called if it comes back after that
   * @returns its result, or null
   */
  private async waitUntilHung<T>(write: Promise<T>, onLate: (result: T) => void): Promise<T | null> {
    const attempt = this.disk.watch(write)
    const hung = new Promise<null>((resolve) => {
      this.onHung = () => resolve(null)
    })
    const result = await Promise.race([attempt.then((value) => ({ value })), hung])
    this.onHung = null
    if (result !== null) return result.value
    this.hungWrite = attempt.then((value) => {
      this.hungWrite = null
      onLate(value)
      // It may have opened a file, which nobody else closes.
      if (this.isOver) this.days.abandon()
    })
    return null
  }

  private async spill(spare: DayFiles, batch: Batch): Promise<boolean> {
    try {
      await spare.write(afresh(batch))
    } catch {
      spare.abandon()
      return false
    }
    if (!this.isSpilling) this.events.onFallback(this.stalled, this.fallbackFolder)
    this.isSpilling = true
    return true
  }

  private stall(cause: string): void {
    this.days.abandon()
    this.reportStall(cause)
  }

  private reportStall(cause: string): void {
    if (this.stalled === cause) return
    // A disk that does not respond has been waited for already.
    if (this.stalledAt === 0) this.stalledAt = performance.now() - (cause === NO_ANSWER ? DISK_TIMEOUT_MS : 0)
    this.stalled = cause
    this.events.onStalled(cause)
  }
}

/** The same batch, of which nothing is written yet. */
function afresh(batch: Batch): Batch {
  return { ...batch, written: 0 }
}

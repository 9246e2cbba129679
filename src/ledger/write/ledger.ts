import { randomBytes } from 'node:crypto'
import type { Config } from '../../config/config.js'
import type { RequestSummary, SummarySink } from '../../exchange/summary.js'
import { readErrorCode } from '../../lib/error-code.js'
import { LineBuffer } from '../../lib/line-buffer.js'
import type { Log } from '../../observe/log.js'
import type { LedgerState } from '../../observe/relay-state.js'
import { DISK, type LedgerFiles } from '../files.js'
import type { Prices } from '../prices.js'
import { formatRecord, isRecorded } from '../record.js'
import { type Batch, findLineStart } from './batch.js'
import { DayFiles } from './day-files.js'
import { DISK_TIMEOUT_MS, DiskWatch } from './disk-watch.js'

const DAY_MS = 86_400_000

/** Waits between attempts on a failing disk: the first, doubled after each attempt, and the longest. */
const WAITS_MS = [250, 30_000] as const

/** Reported in place of an error code when the disk does not respond at all. */
const NO_ANSWER = 'no answer'

/**
 * The usage ledger: a record for every request, in append-only JSON lines files, one for each day.
 *
 * Records wait in memory for `flushMs` and are written together, one write at a time. After any error of the disk they
 * are kept and tried again; only beyond `bufferedBytes` are new records dropped, and counted. Records are numbered
 * without gaps, so that `thinwire usage verify` finds missing ones. A crash within a write may leave a record twice;
 * both copies have the same number.
 */
export class Ledger implements SummarySink {
  /** Identifies this start of the relay in the records. */
  readonly writer: string
  private readonly options: Config['ledger']
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly prices: Prices | null
  private readonly files: LedgerFiles
  private readonly disk: DiskWatch
  private readonly days: DayFiles
  private readonly waitsMs: readonly [number, number]
  private seq: number
  private readonly lines: LineBuffer
  private lineCount: number
  /** Day of the records in `lines` (UTC), and its start in epoch milliseconds. */
  private day: string
  private dayStart: number
  private queue: Batch[]
  private queuedBytes: number
  private written: number
  private dropped: number
  private stalled: string | null
  private timer: NodeJS.Timeout | null
  private pumping: Promise<void> | null
  private closing: boolean
  /** Length of the next wait between two attempts. */
  private waitMs: number
  /** Ends the wait that is under way. */
  private wake: (() => void) | null

  constructor(
    options: Config['ledger'],
    log: Pick<Log, 'warn' | 'info'>,
    prices: Prices | null,
    files: LedgerFiles = DISK,
    waitsMs: readonly [number, number] = WAITS_MS,
  ) {
    this.writer = `w-${randomBytes(6).toString('hex')}`
    this.options = options
    this.log = log
    this.prices = prices
    this.files = files
    this.disk = new DiskWatch(() => this.onDiskTimeout())
    this.days = new DayFiles(
      options,
      files,
      this.disk,
      (code) => this.stall(code),
      () => this.pump(),
    )
    this.waitsMs = waitsMs
    this.seq = 0
    this.lines = new LineBuffer()
    this.lineCount = 0
    this.day = ''
    this.dayStart = -DAY_MS
    this.queue = []
    this.queuedBytes = 0
    this.written = 0
    this.dropped = 0
    this.stalled = null
    this.timer = null
    this.pumping = null
    this.closing = false
    this.waitMs = waitsMs[0]
    this.wake = null
  }

  get state(): LedgerState {
    return {
      stalled: this.stalled,
      queued_bytes: this.queuedBytes + this.lines.bytes,
      written: this.written,
      dropped: this.dropped,
    }
  }

  /** Whether the disk neither works nor fails. Any further call to it may block for ever. */
  get hung(): boolean {
    return this.disk.isBusy && this.stalled === NO_ANSWER
  }

  /** Adds the record of a request. Never waits and never throws. */
  record(summary: RequestSummary): void {
    if (!isRecorded(summary)) return
    this.seq++
    const line = formatRecord(summary, this.writer, this.seq, this.prices)
    if (this.queuedBytes + this.lines.bytes + line.length > this.options.bufferedBytes) {
      if (this.dropped === 0)
        this.log.warn(
          { stalled: this.stalled },
          'the memory for waiting ledger records is full (ledger.bufferedBytes): new records are dropped and counted',
        )
      this.dropped++
      return
    }
    if (summary.closedAt < this.dayStart || summary.closedAt >= this.dayStart + DAY_MS) {
      this.seal()
      this.dayStart = summary.closedAt - (summary.closedAt % DAY_MS)
      this.day = new Date(this.dayStart).toISOString().slice(0, 10)
    }
    this.lines.add(line)
    this.lineCount++
    if (this.lines.bytes >= this.options.flushBytes) {
      // Sealed although the disk may be busy: copying tens of megabytes at once would hold up every stream.
      this.seal()
      this.pump()
    } else this.timer ??= setTimeout(pump, this.options.flushMs, this).unref()
  }

  /** Starts writing all waiting records, unless that is under way. */
  pump(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.pumping ??= this.writeAll().finally(() => {
      this.pumping = null
      // Records that arrived during the last write.
      if (this.queuedBytes + this.lines.bytes > 0 && !this.closing)
        this.timer ??= setTimeout(pump, this.options.flushMs, this).unref()
    })
  }

  /**
   * Writes all waiting records and closes the file. Gives up on a failing disk after `DISK_TIMEOUT_MS`.
   * @returns the number of records that could not be written
   */
  async close(): Promise<number> {
    this.closing = true
    this.wake?.()
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DISK_TIMEOUT_MS)
    })
    await Promise.race([this.finish(), timeUp.then(() => this.onDiskTimeout())])
    clearTimeout(timer)
    let lost = this.lineCount
    for (const { records } of this.queue) lost += records
    return lost
  }

  /**
   * Writes all waiting records synchronously, when the process is about to exit. A batch whose write is under way may
   * then be in the file twice.
   */
  flushNow(): void {
    if (this.hung) return
    this.seal()
    const { queue } = this
    this.queue = []
    for (const batch of queue) {
      // The line feed in front ends a torn line. Readers skip empty lines.
      const rest = batch.bytes.subarray(findLineStart(batch))
      try {
        this.files.appendNow(this.days.pathOf(batch.day), Buffer.concat([Buffer.from('\n'), rest]))
      } catch {
        // The process exits: there is nobody to report to.
      }
    }
  }

  private async finish(): Promise<void> {
    await this.pumping
    this.pump()
    await this.pumping
    this.days.stopSyncing()
    await this.disk.watch(this.days.leave().catch(() => {}))
  }

  /** Makes a batch of the gathered records. */
  private seal(): void {
    if (this.lineCount === 0) return
    const bytes = this.lines.take()
    this.queue.push({ day: this.day, bytes, records: this.lineCount, written: 0 })
    this.queuedBytes += bytes.length
    this.lineCount = 0
  }

  private async writeAll(): Promise<void> {
    for (;;) {
      this.seal()
      const batch = this.queue[0]
      if (batch === undefined) {
        this.days.syncIfDue()
        return
      }
      if (!(await this.disk.watch(this.attempt(batch)))) {
        await this.wait()
        continue
      }
      this.queue.shift()
      this.queuedBytes -= batch.bytes.length
      this.written += batch.records
    }
  }

  private onDiskTimeout(): void {
    if (this.disk.isBusy) this.reportStall(NO_ANSWER)
  }

  /** @returns whether the whole batch is in the file */
  private async attempt(batch: Batch): Promise<boolean> {
    try {
      await this.days.write(batch)
    } catch (error) {
      this.stall(readErrorCode(error))
      return false
    }
    if (this.stalled !== null) {
      this.log.info({ queued_bytes: this.queuedBytes }, 'the ledger can be written again')
      this.stalled = null
    }
    this.waitMs = this.waitsMs[0]
    return true
  }

  private stall(cause: string): void {
    this.days.abandon()
    this.reportStall(cause)
  }

  private reportStall(cause: string): void {
    if (this.stalled === cause) return
    this.stalled = cause
    this.log.warn(
      { cause, queued_bytes: this.queuedBytes },
      `the ledger cannot be written (${cause}): records are kept in memory and tried again`,
    )
  }

  private wait(): Promise<void> {
    const [first, longest] = this.waitsMs
    const ms = this.closing ? first : this.waitMs
    this.waitMs = Math.min(this.waitMs * 2, longest)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function pump(ledger: Ledger): void {
  ledger.pump()
}

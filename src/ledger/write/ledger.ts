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
import { DayFiles, type DayFilesOwner } from './day-files.js'

const DAY_MS = 86_400_000

/** Waits between attempts on a disk that takes nothing: the first, of which each next one is the double, and the longest. */
const WAITS_MS = [250, 30_000] as const

/** For the disk: when it has not answered for so long, that is told, and a relay that is ending does not wait any longer. */
const PATIENCE_MS = 3_000

/** What is told then, in the place of an error that a disk did not even make. */
const NO_ANSWER = 'no answer'

/**
 * The usage ledger: a record for every request, in append-only JSON lines files, one for each day.
 *
 * Records wait in memory for `flushMs` and go out together, one write at a time. Whatever the disk says, they are kept and
 * tried again: only beyond `bufferedBytes` are new ones dropped, and counted. Each has a number that counts up without gaps,
 * so that what is missing can be told (`thinwire usage verify`). A record may come twice, after a crash in the
 * middle of a write; its number then tells that, too.
 */
export class Ledger implements DayFilesOwner, SummarySink {
  readonly writer: string
  private readonly options: Config['ledger']
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly prices: Prices | null
  private readonly files: LedgerFiles
  private readonly days: DayFiles
  private readonly waitsMs: readonly [number, number]
  private seq: number
  private readonly lines: LineBuffer
  private lineCount: number
  /** Of the records that are being gathered, in UTC; and its beginning, in epoch milliseconds. */
  private day: string
  private dayBegins: number
  private queue: Batch[]
  private queuedBytes: number
  private written: number
  private dropped: number
  private stalled: string | null
  private timer: NodeJS.Timeout | null
  private pumping: Promise<void> | null
  private closing: boolean
  /** The disk was asked for something, and has not answered yet. */
  private asking: number
  /** How long the next wait between two attempts is, and what ends it. */
  private waitMs: number
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
    this.days = new DayFiles(options, files, this)
    this.waitsMs = waitsMs
    this.seq = 0
    this.lines = new LineBuffer()
    this.lineCount = 0
    this.day = ''
    this.dayBegins = -DAY_MS
    this.queue = []
    this.queuedBytes = 0
    this.written = 0
    this.dropped = 0
    this.stalled = null
    this.timer = null
    this.pumping = null
    this.closing = false
    this.asking = 0
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

  /** The disk neither takes anything nor fails. Whoever asks it, too, may never come back. */
  get hung(): boolean {
    return this.asking > 0 && this.stalled === NO_ANSWER
  }

  /** Takes down a request that is over. Never waits and never throws. */
  record(summary: RequestSummary): void {
    if (!isRecorded(summary)) return
    this.seq++
    const line = formatRecord(summary, this.writer, this.seq, this.prices)
    if (this.queuedBytes + this.lines.bytes + line.length > this.options.bufferedBytes) {
      if (this.dropped === 0)
        this.log.warn(
          { stalled: this.stalled },
          'the ledger has no more room in memory: records are dropped, and counted',
        )
      this.dropped++
      return
    }
    if (summary.closedAt < this.dayBegins || summary.closedAt >= this.dayBegins + DAY_MS) {
      this.seal()
      this.dayBegins = summary.closedAt - (summary.closedAt % DAY_MS)
      this.day = new Date(this.dayBegins).toISOString().slice(0, 10)
    }
    this.lines.add(line)
    this.lineCount++
    if (this.lines.bytes >= this.options.flushBytes) {
      // Not left to grow while the disk is busy: with tens of megabytes to be copied, every stream would wait for that.
      this.seal()
      this.pump()
    } else this.timer ??= setTimeout(pump, this.options.flushMs, this).unref()
  }

  /** Writes what there is, unless that is being done. */
  pump(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.pumping ??= this.writeAll().finally(() => {
      this.pumping = null
      // What came while the last write was under way.
      if (this.queuedBytes + this.lines.bytes > 0 && !this.closing)
        this.timer ??= setTimeout(pump, this.options.flushMs, this).unref()
    })
  }

  /**
   * Writes all that there is, and closes the file. A disk that takes nothing is waited for, but not for ever.
   * @returns how many records could not be written
   */
  async close(): Promise<number> {
    this.closing = true
    this.wake?.()
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS)
    })
    await Promise.race([this.finish(), timeUp.then(() => this.onSilence())])
    clearTimeout(timer)
    let lost = this.lineCount
    for (const { records } of this.queue) lost += records
    return lost
  }

  /**
   * When the process is about to end by itself: what is not known to be written is written now. A batch whose write is
   * under way may then be there twice.
   */
  flushNow(): void {
    if (this.hung) return
    this.seal()
    const { queue } = this
    this.queue = []
    for (const batch of queue) {
      // A line that has begun there is ended by an empty one, which readers pass over.
      const rest = batch.bytes.subarray(findLineStart(batch))
      try {
        this.files.appendNow(this.days.pathOf(batch.day), Buffer.concat([Buffer.from('\n'), rest]))
      } catch {
        // Nobody is left to tell.
      }
    }
  }

  private async finish(): Promise<void> {
    await this.pumping
    this.pump()
    await this.pumping
    this.days.stopSyncing()
    await this.answered(this.days.leave().catch(() => {}))
  }

  /** What has been gathered is a batch from now on. */
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
      if (!(await this.answered(this.attempt(batch)))) {
        await this.wait()
        continue
      }
      this.queue.shift()
      this.queuedBytes -= batch.bytes.length
      this.written += batch.records
    }
  }

  /** Waits for the disk, and tells when it is silent. */
  async answered<T>(work: Promise<T>): Promise<T> {
    this.asking++
    const timer = setTimeout(silence, PATIENCE_MS, this).unref()
    try {
      return await work
    } finally {
      clearTimeout(timer)
      this.asking--
    }
  }

  onSilence(): void {
    if (this.asking > 0) this.tellStall(NO_ANSWER)
  }

  /** @returns whether all of the batch is in the file */
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
    this.tellStall(cause)
  }

  private tellStall(cause: string): void {
    if (this.stalled === cause) return
    this.stalled = cause
    this.log.warn(
      { cause, queued_bytes: this.queuedBytes },
      `the ledger cannot be written (${cause}): records are kept in memory, and tried again`,
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

  onSyncFailed(cause: string): void {
    this.stall(cause)
  }

  onSyncTime(): void {
    this.pump()
  }
}

function silence(ledger: Ledger): void {
  ledger.onSilence()
}

function pump(ledger: Ledger): void {
  ledger.pump()
}

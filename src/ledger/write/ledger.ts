import { randomBytes } from 'node:crypto'
import type { Config } from '../../config/config.js'
import type { RequestSummary, SummarySink } from '../../exchange/summary.js'
import { firstLink, Link, withLink } from '../../lib/chain.js'
import { ignore } from '../../lib/ignore.js'
import { LineBuffer } from '../../lib/line-buffer.js'
import type { Log } from '../../observe/log.js'
import type { LedgerState } from '../../observe/relay-state.js'
import { DISK, type LedgerFiles } from '../files.js'
import type { Prices } from '../prices.js'
import { formatRecord, isRecorded } from '../record.js'
import type { Batch } from './batch.js'
import { DISK_TIMEOUT_MS } from './disk-watch.js'
import { type LedgerFolderEvents, LedgerFolders, PATIENCE, type Patience } from './ledger-folders.js'

const DAY_MS = 86_400_000

/** Those who show the records as they are made. Called within the making of each: it has to be short. */
export interface RecordFollower {
  /** @param line of the ledger, with its end */
  onRecord(line: string, summary: RequestSummary): void
  /** A record that an earlier start could not write is one of this start. */
  onAdopted(line: string): void
}

/**
 * The relay gathers summaries for this time before it hands them on (`Recorder`); a longer `ledger.flushMs` is waited
 * for here. Both together are the time in which a `kill -9` can lose a record.
 */
export const MAX_GATHER_MS = 20

/** Gets the number and the text of a record when it is made. It may not be in a file yet. */
export type RecordHeir = (seq: number, line: string) => void

/**
 * The usage ledger: a record for every request, in append-only JSON lines files, one for each day.
 *
 * Records wait in memory for `flushMs` and are written together, one write at a time. After any error of the disk they
 * are kept and tried again; when that lasts, they are written to `fallbackFolder`. Only beyond `bufferedBytes` are new
 * records dropped, and counted. Records are numbered without gaps, so that `thinwire usage verify` finds missing ones,
 * and batches are chained, so that it finds changed ones. A crash within a write may leave a record twice; both copies
 * have the same number.
 */
export class Ledger implements SummarySink {
  /** Identifies this start of the relay in the records. */
  readonly writer: string
  /** Is told of each record when it is made, with its line; null: nobody is. */
  follower: RecordFollower | null
  private readonly options: Config['ledger']
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly prices: Prices | null
  /** Time from the hand-over of a record to its write, in milliseconds; 0: at the end of the turn. */
  private readonly delayMs: number
  private seq: number
  /** The link in the first record of the next batch. */
  private link: string
  private readonly lines: LineBuffer
  private lineCount: number
  /** Number of the first record in `lines`. */
  private firstSeq: number
  /** Day of the records in `lines` (UTC), and its start in epoch milliseconds. */
  private day: string
  private dayStart: number
  private queue: Batch[]
  private queuedBytes: number
  private written: number
  private dropped: number
  private isScheduled: boolean
  /** More records follow in the next turns. */
  private isHeld: boolean
  private timer: NodeJS.Timeout | null
  private pumping: Promise<void> | null
  private closing: boolean
  private readonly folders: LedgerFolders
  /** Gets each record from now on; null: nobody does. */
  heir: RecordHeir | null

  /** @param worker that writes it, into files of its own; null for a relay of one process */
  constructor(
    options: Config['ledger'],
    log: Pick<Log, 'warn' | 'info'>,
    prices: Prices | null,
    files: LedgerFiles = DISK,
    patience: Patience = PATIENCE,
    worker: number | null = null,
  ) {
    this.writer = `w-${randomBytes(6).toString('hex')}`
    this.follower = null
    this.heir = null
    this.options = options
    this.log = log
    this.prices = prices
    const events: LedgerFolderEvents = {
      onStalled: (cause) =>
        log.warn(
          { cause, queued_bytes: this.queuedBytes },
          `the ledger cannot be written (${cause}): records are kept in memory and tried again`,
        ),
      onFallback: (cause, folder) =>
        log.warn(
          { cause, folder },
          'records go to ledger.fallbackFolder until the ledger can be written again',
        ),
      onWorking: () => log.info({ queued_bytes: this.queuedBytes }, 'the ledger can be written again'),
      onReplaced: (file, deleted) =>
        log.warn(
          { file, deleted },
          deleted
            ? `the ledger's file ${file} was deleted: a new one has the records since the last look at it`
            : `the ledger's file ${file} was moved: new records go to a new one`,
        ),
      onSyncDue: () => this.pump(),
      onLate: (batch) => this.settle(batch),
    }
    this.folders = new LedgerFolders(options, files, patience, events, worker)
    this.delayMs = Math.max(0, options.flushMs - MAX_GATHER_MS)
    this.seq = 0
    this.link = firstLink(this.writer)
    this.lines = new LineBuffer()
    this.lineCount = 0
    this.firstSeq = 0
    this.day = ''
    this.dayStart = -DAY_MS
    this.queue = []
    this.queuedBytes = 0
    this.written = 0
    this.dropped = 0
    this.isScheduled = false
    this.isHeld = false
    this.timer = null
    this.pumping = null
    this.closing = false
  }

  get state(): LedgerState {
    return {
      stalled: this.folders.stalled,
      queued_bytes: this.queuedBytes + this.lines.bytes,
      written: this.written,
      dropped: this.dropped,
    }
  }

  /** Whether the disk neither works nor fails. Any further call to it may block for ever. */
  get hung(): boolean {
    return this.folders.hung
  }

  /** Number of the last record. */
  get lastSeq(): number {
    return this.seq
  }

  /** All records up to this number are in a file, or were dropped. */
  get writtenSeq(): number {
    const first = this.queue[0]?.firstSeq ?? (this.lineCount === 0 ? this.seq + 1 : this.firstSeq)
    return first - 1
  }

  /** The link that the next batch would have. Right once everything is sealed, as after `close`. */
  get lastLink(): string {
    return this.link
  }

  /** Records that are not in a file yet. */
  get unwritten(): number {
    let count = this.lineCount
    for (const { records } of this.queue) count += records
    return count
  }

  /** Adds the record of a request. Never waits and never throws. */
  record(summary: RequestSummary): void {
    if (!isRecorded(summary)) return
    this.seq++
    const line = formatRecord(summary, this.writer, this.seq, this.prices)
    this.add(line, summary.closedAt)
    this.follower?.onRecord(line, summary)
    if (this.heir !== null) this.heir(this.seq, line)
  }

  /** More records follow in the next turns: one write is for all of them. */
  startBatch(): void {
    this.isHeld = true
  }

  endBatch(): void {
    this.isHeld = false
    // Also for what was sealed just when a write had ended.
    if (this.unwritten > 0) this.schedule()
  }

  /**
   * Adds a record that another start could not write. A closed ledger takes none: the next start adds it then.
   * @param format makes the line, of this writer and with this number
   * @returns the line; null if it was not taken
   */
  adopt(format: (writer: string, seq: number) => string): string | null {
    if (this.closing) return null
    this.seq++
    const line = format(this.writer, this.seq)
    this.add(line, Date.now())
    this.follower?.onAdopted(line)
    this.heir?.(this.seq, line)
    return line
  }

  /** @param at epoch milliseconds; decides the file */
  private add(line: string, at: number): void {
    if (this.queuedBytes + this.lines.bytes + line.length > this.options.bufferedBytes) {
      if (this.dropped === 0)
        this.log.warn(
          { stalled: this.folders.stalled },
          'the memory for waiting ledger records is full (ledger.bufferedBytes): new records are dropped and counted',
        )
      this.dropped++
      return
    }
    if (at < this.dayStart || at >= this.dayStart + DAY_MS) {
      this.seal()
      this.dayStart = at - (at % DAY_MS)
      this.day = new Date(this.dayStart).toISOString().slice(0, 10)
    }
    if (this.lineCount === 0) this.firstSeq = this.seq
    this.lines.add(this.lineCount === 0 ? withLink(line, this.link) : line)
    this.lineCount++
    if (this.lines.bytes >= this.options.flushBytes) {
      // Sealed although the disk may be busy: copying tens of megabytes at once would hold up every stream.
      this.seal()
      this.pump()
    } else this.schedule()
  }

  private schedule(): void {
    if (this.isScheduled || this.isHeld) return
    this.isScheduled = true
    // As soon as all the records of this turn are here.
    if (this.delayMs === 0) queueMicrotask(() => this.pump())
    else this.timer = setTimeout(pump, this.delayMs, this).unref()
  }

  /** Starts writing all waiting records, unless that is under way. */
  pump(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.isScheduled = false
    if (this.pumping === null) this.occupy(this.writeAll())
  }

  /**
   * Opens the file of today, so that there is one however the relay ends, and a folder that cannot be written shows
   * before the first record.
   */
  async prepare(): Promise<void> {
    // A write that is under way opens it. Each of two at one time would open a file, and only one of these be closed.
    if (this.pumping !== null || this.closing) return
    this.occupy(this.folders.prepare(new Date().toISOString().slice(0, 10)))
    await this.pumping
  }

  /** Nothing else is written during this work. */
  private occupy(work: Promise<unknown>): void {
    this.pumping = work.then(ignore).finally(() => {
      this.pumping = null
      // Records that arrived during the last write.
      if (this.unwritten > 0 && !this.closing) this.schedule()
    })
  }

  /**
   * Resolves when what is waiting now is in a file.
   * @returns false if it is not: the ledger is closed, or records were dropped
   */
  async whenWritten(): Promise<boolean> {
    const { dropped } = this
    while (this.unwritten > 0 && !this.closing) {
      this.pump()
      await this.pumping
    }
    return !this.closing && this.unwritten === 0 && this.dropped === dropped
  }

  /**
   * Writes all waiting records and closes the file. Gives up on a failing disk after `DISK_TIMEOUT_MS`, and then tries
   * once more as `flushNow` does.
   * @returns the number of records that could not be written
   */
  async close(): Promise<number> {
    this.closing = true
    this.folders.hurry()
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DISK_TIMEOUT_MS)
    })
    await Promise.race([this.finish(), timeUp.then(() => this.folders.giveUp())])
    clearTimeout(timer)
    return this.unwritten === 0 ? 0 : this.flushNow()
  }

  /**
   * Writes all waiting records synchronously, when the process is about to exit. A batch whose write is under way may
   * then be in the file twice.
   * @returns the number of records that could not be written
   */
  flushNow(): number {
    this.seal()
    for (const batch of [...this.queue]) if (this.folders.writeNow(batch)) this.settle(batch)
    return this.unwritten
  }

  private async finish(): Promise<void> {
    await this.pumping
    this.pump()
    await this.pumping
    await this.folders.leave()
  }

  /** Makes a batch of the gathered records. */
  private seal(): void {
    if (this.lineCount === 0) return
    const bytes = this.lines.take()
    this.link = new Link(this.link).add(bytes).close()
    const { day, lineCount: records, firstSeq } = this
    this.queue.push({ day, bytes, records, firstSeq, written: 0 })
    this.queuedBytes += bytes.length
    this.lineCount = 0
  }

  private async writeAll(): Promise<void> {
    for (;;) {
      this.seal()
      const batch = this.queue[0]
      if (batch === undefined) {
        this.folders.syncIfDue()
        return
      }
      if (await this.folders.write(batch)) this.settle(batch)
      else await this.folders.wait()
    }
  }

  /** A batch is in a file. */
  private settle(batch: Batch): void {
    const place = this.queue.indexOf(batch)
    if (place === -1) return
    this.queue.splice(place, 1)
    this.queuedBytes -= batch.bytes.length
    this.written += batch.records
  }
}

function pump(ledger: Ledger): void {
  ledger.pump()
}

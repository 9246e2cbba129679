import { randomBytes } from 'node:crypto'
import type { Config } from '../config/config.js'
import { Lines } from '../ops/lines.js'
import type { Log } from '../ops/log.js'
import { systemCode } from '../relay/failure.js'
import type { Settled } from '../settled.js'
import { type Batch, LF, lineStart } from './batch.js'
import { DISK, type LedgerFile, type LedgerFiles, ledgerNames, ledgerPath } from './files.js'
import type { Prices } from './prices.js'
import { isRecorded, recordLine } from './record.js'

const DAY_MS = 86_400_000

/** How often it is looked whether the file is still where it was. */
const LOOK_MS = 1_000

/** Waits between attempts on a disk that takes nothing: the first, of which each next one is the double, and the longest. */
const WAITS_MS = [250, 30_000] as const

/** For the disk: when it has not answered for so long, that is told, and a relay that is ending does not wait any longer. */
const PATIENCE_MS = 3_000

/** What is told then, in the place of an error that a disk did not even make. */
const NO_ANSWER = 'no answer'

/** How the ledger is doing, for those who watch the relay. */
export interface LedgerState {
  /** Why nothing can be written at the moment; null if it can. */
  readonly stalled: string | null
  readonly queued_bytes: number
  readonly written: number
  /** Records that found no room while nothing could be written. */
  readonly dropped: number
}

/**
 * The usage ledger: a record for every request, in append-only JSON lines files, one for each day.
 *
 * Records wait in memory for `flushMs` and go out together, one write at a time. Whatever the disk says, they are kept and
 * tried again: only beyond `bufferedBytes` are new ones dropped, and counted. Each has a number that counts up without gaps,
 * so that what is missing can be told (`thinwire usage verify`). A record may come twice, after a crash in the
 * middle of a write; its number then tells that, too.
 */
export class Ledger {
  readonly writer: string
  private readonly options: Config['ledger']
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly prices: Prices | null
  private readonly files: LedgerFiles
  private readonly waitsMs: readonly [number, number]
  private seq: number
  private readonly lines: Lines
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
  private asking: boolean
  /** How long the next wait between two attempts is, and what ends it. */
  private waitMs: number
  private wake: (() => void) | null

  private file: LedgerFile | null
  private path: string
  private fileDay: string
  private part: number
  /** What the file's size would be if nobody else wrote to it. */
  private size: number
  private lookedAt: number
  private unsynced: boolean
  private syncedAt: number
  private syncTimer: NodeJS.Timeout | null

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
    this.waitsMs = waitsMs
    this.seq = 0
    this.lines = new Lines()
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
    this.asking = false
    this.waitMs = waitsMs[0]
    this.wake = null
    this.file = null
    this.path = ''
    this.fileDay = ''
    this.part = 0
    this.size = 0
    this.lookedAt = 0
    this.unsynced = false
    this.syncedAt = 0
    this.syncTimer = null
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
    return this.asking && this.stalled === NO_ANSWER
  }

  /** Takes down a request that is over. Never waits and never throws. */
  add(settled: Settled): void {
    if (!isRecorded(settled)) return
    this.seq++
    const line = recordLine(settled, this.writer, this.seq, this.prices)
    if (this.queuedBytes + this.lines.bytes + line.length > this.options.bufferedBytes) {
      if (this.dropped === 0)
        this.log.warn(
          { stalled: this.stalled },
          'the ledger has no more room in memory: records are dropped, and counted',
        )
      this.dropped++
      return
    }
    if (settled.settledAt < this.dayBegins || settled.settledAt >= this.dayBegins + DAY_MS) {
      this.seal()
      this.dayBegins = settled.settledAt - (settled.settledAt % DAY_MS)
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
      const path =
        batch.day === this.fileDay && this.path !== ''
          ? this.path
          : ledgerPath(this.options.folder, batch.day, 1)
      // A line that has begun there is ended by an empty one, which readers pass over.
      const rest = batch.bytes.subarray(lineStart(batch))
      try {
        this.files.appendNow(path, Buffer.concat([Buffer.from('\n'), rest]))
      } catch {
        // Nobody is left to tell.
      }
    }
  }

  private async finish(): Promise<void> {
    await this.pumping
    this.pump()
    await this.pumping
    if (this.syncTimer !== null) clearTimeout(this.syncTimer)
    await this.answered(this.leave().catch(() => {}))
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
        await this.answered(this.syncIfDue())
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
  private async answered<T>(work: Promise<T>): Promise<T> {
    this.asking = true
    const timer = setTimeout(silence, PATIENCE_MS, this).unref()
    const result = await work
    clearTimeout(timer)
    this.asking = false
    return result
  }

  onSilence(): void {
    if (this.asking) this.tellStall(NO_ANSWER)
  }

  /** @returns whether all of the batch is in the file */
  private async attempt(batch: Batch): Promise<boolean> {
    try {
      const file = await this.fileFor(batch)
      while (batch.written < batch.bytes.length) {
        const bytes = await file.write(batch.bytes.subarray(batch.written))
        batch.written += bytes
        this.size += bytes
        // It may have stopped within a line: is it still ours to go on with?
        if (batch.written < batch.bytes.length) await this.resume(file, batch)
      }
      this.unsynced = true
      if (this.options.fsync === 'every') await this.sync(file)
    } catch (error) {
      this.stall(systemCode(error))
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
    // The next attempt opens the file anew: its place may be another disk by then.
    const { file } = this
    this.file = null
    this.fileDay = ''
    void file?.close().catch(() => {})
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

  private async fileFor(batch: Batch): Promise<LedgerFile> {
    const now = performance.now()
    if (this.file !== null && this.fileDay === batch.day && now - this.lookedAt > LOOK_MS) {
      this.lookedAt = now
      // Moved or deleted: what is written from now on belongs where it was.
      if (!(await this.file.inPlace())) this.part = 0
      else this.size = await this.file.size()
    }
    const full = this.size > 0 && this.size + batch.bytes.length > this.options.rotateBytes
    if (this.file !== null && this.fileDay === batch.day && this.part > 0 && !full) return this.file
    await this.leave()
    this.part = this.fileDay === batch.day && this.part > 0 ? this.part + 1 : await this.lastPart(batch.day)
    this.fileDay = batch.day
    this.path = ledgerPath(this.options.folder, batch.day, this.part)
    const file = await this.files.open(this.path)
    this.file = file
    this.lookedAt = now
    await this.begin(file, batch)
    return file
  }

  /** Which of a day's files is to be gone on with: the last one. If that is full, the next write finds out. */
  private async lastPart(day: string): Promise<number> {
    const names = ledgerNames(await this.files.list(this.options.folder))
    return names.filter((name) => name.day === day).at(-1)?.part ?? 1
  }

  /** The file is left for another one. */
  private async leave(): Promise<void> {
    const { file } = this
    if (file === null) return
    this.file = null
    try {
      if (this.unsynced && this.options.fsync !== 'never') await file.sync()
      this.unsynced = false
    } finally {
      await file.close()
    }
  }

  /** A file that has just been opened: a line that somebody has left unfinished there costs that line and no other. */
  private async begin(file: LedgerFile, batch: Batch): Promise<void> {
    batch.written = lineStart(batch)
    const last = await file.lastByte()
    if (last !== null && last !== LF) await file.write(Buffer.from('\n'))
    this.size = await file.size()
  }

  /** After a write that was cut short: a line that was torn is gone on with, unless another relay has written behind it. */
  private async resume(file: LedgerFile, batch: Batch): Promise<void> {
    if ((await file.size()) !== this.size) await this.begin(file, batch)
  }

  /** Where it is done at intervals; what came since the last one is not left for the next record to come. */
  private async syncIfDue(): Promise<void> {
    const { file } = this
    if (!this.unsynced || file === null || this.options.fsync !== 'interval') return
    const left = this.options.fsyncMs - (performance.now() - this.syncedAt)
    if (left > 0) {
      this.syncTimer ??= setTimeout(sync, left, this).unref()
      return
    }
    await this.sync(file).catch((error) => this.stall(systemCode(error)))
  }

  private async sync(file: LedgerFile): Promise<void> {
    await file.sync()
    this.unsynced = false
    this.syncedAt = performance.now()
  }

  onSyncTime(): void {
    this.syncTimer = null
    this.pump()
  }
}

function sync(ledger: Ledger): void {
  ledger.onSyncTime()
}

function silence(ledger: Ledger): void {
  ledger.onSilence()
}

function pump(ledger: Ledger): void {
  ledger.pump()
}

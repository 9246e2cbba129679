import type { Config } from '../../config/config.js'
import { LF } from '../../lib/bytes.js'
import { readErrorCode } from '../../lib/error-code.js'
import { type LedgerFile, type LedgerFiles, listLedgerNames, locateLedgerFile } from '../files.js'
import { type Batch, findLineStart } from './batch.js'

/** How often it is looked whether the file is still where it was. */
const LOOK_MS = 1_000

export interface DayFilesOwner {
  /** Waits for the disk, and tells when it is silent. */
  answered<T>(work: Promise<T>): Promise<T>
  /** The disk did not take what had been written. @param cause the error's code */
  onSyncFailed(cause: string): void
  /** What was written last is to be synced: `syncIfDue` is to be called, when nothing is being written. */
  onSyncTime(): void
}

/** The file that the ledger's records go to now: that of their day, the next one when it is full, the same again if it was moved. */
export class DayFiles {
  private readonly options: Config['ledger']
  private readonly files: LedgerFiles
  private readonly owner: DayFilesOwner
  private file: LedgerFile | null
  private path: string
  private fileDay: string
  private part: number
  /** What the file's size would be if nobody else wrote to it. */
  private size: number
  private lookedAt: number
  private unsynced: boolean
  /** Beside the writes. */
  private syncing: Promise<void> | null
  private syncedAt: number
  private syncTimer: NodeJS.Timeout | null

  constructor(options: Config['ledger'], files: LedgerFiles, owner: DayFilesOwner) {
    this.options = options
    this.files = files
    this.owner = owner
    this.file = null
    this.path = ''
    this.fileDay = ''
    this.part = 0
    this.size = 0
    this.lookedAt = 0
    this.unsynced = false
    this.syncing = null
    this.syncedAt = 0
    this.syncTimer = null
  }

  /**
   * Appends what is not in the file yet of a batch, which counts that.
   * @throws as the disk does
   */
  async write(batch: Batch): Promise<void> {
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
  }

  /** The next write opens the file anew: its place may be another disk by then. */
  abandon(): void {
    const { file } = this
    this.file = null
    this.fileDay = ''
    void file?.close().catch(() => {})
  }

  /** Where a record of that day goes, as far as is known. */
  pathOf(day: string): string {
    return day === this.fileDay && this.path !== ''
      ? this.path
      : locateLedgerFile(this.options.folder, day, 1)
  }

  stopSyncing(): void {
    if (this.syncTimer !== null) clearTimeout(this.syncTimer)
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
    this.path = locateLedgerFile(this.options.folder, batch.day, this.part)
    const file = await this.files.open(this.path)
    this.file = file
    this.lookedAt = now
    await this.begin(file, batch)
    return file
  }

  /** Which of a day's files is to be gone on with: the last one. If that is full, the next write finds out. */
  private async lastPart(day: string): Promise<number> {
    const names = listLedgerNames(await this.files.list(this.options.folder))
    return names.filter((name) => name.day === day).at(-1)?.part ?? 1
  }

  /** The file is left for another one. */
  async leave(): Promise<void> {
    await this.syncing
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
    batch.written = findLineStart(batch)
    const last = await file.lastByte()
    if (last !== null && last !== LF) await file.write(Buffer.from('\n'))
    this.size = await file.size()
  }

  /** After a write that was cut short: a line that was torn is gone on with, unless another relay has written behind it. */
  private async resume(file: LedgerFile, batch: Batch): Promise<void> {
    if ((await file.size()) !== this.size) await this.begin(file, batch)
  }

  /**
   * Where it is done at intervals; what came since the last one is not left for the next record to come. Writes go on
   * beside it: a disk that takes seconds to sync would else have a kill take as many seconds of records.
   */
  syncIfDue(): void {
    const { file } = this
    if (!this.unsynced || file === null || this.syncing !== null || this.options.fsync !== 'interval') return
    const left = this.options.fsyncMs - (performance.now() - this.syncedAt)
    if (left > 0) {
      this.syncTimer ??= setTimeout(sync, left, this).unref()
      return
    }
    this.unsynced = false
    this.syncedAt = performance.now()
    this.syncing = this.owner
      .answered(file.sync())
      .catch((error) => {
        this.unsynced = true
        if (this.file === file) this.owner.onSyncFailed(readErrorCode(error))
      })
      .finally(() => {
        this.syncing = null
        this.syncIfDue()
      })
  }

  private async sync(file: LedgerFile): Promise<void> {
    await file.sync()
    this.unsynced = false
    this.syncedAt = performance.now()
  }

  onSyncTime(): void {
    this.syncTimer = null
    this.owner.onSyncTime()
  }
}

function sync(files: DayFiles): void {
  files.onSyncTime()
}

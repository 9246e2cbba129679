import type { Config } from '../../config/config.js'
import { LF } from '../../lib/bytes.js'
import { readErrorCode } from '../../lib/error-code.js'
import { type LedgerFile, type LedgerFiles, listLedgerNames, locateLedgerFile } from '../files.js'
import { type Batch, findLineStart } from './batch.js'
import type { DiskWatch } from './disk-watch.js'

/** How often to check that the open file is still at its path. */
const PLACE_CHECK_MS = 1_000

/**
 * Chooses the file for each batch, and writes and syncs it: the file of the batch's day, the next part when that is
 * full, and a new file at the same path when the old one was moved or deleted.
 */
export class DayFiles {
  private readonly options: Config['ledger']
  private readonly files: LedgerFiles
  private readonly disk: DiskWatch
  private readonly onSyncFailed: (code: string) => void
  private readonly onSyncDue: () => void
  private file: LedgerFile | null
  private path: string
  private fileDay: string
  /** Part of the open file, from 1; 0 if the part must be looked up. */
  private part: number
  /** Size that the file has if no other process writes to it. */
  private size: number
  private placeCheckedAt: number
  private unsynced: boolean
  /** A sync in the background, while writes continue. */
  private syncing: Promise<void> | null
  private syncedAt: number
  private syncTimer: NodeJS.Timeout | null

  /**
   * @param onSyncFailed called with an error code when the disk fails to sync what was written
   * @param onSyncDue called when a sync is due; the owner calls `syncIfDue` once no write is under way
   */
  constructor(
    options: Config['ledger'],
    files: LedgerFiles,
    disk: DiskWatch,
    onSyncFailed: (code: string) => void,
    onSyncDue: () => void,
  ) {
    this.options = options
    this.files = files
    this.disk = disk
    this.onSyncFailed = onSyncFailed
    this.onSyncDue = onSyncDue
    this.file = null
    this.path = ''
    this.fileDay = ''
    this.part = 0
    this.size = 0
    this.placeCheckedAt = 0
    this.unsynced = false
    this.syncing = null
    this.syncedAt = 0
    this.syncTimer = null
  }

  /**
   * Appends the rest of a batch, and counts its written bytes.
   * @throws the error of the file system
   */
  async write(batch: Batch): Promise<void> {
    const file = await this.openFor(batch)
    while (batch.written < batch.bytes.length) {
      const bytes = await file.write(batch.bytes.subarray(batch.written))
      batch.written += bytes
      this.size += bytes
      if (batch.written < batch.bytes.length) await this.resume(file, batch)
    }
    this.unsynced = true
    if (this.options.fsync === 'every') await this.sync(file)
  }

  /** Forgets the open file, so that the next write opens it again: its path may lead to another disk by then. */
  abandon(): void {
    const { file } = this
    this.file = null
    this.fileDay = ''
    void file?.close().catch(() => {})
  }

  /** Path for a record of that day: the open file, or else the first file of the day. */
  pathOf(day: string): string {
    return day === this.fileDay && this.path !== ''
      ? this.path
      : locateLedgerFile(this.options.folder, day, 1)
  }

  stopSyncing(): void {
    if (this.syncTimer !== null) clearTimeout(this.syncTimer)
  }

  /** Syncs and closes the open file. */
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

  /**
   * Syncs if `fsync` is `interval` and the interval is over; otherwise sets a timer, so that the last records do not
   * wait for the next one. Writes continue meanwhile: if a slow sync held them up, a kill would cost all the records
   * that arrived during it.
   */
  syncIfDue(): void {
    const { file } = this
    if (!this.unsynced || file === null || this.syncing !== null || this.options.fsync !== 'interval') return
    const left = this.options.fsyncMs - (performance.now() - this.syncedAt)
    if (left > 0) {
      this.syncTimer ??= setTimeout(reportSyncDue, left, this).unref()
      return
    }
    this.unsynced = false
    this.syncedAt = performance.now()
    this.syncing = this.disk
      .watch(file.sync())
      .catch((error) => {
        this.unsynced = true
        if (this.file === file) this.onSyncFailed(readErrorCode(error))
      })
      .finally(() => {
        this.syncing = null
        this.syncIfDue()
      })
  }

  reportSyncDue(): void {
    this.syncTimer = null
    this.onSyncDue()
  }

  private async openFor(batch: Batch): Promise<LedgerFile> {
    const now = performance.now()
    if (this.file !== null && this.fileDay === batch.day && now - this.placeCheckedAt > PLACE_CHECK_MS) {
      this.placeCheckedAt = now
      // If the file was moved or deleted, new records go to a new file at the old path.
      if (!(await this.file.inPlace())) this.part = 0
      else this.size = await this.file.size()
    }
    const full = this.size > 0 && this.size + batch.bytes.length > this.options.rotateBytes
    if (this.file !== null && this.fileDay === batch.day && this.part > 0 && !full) return this.file
    await this.leave()
    this.part =
      this.fileDay === batch.day && this.part > 0 ? this.part + 1 : await this.findLastPart(batch.day)
    this.fileDay = batch.day
    this.path = locateLedgerFile(this.options.folder, batch.day, this.part)
    const file = await this.files.open(this.path)
    this.file = file
    this.placeCheckedAt = now
    await this.startAtLine(file, batch)
    return file
  }

  /** Finds the last part of a day. Whether it is full shows at the next write. */
  private async findLastPart(day: string): Promise<number> {
    const names = listLedgerNames(await this.files.list(this.options.folder))
    return names.filter((name) => name.day === day).at(-1)?.part ?? 1
  }

  /** Makes the next write start at a line: ends a torn line in the file, so that it costs no other line. */
  private async startAtLine(file: LedgerFile, batch: Batch): Promise<void> {
    batch.written = findLineStart(batch)
    const last = await file.lastByte()
    if (last !== null && last !== LF) await file.write(Buffer.from('\n'))
    this.size = await file.size()
  }

  /** After a short write: continues within the line, unless another relay has appended to the file meanwhile. */
  private async resume(file: LedgerFile, batch: Batch): Promise<void> {
    if ((await file.size()) !== this.size) await this.startAtLine(file, batch)
  }

  private async sync(file: LedgerFile): Promise<void> {
    await file.sync()
    this.unsynced = false
    this.syncedAt = performance.now()
  }
}

function reportSyncDue(files: DayFiles): void {
  files.reportSyncDue()
}

import type { Config } from '../../config/config.js'
import { LF } from '../../lib/bytes.js'
import { readErrorCode } from '../../lib/error-code.js'
import { type LedgerFile, type LedgerFiles, listLedgerNames, locateLedgerFile } from '../files.js'
import { type Batch, findLineStart } from './batch.js'
import type { DiskWatch } from './disk-watch.js'

/** How often to check that the open file is still at its path. */
const PLACE_CHECK_MS = 1_000

/** Checked earlier after so many bytes: until the check they are kept, to be written again if the file was deleted. */
const PLACE_CHECK_BYTES = 1024 * 1024

/** What the owner of the files hears of them. */
export interface DayFileEvents {
  /** The disk failed to sync what was written. @param code of the error */
  readonly onSyncFailed: (code: string) => void
  /** A sync is due; the owner calls `syncIfDue` once no write is under way. */
  readonly onSyncDue: () => void
  /** The open file is no longer at its path, and another one is written from now on. */
  readonly onReplaced: (path: string, isDeleted: boolean) => void
}

/**
 * Chooses the file for each batch, and writes and syncs it: the file of the batch's day, the next part when that is
 * full, and a new file at the same path when the old one was moved or deleted. What went into a deleted file since the
 * last check is written again to the new one.
 */
export class DayFiles {
  private readonly options: Config['ledger']
  private readonly files: LedgerFiles
  private readonly disk: DiskWatch
  private readonly events: DayFileEvents
  private readonly worker: number | null
  private file: LedgerFile | null
  private path: string
  private fileDay: string
  /** Part of the open file, from 1; 0 if the part must be looked up. */
  private part: number
  /** Size that the file has if no other process writes to it. */
  private size: number
  private placeCheckedAt: number
  /** Bytes that were written to the open file since then. */
  private recent: Buffer[]
  private recentBytes: number
  private unsynced: boolean
  /** A sync in the background, while writes continue. */
  private syncing: Promise<void> | null
  private syncedAt: number
  private syncTimer: NodeJS.Timeout | null

  /** @param worker whose files these are; null for a relay of one process */
  constructor(
    options: Config['ledger'],
    files: LedgerFiles,
    disk: DiskWatch,
    events: DayFileEvents,
    worker: number | null = null,
  ) {
    this.options = options
    this.files = files
    this.disk = disk
    this.events = events
    this.worker = worker
    this.file = null
    this.path = ''
    this.fileDay = ''
    this.part = 0
    this.size = 0
    this.placeCheckedAt = 0
    this.recent = []
    this.recentBytes = 0
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
    const before = this.file
    const file = await this.openFor(batch.day, batch.bytes.length)
    if (file !== before) batch.written = findLineStart(batch)
    while (batch.written < batch.bytes.length) {
      const bytes = await file.write(batch.bytes.subarray(batch.written))
      batch.written += bytes
      this.size += bytes
      if (batch.written < batch.bytes.length) await this.resume(file, batch)
    }
    this.unsynced = true
    this.recent.push(batch.bytes)
    this.recentBytes += batch.bytes.length
    if (this.options.fsync === 'every') await this.sync(file)
  }

  /**
   * Opens the file of a day.
   * @throws the error of the file system
   */
  async prepare(day: string): Promise<void> {
    await this.openFor(day, 0)
  }

  /** Appends the rest of a batch synchronously. @returns false if that failed */
  appendNow(batch: Batch): boolean {
    // The line feed in front ends a torn line. Readers skip empty lines.
    const rest = batch.bytes.subarray(findLineStart(batch))
    try {
      this.files.appendNow(this.pathOf(batch.day), Buffer.concat([Buffer.from('\n'), rest]))
    } catch {
      return false
    }
    return true
  }

  /** Forgets the open file, so that the next write opens it again: its path may lead to another disk by then. */
  abandon(): void {
    const { file } = this
    this.file = null
    this.fileDay = ''
    this.forgetRecent()
    void file?.close().catch(() => {})
  }

  /** Path for a record of that day: the open file, or else the first file of the day. */
  private pathOf(day: string): string {
    return day === this.fileDay && this.path !== ''
      ? this.path
      : locateLedgerFile(this.options.folder, day, 1, this.worker)
  }

  stopSyncing(): void {
    if (this.syncTimer !== null) clearTimeout(this.syncTimer)
  }

  /** Syncs and closes the open file. */
  async leave(): Promise<void> {
    try {
      if (this.file !== null && this.recent.length > 0) await this.checkPlace(this.file)
    } finally {
      await this.close()
    }
  }

  private async close(): Promise<void> {
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
        if (this.file === file) this.events.onSyncFailed(readErrorCode(error))
      })
      .finally(() => {
        this.syncing = null
        this.syncIfDue()
      })
  }

  reportSyncDue(): void {
    this.syncTimer = null
    this.events.onSyncDue()
  }

  /** @param bytes that are to be written */
  private async openFor(day: string, bytes: number): Promise<LedgerFile> {
    const isDue =
      performance.now() - this.placeCheckedAt > PLACE_CHECK_MS || this.recentBytes > PLACE_CHECK_BYTES
    if (this.file !== null && isDue) await this.checkPlace(this.file)
    const full = this.size > 0 && this.size + bytes > this.options.rotateBytes
    if (this.file !== null && this.fileDay === day && this.part > 0 && !full) return this.file
    await this.leave()
    this.part = this.fileDay === day && this.part > 0 ? this.part + 1 : await this.findLastPart(day)
    return this.open(day)
  }

  private async open(day: string): Promise<LedgerFile> {
    this.fileDay = day
    this.path = locateLedgerFile(this.options.folder, day, this.part, this.worker)
    const file = await this.files.open(this.path)
    this.file = file
    this.placeCheckedAt = performance.now()
    this.forgetRecent()
    await this.endTornLine(file)
    return file
  }

  /** If the file was moved or deleted, opens a new one at the old path. */
  private async checkPlace(file: LedgerFile): Promise<void> {
    const place = await file.place()
    this.placeCheckedAt = performance.now()
    const lost = place === 'deleted' ? Buffer.concat(this.recent) : null
    this.forgetRecent()
    if (place === 'there') {
      this.size = await file.size()
      return
    }
    this.events.onReplaced(this.path, place === 'deleted')
    await this.close()
    this.part = await this.findLastPart(this.fileDay)
    const opened = await this.open(this.fileDay)
    if (lost === null || lost.length === 0) return
    for (let at = 0; at < lost.length; ) at += await opened.write(lost.subarray(at))
    this.size += lost.length
    this.unsynced = true
    this.recent.push(lost)
    this.recentBytes = lost.length
  }

  private forgetRecent(): void {
    this.recent = []
    this.recentBytes = 0
  }

  /** Finds the last part of a day, of the worker's own. Whether it is full shows at the next write. */
  private async findLastPart(day: string): Promise<number> {
    const names = listLedgerNames(await this.files.list(this.options.folder))
    return names.filter((name) => name.day === day && name.worker === this.worker).at(-1)?.part ?? 1
  }

  /** Ends a torn line in the file, so that it costs no other line. */
  private async endTornLine(file: LedgerFile): Promise<void> {
    const last = await file.lastByte()
    if (last !== null && last !== LF) await file.write(Buffer.from('\n'))
    this.size = await file.size()
  }

  /** After a short write: continues within the line, unless another relay has appended to the file meanwhile. */
  private async resume(file: LedgerFile, batch: Batch): Promise<void> {
    if ((await file.size()) === this.size) return
    batch.written = findLineStart(batch)
    await this.endTornLine(file)
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

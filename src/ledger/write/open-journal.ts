import { ignore } from '../../lib/ignore.js'
import type { LedgerFile, LedgerFiles } from '../files.js'
import { formatBeat, formatMark, locateJournal } from '../journal.js'
import type { StartMark } from '../starts.js'
import { DISK_TIMEOUT_MS } from './disk-watch.js'

/** A file that has grown beyond this is continued in a new one, so that the old one can be removed. */
const PART_BYTES = 4 * 1024 * 1024

/** How often the file is touched, so that another machine sees that this start is alive. */
const BEAT_MS = 2_000

/** How often the time is written, if nothing else is. */
const TIME_MS = 60_000

/** How often to check that the file is still at its path: before a write, else with each touch. */
const PLACE_CHECK_MS = 1_000

/**
 * Writes the journal of open requests (see `Journal`): one append at a time, of all the lines that were added by then.
 * A failed append loses its lines; the owner then adds all requests again, as `validSince` says.
 */
export class OpenJournal {
  private readonly folders: readonly string[]
  private readonly mark: StartMark
  private readonly files: LedgerFiles
  private readonly partBytes: number
  private file: LedgerFile | null
  /** Paths of all parts that exist, the last one open. */
  private paths: string[]
  private part: number
  private size: number
  private lines: string[]
  private writing: Promise<void> | null
  private writingSince: number
  private touchedAt: number
  private timedAt: number
  private placeCheckedAt: number
  /** `performance.now()` when the open part was begun. */
  private partSince: number
  private since: number
  private isOver: boolean

  /** @param folders the first one that can be written is used */
  constructor(folders: readonly string[], mark: StartMark, files: LedgerFiles, partBytes = PART_BYTES) {
    this.folders = folders
    this.mark = mark
    this.files = files
    this.partBytes = partBytes
    this.file = null
    this.paths = []
    this.part = 0
    this.size = 0
    this.lines = []
    this.writing = null
    this.writingSince = 0
    this.touchedAt = 0
    this.timedAt = 0
    this.placeCheckedAt = 0
    this.partSince = 0
    this.since = 0
    this.isOver = false
  }

  /** A request that was added before this time is in no file: `performance.now()`. */
  get validSince(): number {
    return this.since
  }

  /** Whether there is a file, which tells other starts that this one runs. */
  get isThere(): boolean {
    return this.file !== null
  }

  /** Whether an append is under way. Nothing should be added then. */
  get isBusy(): boolean {
    return this.writing !== null
  }

  /** The disk does not respond. */
  get isHung(): boolean {
    return this.writing !== null && performance.now() - this.writingSince > DISK_TIMEOUT_MS
  }

  /** @param line as `formatOpen` returns it */
  add(line: string): void {
    this.lines.push(line)
  }

  /**
   * Appends what was added, opens the file if it is not open, and touches it from time to time.
   * @param now `performance.now()`
   */
  flush(now: number): Promise<void> {
    if (this.writing !== null || this.isOver) return this.writing ?? Promise.resolve()
    this.writingSince = now
    this.writing = this.append(now)
      .catch(() => {
        this.leave()
        this.since = performance.now()
      })
      .finally(() => {
        this.writing = null
        // Removed while the append was under way, which may have made and opened the file again.
        if (this.isOver) this.removeNow()
      })
    return this.writing
  }

  /**
   * Removes the parts that no open request needs.
   * @param oldest when the open request was added that has waited longest: `performance.now()`
   */
  trim(oldest: number): void {
    if (this.writing !== null || this.paths.length <= 1) return
    if (oldest < this.partSince || oldest < this.since) return
    for (const path of this.paths.splice(0, this.paths.length - 1)) void this.files.remove(path).catch(ignore)
  }

  /** Removes the journal: the start ends well. */
  removeNow(): void {
    this.isOver = true
    this.leave()
    this.removeFiles()
  }

  private removeFiles(): void {
    for (const path of this.paths) {
      try {
        this.files.removeNow(path)
      } catch {
        // The next start finds it, and finds every request in the ledger.
      }
    }
  }

  private async append(now: number): Promise<void> {
    const { lines } = this
    this.lines = []
    const checkMs = lines.length === 0 ? BEAT_MS : PLACE_CHECK_MS
    if (this.file !== null && now - this.placeCheckedAt > checkMs) {
      this.placeCheckedAt = now
      if ((await this.file.place()) !== 'there') {
        this.leave()
        this.since = performance.now()
      }
    }
    // Removed in the meantime: a new part would outlive a process that ends at once.
    if (this.isOver) return
    this.file ??= await this.open()
    if (lines.length === 0 && now - this.timedAt > TIME_MS) lines.push(formatBeat(Date.now()))
    if (lines.length > 0) {
      this.timedAt = now
      await this.write(this.file, lines.join(''))
      this.touchedAt = now
    } else if (now - this.touchedAt > BEAT_MS) {
      this.touchedAt = now
      await this.file.touch()
    }
    if (this.size <= this.partBytes || this.isOver) return
    this.leave()
    this.file = await this.open()
  }

  private async open(): Promise<LedgerFile> {
    let failure: unknown
    for (const folder of this.folders) {
      const path = locateJournal(folder, this.mark.writer, this.part + 1)
      let file: LedgerFile | null = null
      try {
        file = await this.files.open(path)
        this.part++
        this.paths.push(path)
        this.size = 0
        this.partSince = performance.now()
        this.placeCheckedAt = this.partSince
        await this.write(file, formatMark(this.mark))
        return file
      } catch (error) {
        failure = error
        void file?.close().catch(ignore)
      }
    }
    throw failure
  }

  private async write(file: LedgerFile, text: string): Promise<void> {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += await file.write(bytes.subarray(at))
    this.size += bytes.length
  }

  private leave(): void {
    void this.file?.close().catch(ignore)
    this.file = null
  }
}

import { type Stats, stat, statSync } from 'node:fs'

/** Polled, as the key file is: file system events are missing on network shares and for replaced files. */
const POLL_MS = 1_000

/** Notices when a file is written or replaced. It does not keep the process alive. */
export class FileWatch {
  private readonly file: string
  private readonly onChange: () => void
  private readonly clock: NodeJS.Timeout
  /** What was seen of the file; null while it has never been there. */
  private seen: Stats | null
  private isLooking: boolean
  private isClosed: boolean

  /**
   * @param readAt when what is in use was read; epoch milliseconds. A file that was changed between then and now is
   * noticed, too: a start may take minutes
   * @param onChange called after each change, but not while the file is missing
   */
  constructor(file: string, readAt: number, onChange: () => void, pollMs = POLL_MS) {
    this.file = file
    this.onChange = onChange
    this.seen = statOf(file)
    this.isLooking = false
    this.isClosed = false
    this.clock = setInterval(() => this.look(), pollMs).unref()
    // Of one that was moved here, only the time of that is new. Some disks have whole milliseconds.
    if (this.seen !== null && Math.floor(this.seen.ctimeMs) > readAt)
      setImmediate(() => {
        if (!this.isClosed) onChange()
      })
  }

  close(): void {
    this.isClosed = true
    clearInterval(this.clock)
  }

  private look(): void {
    // One look at a time, however long a slow disk takes.
    if (this.isLooking) return
    this.isLooking = true
    stat(this.file, (error, now) => {
      this.isLooking = false
      // Some editors remove the file before they write it again; the next look finds the new one.
      if (error === null && !this.isClosed) this.compare(now)
    })
  }

  private compare(now: Stats): void {
    const { seen } = this
    this.seen = now
    const isSame =
      seen !== null && now.mtimeMs === seen.mtimeMs && now.size === seen.size && now.ino === seen.ino
    if (!isSame) this.onChange()
  }
}

function statOf(file: string): Stats | null {
  try {
    return statSync(file)
  } catch {
    return null
  }
}

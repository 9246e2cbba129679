import { type Stats, unwatchFile, watchFile } from 'node:fs'

/** Polled, as the key file is: file system events are missing on network shares and for replaced files. */
const POLL_MS = 1_000

/** Notices when a file is written or replaced. It does not keep the process alive. */
export class FileWatch {
  private readonly file: string
  private readonly onChange: () => void

  /** @param onChange called after each change, but not while the file is missing */
  constructor(file: string, onChange: () => void, pollMs = POLL_MS) {
    this.file = file
    this.onChange = onChange
    watchFile(file, { interval: pollMs, persistent: false }, this.compare)
  }

  close(): void {
    unwatchFile(this.file, this.compare)
  }

  private readonly compare = (now: Stats, before: Stats): void => {
    // Some editors remove the file before they write it again; the next look finds the new one.
    if (now.mtimeMs === 0) return
    const isSame = now.mtimeMs === before.mtimeMs && now.size === before.size && now.ino === before.ino
    if (!isSame) this.onChange()
  }
}

import type { Stream } from './usage-common.js'

/** Work that ends within this time shows no progress. */
const QUIET_MS = 500

/** Time between two updates. */
const BETWEEN_MS = 100

/** Width of a terminal that does not say its width. */
const COLUMNS = 80

const ERASE = '\r\x1b[K'

/** Shows in one line of a terminal how much of a large input has been read. The line is erased at the end. */
export class Progress {
  private readonly stream: Stream
  private readonly totalBytes: number
  private readonly now: () => number
  /** False where the stream is no terminal. */
  private readonly isActive: boolean
  private bytes: number
  /** Time of the next update. */
  private due: number
  private isShown: boolean

  /** @param now milliseconds of a clock that never goes back */
  constructor(stream: Stream, totalBytes: number, now: () => number = () => performance.now()) {
    this.stream = stream
    this.totalBytes = totalBytes
    this.now = now
    this.isActive = stream.isTTY === true && totalBytes > 0
    this.bytes = 0
    this.due = now() + QUIET_MS
    this.isShown = false
  }

  /** So many more bytes have been read. */
  add(bytes: number): void {
    this.bytes += bytes
    if (!this.isActive) return
    const now = this.now()
    if (now < this.due) return
    this.due = now + BETWEEN_MS
    this.isShown = true
    // A line of the terminal's full width would wrap, and could not be erased.
    const text = formatProgress(this.bytes, this.totalBytes).slice(0, (this.stream.columns || COLUMNS) - 1)
    this.stream.write(`${ERASE}${text}`)
  }

  /** Erases the line. */
  end(): void {
    if (this.isShown) this.stream.write(ERASE)
    this.isShown = false
  }
}

const BAR = 30

function formatProgress(bytes: number, totalBytes: number): string {
  // A running relay may have written more in the meantime.
  const part = Math.min(1, bytes / totalBytes)
  const bar = '#'.repeat(Math.floor(part * BAR)).padEnd(BAR, '.')
  const percent = `${Math.floor(part * 100)}`.padStart(3)
  const read = formatMegabytes(Math.min(bytes, totalBytes))
  return `reading ${percent} % [${bar}] ${read} of ${formatMegabytes(totalBytes)} MB`
}

function formatMegabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(bytes < 99_950_000 ? 1 : 0)
}

import type { Stream } from './usage-common.js'

/** What is done by then needs no progress to be told. */
const QUIET_MS = 500

const BETWEEN_MS = 100

/** Of a terminal that does not tell how wide it is. */
const COLUMNS = 80

const ERASE = '\r\x1b[K'

/** How much of something large was read, in a line on a terminal that is gone when all of it was. Elsewhere nothing is told. */
export class Progress {
  private readonly stream: Stream
  private readonly totalBytes: number
  private readonly now: () => number
  private readonly shows: boolean
  private bytes: number
  /** When it is next told. */
  private due: number
  private shown: boolean

  /** @param now milliseconds of a clock that only goes on */
  constructor(stream: Stream, totalBytes: number, now: () => number = () => performance.now()) {
    this.stream = stream
    this.totalBytes = totalBytes
    this.now = now
    this.shows = stream.isTTY === true && totalBytes > 0
    this.bytes = 0
    this.due = now() + QUIET_MS
    this.shown = false
  }

  add(bytes: number): void {
    this.bytes += bytes
    if (!this.shows) return
    const now = this.now()
    if (now < this.due) return
    this.due = now + BETWEEN_MS
    this.shown = true
    // A line as long as the terminal is wide would go on in the next, and could not be erased.
    const text = line(this.bytes, this.totalBytes).slice(0, (this.stream.columns || COLUMNS) - 1)
    this.stream.write(`${ERASE}${text}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.shown) this.stream.write(ERASE)
    this.shown = false
  }
}

const BAR = 30

function line(bytes: number, totalBytes: number): string {
  // A relay may have written more meanwhile.
  const part = Math.min(1, bytes / totalBytes)
  const bar = '#'.repeat(Math.floor(part * BAR)).padEnd(BAR, '.')
  const percent = `${Math.floor(part * 100)}`.padStart(3)
  return `reading ${percent} % [${bar}] ${megabytes(Math.min(bytes, totalBytes))} of ${megabytes(totalBytes)} MB`
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(bytes < 99_950_000 ? 1 : 0)
}

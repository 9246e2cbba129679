/**
 * Timeout in milliseconds for a disk that does not respond. After it the stall is logged, and a relay that shuts down
 * waits no longer.
 */
export const DISK_TIMEOUT_MS = 3_000

/** Notices when an operation of the disk neither succeeds nor fails, as on a network drive that has lost its server. */
export class DiskWatch {
  private readonly onTimeout: () => void
  private pending: number

  /** @param onTimeout called when an operation takes longer than `DISK_TIMEOUT_MS` */
  constructor(onTimeout: () => void) {
    this.onTimeout = onTimeout
    this.pending = 0
  }

  /** Whether an operation has not returned yet. */
  get isBusy(): boolean {
    return this.pending > 0
  }

  /** Waits for an operation, however long it takes. @returns its result, or throws its error */
  async watch<T>(operation: Promise<T>): Promise<T> {
    this.pending++
    const timer = setTimeout(this.onTimeout, DISK_TIMEOUT_MS).unref()
    try {
      return await operation
    } finally {
      clearTimeout(timer)
      this.pending--
    }
  }
}

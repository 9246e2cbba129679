/** Failed sign-ins that an address may have at once. */
const BURST = 10

/** Milliseconds after which it may have one more. */
const RETRY_MS = 10_000

/** Addresses that are remembered; beyond it the oldest is forgotten. */
const MOST_ADDRESSES = 10_000

/** Slows down those who try tokens: of 16 characters and more, ten tries at once and six a minute find none. */
export class SignInLimit {
  /** Failures that count, and when that was so, by address. */
  private readonly failures: Map<string, { count: number; at: number }>
  private readonly now: () => number

  /** @param now milliseconds, of any clock that goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.failures = new Map()
    this.now = now
  }

  /** @returns seconds after which the address may try again; 0: at once */
  readWait(address: string): number {
    const entry = this.failures.get(address)
    if (entry === undefined) return 0
    const count = this.readCount(entry)
    return count <= BURST - 1 ? 0 : Math.ceil(((count - (BURST - 1)) * RETRY_MS) / 1_000)
  }

  fail(address: string): void {
    const entry = this.failures.get(address)
    const count = (entry === undefined ? 0 : this.readCount(entry)) + 1
    this.failures.delete(address)
    this.failures.set(address, { count, at: this.now() })
    if (this.failures.size <= MOST_ADDRESSES) return
    for (const oldest of this.failures.keys()) {
      this.failures.delete(oldest)
      break
    }
  }

  private readCount({ count, at }: { readonly count: number; readonly at: number }): number {
    return Math.max(0, count - (this.now() - at) / RETRY_MS)
  }
}

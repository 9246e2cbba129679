/**
 * Limits the bytes that are held for all clients together. They are taken before they are held, and given back when
 * the exchange ends.
 */
export class ByteBudget {
  /** Bytes. */
  readonly limit: number
  /** Bytes that are held now. */
  taken: number

  constructor(limit: number) {
    this.limit = limit
    this.taken = 0
  }

  /** Returns false, and takes nothing, if the bytes would exceed the limit. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.limit) return false
    this.taken += bytes
    return true
  }

  /** Gives back bytes that were taken. */
  give(bytes: number): void {
    this.taken -= bytes
  }
}

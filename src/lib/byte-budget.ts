/** Bytes held for all clients together. Taken before they are held, given back when their exchange is over. */
export class ByteBudget {
  readonly limit: number
  taken: number

  constructor(limit: number) {
    this.limit = limit
    this.taken = 0
  }

  /** False if the bytes would pass the limit; nothing is taken then. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.limit) return false
    this.taken += bytes
    return true
  }

  give(bytes: number): void {
    this.taken -= bytes
  }
}

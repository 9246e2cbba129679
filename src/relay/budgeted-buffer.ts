import type { ByteBudget } from './byte-budget.js'

/** Bytes held of one response. Errors of APIs have a few hundred bytes; more than this is no error. */
const MAX_BYTES = 64 * 1024

/** Holds chunks of a response before any of it goes to a client. They count against the relay's byte budget. */
export class BudgetedBuffer {
  readonly chunks: Buffer[]
  private readonly budget: ByteBudget
  /** Bytes that were taken from the budget. */
  private bytes: number

  constructor(budget: ByteBudget) {
    this.chunks = []
    this.budget = budget
    this.bytes = 0
  }

  /** @returns false if there is no room for more; this chunk is held all the same */
  push(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    if (this.bytes + chunk.length > MAX_BYTES || !this.budget.take(chunk.length)) return false
    this.bytes += chunk.length
    return true
  }

  /** Drops the chunks, and gives their bytes back to the budget. */
  free(): void {
    this.budget.give(this.bytes)
    this.bytes = 0
    this.chunks.length = 0
  }
}

import type { ByteBudget } from './byte-budget.js'

/** Of one answer no more is kept back than this: errors of APIs have a few hundred bytes, and so long a beginning is one. */
const MOST_BYTES = 64 * 1024

/** What has come of an answer that no client has had any of: counted with all that is held for clients. */
export class BudgetedBuffer {
  readonly pieces: Buffer[]
  private readonly budget: ByteBudget
  /** Of it, what was taken. */
  private bytes: number

  constructor(budget: ByteBudget) {
    this.pieces = []
    this.budget = budget
    this.bytes = 0
  }

  /** @returns false if there is room for no more; this one is there all the same */
  push(piece: Buffer): boolean {
    this.pieces.push(piece)
    if (this.bytes + piece.length > MOST_BYTES || !this.budget.take(piece.length)) return false
    this.bytes += piece.length
    return true
  }

  /** All of it has gone on, or will not. */
  letGo(): void {
    this.budget.give(this.bytes)
    this.bytes = 0
    this.pieces.length = 0
  }
}

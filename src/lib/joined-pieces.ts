/** Memory that a buffer takes besides its data: the object, its backing store and the bookkeeping of both. */
const OVERHEAD = 384

/** Smaller pieces are copied together: each would cost more memory than its data. */
const SMALL = 1024

/** Bytes of a block that small pieces are copied into: as many as are held already, within these bounds. */
const LEAST_BLOCK = 1024
const MOST_BLOCK = 64 * 1024

/**
 * Keeps what a connection sends as it comes, and costs not much more memory than the bytes, however small the pieces
 * are. Large pieces are kept as they are; so is the first one, as most bodies have no second.
 */
export class JoinedPieces {
  readonly list: Buffer[]
  /** Small pieces are copied into it; null before the first. */
  private block: Buffer | null
  /** Bytes of it that are in use. */
  private used: number
  /** The last element of the list, while it lies in the block. */
  private view: Buffer | null
  private bytes: number

  constructor(pieces: readonly Buffer[] = []) {
    this.list = [...pieces]
    this.block = null
    this.used = 0
    this.view = null
    this.bytes = 0
  }

  /** Bytes of memory that `add` is going to take for a piece. */
  costOf({ length }: Buffer): number {
    if (this.list.length === 0) return length
    if (length >= SMALL) return length + OVERHEAD
    return this.fits(length) ? 0 : this.nextBlock(length) + OVERHEAD
  }

  add(piece: Buffer): void {
    const { list } = this
    const { length } = piece
    if (list.length === 0 || length >= SMALL) {
      list.push(piece)
    } else if (this.fits(length)) {
      this.copy(piece)
      list[list.length - 1] = this.view as Buffer
    } else {
      this.block = Buffer.allocUnsafeSlow(this.nextBlock(length))
      this.used = 0
      this.copy(piece)
      list.push(this.view as Buffer)
    }
    this.bytes += length
  }

  private copy(piece: Buffer): void {
    const block = this.block as Buffer
    piece.copy(block, this.used)
    this.used += piece.length
    this.view = block.subarray(0, this.used)
  }

  /** Others may take pieces out of the list: what they have must not change. */
  private fits(length: number): boolean {
    const { block, list } = this
    return (
      block !== null && this.used + length <= block.length && list.length > 0 && list.at(-1) === this.view
    )
  }

  private nextBlock(length: number): number {
    return Math.max(length, Math.min(MOST_BLOCK, Math.max(LEAST_BLOCK, this.bytes)))
  }
}

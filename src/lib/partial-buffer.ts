const NOTHING = Buffer.alloc(0)

/** The first room that is made; each next one is twice as large. */
const LEAST_ROOM = 1024

/** Room that is kept for the next one. */
const KEPT_ROOM = 16 * 1024

/**
 * What has come of something that goes on in the next piece: a line, an event, an answer. Copied, as a piece may be small, and
 * hold on to much that is not of it. O(n), in however many pieces it comes.
 */
export class PartialBuffer {
  /** How much there is. */
  bytes: number
  private room: Buffer

  constructor() {
    this.bytes = 0
    this.room = NOTHING
  }

  /** @param start where it goes on in the piece */
  add(piece: Buffer, start = 0): void {
    const bytes = this.bytes + piece.length - start
    if (bytes > this.room.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(LEAST_ROOM, bytes, this.room.length * 2))
      this.room.copy(larger, 0, 0, this.bytes)
      this.room = larger
    }
    piece.copy(this.room, this.bytes, start)
    this.bytes = bytes
  }

  /** No more of it than so many bytes, as Latin-1. */
  beginning(most: number): string {
    return this.room.toString('latin1', 0, Math.min(this.bytes, most))
  }

  /** All of it. What is given out is good until there is more. */
  take(): Buffer {
    const taken = this.room.subarray(0, this.bytes)
    this.clear()
    return taken
  }

  /** Drops all of it. */
  clear(): void {
    this.bytes = 0
    if (this.room.length > KEPT_ROOM) this.room = NOTHING
  }
}

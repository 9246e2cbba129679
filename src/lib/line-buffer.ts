const ROOM = 64 * 1024

/** Room that is not kept for the next ones. */
const MOST_KEPT = 1024 * 1024

/** Lines that are gathered to be written together, as the bytes that they are. */
export class LineBuffer {
  private buffer: Buffer
  private used: number

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(ROOM)
    this.used = 0
  }

  /** Bytes that are gathered. */
  get bytes(): number {
    return this.used
  }

  add(line: string): void {
    // UTF-8 has at most three bytes for what is one in a string.
    const most = line.length * 3
    if (this.buffer.length - this.used < most) this.grow(most)
    this.used += this.buffer.write(line, this.used)
  }

  /** All of them, to whoever asks first. A copy that has just their size: the room is gone on with. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.used)
    this.buffer.copy(taken, 0, 0, this.used)
    if (this.buffer.length > MOST_KEPT) this.buffer = Buffer.allocUnsafeSlow(ROOM)
    this.used = 0
    return taken
  }

  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.used + bytes))
    this.buffer.copy(larger, 0, 0, this.used)
    this.buffer = larger
  }
}

const ROOM = 64 * 1024

/** Lines that are gathered to be written together, as the bytes that they are. */
export class Lines {
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

  /** All of them, to whoever asks first. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.used)
    this.buffer = Buffer.allocUnsafeSlow(ROOM)
    this.used = 0
    return taken
  }

  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.used + bytes))
    this.buffer.copy(larger, 0, 0, this.used)
    this.buffer = larger
  }
}

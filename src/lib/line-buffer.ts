/** Bytes of the buffer at the start. */
const INITIAL_BYTES = 64 * 1024

/** A buffer that has grown beyond this is dropped once it is empty. */
const MAX_KEPT_BYTES = 1024 * 1024

/** Collects lines as bytes, to be written together. */
export class LineBuffer {
  private buffer: Buffer
  private used: number

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.used = 0
  }

  /** Bytes that are collected and not taken. */
  get bytes(): number {
    return this.used
  }

  /** Appends a line, which must have its line feed. */
  add(line: string): void {
    // A UTF-16 unit takes at most three bytes in UTF-8.
    const most = line.length * 3
    if (this.buffer.length - this.used < most) this.grow(most)
    this.used += this.buffer.write(line, this.used)
  }

  /** Takes all lines out. The result is a copy of exactly their size, as the buffer is used again. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.used)
    this.buffer.copy(taken, 0, 0, this.used)
    if (this.buffer.length > MAX_KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.used = 0
    return taken
  }

  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.used + bytes))
    this.buffer.copy(larger, 0, 0, this.used)
    this.buffer = larger
  }
}

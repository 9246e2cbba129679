import { EMPTY } from './bytes.js'

/** Bytes of the buffer at first; it doubles each time that it is full. */
const INITIAL_BYTES = 1024

/** A buffer that has grown beyond this is dropped once its content is taken. */
const MAX_KEPT_BYTES = 16 * 1024

/**
 * Holds the beginning of a line, an event or a response that continues in the next chunk. It copies, as a small part
 * of a chunk would keep the whole chunk in memory. O(n), however many chunks come.
 */
export class PartialBuffer {
  /** Bytes that are held. */
  bytes: number
  private buffer: Buffer

  constructor() {
    this.bytes = 0
    this.buffer = EMPTY
  }

  /**
   * Appends a chunk.
   * @param start index in the chunk of the first byte to append
   */
  add(chunk: Buffer, start = 0): void {
    const bytes = this.bytes + chunk.length - start
    if (bytes > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(INITIAL_BYTES, bytes, this.buffer.length * 2))
      this.buffer.copy(larger, 0, 0, this.bytes)
      this.buffer = larger
    }
    chunk.copy(this.buffer, this.bytes, start)
    this.bytes = bytes
  }

  /** The first bytes, at most `most`, as Latin-1. */
  beginning(most: number): string {
    return this.buffer.toString('latin1', 0, Math.min(this.bytes, most))
  }

  /** Takes all bytes out. The result is valid until the next call of `add`. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.bytes)
    this.clear()
    return taken
  }

  /** Drops all bytes. */
  clear(): void {
    this.bytes = 0
    if (this.buffer.length > MAX_KEPT_BYTES) this.buffer = EMPTY
  }
}

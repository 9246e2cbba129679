import { PartialBuffer } from '../lib/partial-buffer.js'
import { findLast, LONGEST } from './trailing-usage.js'

const LF = Buffer.from('\n')

/**
 * The data of the event that is not complete yet: the values of its `data` lines, joined with LF. Of data that is too
 * long only the end is kept.
 */
export class BoundedData {
  /** The beginning of the data was dropped. */
  isTruncated: boolean
  private lines: number
  /** The only line so far, as a view of the chunk: most events come in one chunk and need no copy. */
  private view: Buffer | null
  private readonly copy: PartialBuffer

  constructor() {
    this.isTruncated = false
    this.lines = 0
    this.view = null
    this.copy = new PartialBuffer()
  }

  /** The event has no `data` line so far. */
  get isEmpty(): boolean {
    return this.lines === 0
  }

  /** @param value of a `data` line; may be a view of bytes that stay as they are until `detach` is called */
  add(value: Buffer): void {
    this.lines++
    if (this.lines === 1) this.view = value
    else {
      this.detach()
      this.copy.add(LF)
      this.copy.add(value)
    }
    if (Math.max(value.length, this.copy.bytes) >= LONGEST) this.truncate()
  }

  /** Copies what is a view. Must be called before the bytes that were added change. */
  detach(): void {
    const { view } = this
    if (view === null) return
    this.view = null
    this.copy.add(view)
  }

  /** Takes the data of the whole event; the next one begins empty. @returns bytes that are good until the next `add` */
  take(): Buffer {
    const data = this.view ?? this.copy.take()
    this.view = null
    this.lines = 0
    this.isTruncated = false
    return data
  }

  private truncate(): void {
    this.detach()
    this.copy.add(findLast(this.copy.take()))
    this.isTruncated = true
  }
}

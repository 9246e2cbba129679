import { PartialBuffer } from '../lib/partial-buffer.js'
import { LONGEST, LongJson } from './long-json.js'

const LF = Buffer.from('\n')

/**
 * The data of the event that is not complete yet: the values of its `data` lines, joined with LF. Of data that is too
 * long only the facts are kept.
 */
export class BoundedData {
  private lines: number
  /** The only line so far, as a view of the chunk: most events come in one chunk and need no copy. */
  private view: Buffer | null
  private readonly copy: PartialBuffer
  /** Reads the data once it is too long. */
  private long: LongJson | null

  constructor() {
    this.lines = 0
    this.view = null
    this.copy = new PartialBuffer()
    this.long = null
  }

  /** The event has no `data` line so far. */
  get isEmpty(): boolean {
    return this.lines === 0
  }

  /** @param value of a `data` line; may be a view of bytes that stay as they are until `detach` is called */
  add(value: Buffer): void {
    this.lines++
    if (this.long !== null) {
      this.long.push(LF)
      this.long.push(value)
      return
    }
    if (this.lines === 1) this.view = value
    else {
      this.detach()
      this.copy.add(LF)
      this.copy.add(value)
    }
    if (Math.max(value.length, this.copy.bytes) >= LONGEST) this.openLong()
  }

  /** Adds the beginning of a line that is too long, or more of it. */
  addLong(bytes: Buffer): void {
    if (this.lines === 0) this.lines = 1
    this.openLong().push(bytes)
  }

  /** Copies what is a view. Must be called before the bytes that were added change. */
  detach(): void {
    const { view } = this
    if (view === null) return
    this.view = null
    this.copy.add(view)
  }

  /** If the data is too long, takes its facts; the next event begins empty. @returns null if it is not */
  takeFacts(): LongJson | null {
    const { long } = this
    if (long === null) return null
    this.take()
    return long
  }

  /** Takes the data of the whole event; the next one begins empty. @returns bytes that are good until the next `add` */
  take(): Buffer {
    const data = this.view ?? this.copy.take()
    this.view = null
    this.lines = 0
    this.long = null
    return data
  }

  private openLong(): LongJson {
    if (this.long !== null) return this.long
    this.detach()
    this.long = new LongJson()
    this.long.push(this.copy.take())
    return this.long
  }
}

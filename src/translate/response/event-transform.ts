import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { Translation } from '../translation.js'

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/**
 * Changes an event stream (WHATWG HTML, 9.2.6) event by event. Each event is held until it is complete, and passes
 * byte for byte unless a subclass changes it. An event that is too long passes as it comes. O(n), however the stream
 * is cut.
 */
export abstract class EventTransform implements Translation {
  readonly makesStream: boolean
  /** 0: the held event has a bound of its own, and longer events pass. */
  readonly bytesHeld: number
  private readonly longest: number
  /** The incomplete event. */
  private readonly held: PartialBuffer
  /** The incomplete event is too long, and its beginning has left. */
  private passing: boolean
  /** The incomplete line is empty so far. */
  private blank: boolean
  /** The last byte was a CR within the event: a LF at the start of the next chunk belongs to it. */
  private afterCr: boolean
  /** The last event, kept or removed, ended with CR: a LF at the start of the next chunk belongs to it. */
  private endedInCr: 'kept' | 'removed' | null

  /** @param longest length of an event that is held, in bytes */
  constructor(longest: number) {
    this.makesStream = false
    this.bytesHeld = 0
    this.longest = longest
    this.held = new PartialBuffer()
    this.passing = false
    this.blank = true
    this.afterCr = false
    this.endedInCr = null
  }

  /** @param event complete, with its blank line @returns the bytes in its place; none to remove it */
  protected abstract change(event: Buffer): Buffer

  /** @param event the part that arrived before the stream broke off @returns the bytes of it that may pass */
  protected abstract changeBroken(event: Buffer): Buffer

  push(chunk: Buffer): Buffer {
    const parts: Buffer[] = []
    let start = 0
    if (this.endedInCr !== null && chunk.length > 0) {
      if (chunk[0] === LF) {
        if (this.endedInCr === 'kept') parts.push(chunk.subarray(0, 1))
        start = 1
      }
      this.endedInCr = null
    }
    for (let end = this.findEventEnd(chunk, start); end !== -1; end = this.findEventEnd(chunk, start)) {
      const event = this.takeHeld(chunk.subarray(start, end))
      start = end
      const kept = this.passing ? event : this.change(event)
      this.passing = false
      if (kept.length > 0) parts.push(kept)
      if (end === chunk.length && chunk[end - 1] === CR) this.endedInCr = kept.length > 0 ? 'kept' : 'removed'
    }
    const rest = chunk.subarray(start)
    if (!this.passing && this.held.bytes + rest.length <= this.longest) this.held.add(rest)
    else if (rest.length > 0) {
      parts.push(this.takeHeld(rest))
      this.passing = true
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** An event without its blank line is changed as a complete one. */
  end(): Buffer {
    const last = this.takeHeld(NOTHING)
    return this.passing ? last : this.change(last)
  }

  abort(error: string): Buffer {
    return Buffer.from(`data: ${error}\n\n`)
  }

  breakOff(): Buffer {
    const last = this.takeHeld(NOTHING)
    return this.passing ? last : this.changeBroken(last)
  }

  /**
   * The end of the current event, behind its blank line; -1 if it does not end in this chunk. A blank line without an
   * event is an event of its own.
   */
  private findEventEnd(chunk: Buffer, from: number): number {
    const { length } = chunk
    let { blank, afterCr } = this
    for (let at = from; at < length; at++) {
      const byte = chunk[at]
      if (byte !== LF && byte !== CR) {
        blank = false
        afterCr = false
        continue
      }
      if (byte === LF && afterCr) {
        afterCr = false
        continue
      }
      afterCr = byte === CR
      if (blank) {
        this.blank = true
        this.afterCr = false
        return byte === CR && chunk[at + 1] === LF ? at + 2 : at + 1
      }
      blank = true
    }
    this.blank = blank
    this.afterCr = afterCr
    return -1
  }

  /** The held bytes and these behind them. */
  private takeHeld(rest: Buffer): Buffer {
    return this.held.bytes === 0 ? rest : Buffer.concat([this.held.take(), rest])
  }
}

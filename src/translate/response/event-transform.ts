import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { Translation } from '../translation.js'

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/**
 * Looks at an event stream (WHATWG HTML, 9.2.6) event by event: each is held until it is whole, and goes on byte for byte unless
 * it is to be changed. One that is too long passes as it comes. O(n), however the stream is cut.
 */
export abstract class Eventwise implements Translation {
  readonly makesStream: boolean
  /** 0: what is held has a bound of its own, and longer events pass. */
  readonly bytesHeld: number
  private readonly longest: number
  /** The event that is still coming. */
  private readonly held: PartialBuffer
  /** It is too long, and its beginning has gone. */
  private passing: boolean
  /** Of the line that is still coming: there is nothing in it so far. */
  private blank: boolean
  /** The last byte was a CR within the event, and an LF that comes first belongs to it. */
  private afterCr: boolean
  /** The last event ended with CR, and an LF that comes first belongs to it. It was `kept`, or taken out. */
  private endedInCr: 'kept' | 'gone' | null

  /** @param longest event that is held, in bytes */
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

  /** @param event a whole one, its blank line included @returns what goes on in its place; nothing if it is taken out */
  protected abstract change(event: Buffer): Buffer

  /** @param event as far as it came before the stream broke off @returns what of it may go on */
  protected abstract changeBroken(event: Buffer): Buffer

  /** @returns what may go to the client now; often all of it, and none if no event ended */
  push(piece: Buffer): Buffer {
    const parts: Buffer[] = []
    let start = 0
    if (this.endedInCr !== null && piece.length > 0) {
      if (piece[0] === LF) {
        if (this.endedInCr === 'kept') parts.push(piece.subarray(0, 1))
        start = 1
      }
      this.endedInCr = null
    }
    for (let end = this.eventEnd(piece, start); end !== -1; end = this.eventEnd(piece, start)) {
      const event = this.join(piece.subarray(start, end))
      start = end
      const kept = this.passing ? event : this.change(event)
      this.passing = false
      if (kept.length > 0) parts.push(kept)
      if (end === piece.length && piece[end - 1] === CR) this.endedInCr = kept.length > 0 ? 'kept' : 'gone'
    }
    const rest = piece.subarray(start)
    if (!this.passing && this.held.bytes + rest.length <= this.longest) this.held.add(rest)
    else if (rest.length > 0) {
      parts.push(this.join(rest))
      this.passing = true
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** What is still held, when the stream has ended. */
  end(): Buffer {
    const last = this.join(NOTHING)
    return this.passing ? last : this.change(last)
  }

  abort(error: string): Buffer {
    return Buffer.from(`data: ${error}\n\n`)
  }

  /** What is still held, when the stream has broken off: as far as it is what the client would have got. */
  breakOff(): Buffer {
    const last = this.join(NOTHING)
    return this.passing ? last : this.changeBroken(last)
  }

  /**
   * Where the event ends that goes on at `from`, its blank line included; -1 if it does not end in this piece. A blank line
   * that has no event before it ends itself.
   */
  private eventEnd(piece: Buffer, from: number): number {
    const { length } = piece
    let { blank, afterCr } = this
    for (let at = from; at < length; at++) {
      const byte = piece[at]
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
        return byte === CR && piece[at + 1] === LF ? at + 2 : at + 1
      }
      blank = true
    }
    this.blank = blank
    this.afterCr = afterCr
    return -1
  }

  /** All that was held, and this behind it. */
  private join(rest: Buffer): Buffer {
    return this.held.bytes === 0 ? rest : Buffer.concat([this.held.take(), rest])
  }
}

import { PartialBuffer } from '../../lib/partial-buffer.js'
import { EventSplitter } from '../../sse/event-splitter.js'
import type { Translation } from '../translation.js'

const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/**
 * Looks at an event stream (WHATWG HTML, 9.2.6) event by event: each is held until it is whole, and goes on byte for byte unless
 * it is to be changed. One that is too long passes as it comes. O(n), however the stream is cut.
 */
export abstract class Eventwise implements Translation {
  private readonly longest: number
  /** The event that is still coming. */
  private readonly held: PartialBuffer
  /** It is too long, and its beginning has gone. */
  private passing: boolean
  private readonly splitter: EventSplitter
  /** The last event ended with CR, and an LF that comes first belongs to it. It was `kept`, or taken out. */
  private endedInCr: 'kept' | 'gone' | null

  /** @param longest event that is held, in bytes */
  constructor(longest: number) {
    this.longest = longest
    this.held = new PartialBuffer()
    this.passing = false
    this.splitter = new EventSplitter()
    this.endedInCr = null
  }

  /** @param event a whole one, its blank line included @returns what goes on in its place; nothing if it is taken out */
  protected abstract change(event: Buffer): Buffer

  /** @param event as far as it came before the stream broke off @returns what of it may go on */
  protected abstract changeBroken(event: Buffer): Buffer

  /** @returns what may go to the client now; often all of it, and none if no event ended */
  push(piece: Buffer): Buffer {
    const parts: Buffer[] = []
    const { splitter } = this
    let start = 0
    const from = splitter.startChunk(piece)
    if (from === 1 && this.endedInCr !== null) {
      if (this.endedInCr === 'kept') parts.push(piece.subarray(0, 1))
      start = 1
    }
    if (piece.length > 0) this.endedInCr = null
    for (
      let end = splitter.findEventEnd(piece, from);
      end !== -1;
      end = splitter.findEventEnd(piece, start)
    ) {
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

  /** What is still held, when the stream has broken off: as far as it is what the client would have got. */
  breakOff(): Buffer {
    const last = this.join(NOTHING)
    return this.passing ? last : this.changeBroken(last)
  }

  /** All that was held, and this behind it. */
  private join(rest: Buffer): Buffer {
    return this.held.bytes === 0 ? rest : Buffer.concat([this.held.take(), rest])
  }
}

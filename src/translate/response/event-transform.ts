import { CR, EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import { endsWithEvent } from '../../sse/event-data.js'
import { EventSplitter } from '../../sse/event-splitter.js'
import type { Translation } from '../translation.js'

/**
 * Changes an event stream (WHATWG HTML, 9.2.6) event by event. Each event is held until it is complete, and passes
 * byte for byte unless a subclass changes it. An event that is too long passes as it comes. O(n), however the stream
 * is cut.
 */
export abstract class EventTransform implements Translation {
  readonly makes: null
  /** 0: the held event has a bound of its own, and longer events pass. */
  readonly bytesHeld: number
  private readonly longest: number
  /** The incomplete event. */
  private readonly held: PartialBuffer
  /** The incomplete event is too long, and its beginning has left. */
  private passing: boolean
  private readonly splitter: EventSplitter
  /** The last event, kept or removed, ended with CR: a LF at the start of the next chunk belongs to it. */
  private endedInCr: 'kept' | 'removed' | null

  /** @param longest length of an event that is held, in bytes */
  constructor(longest: number) {
    this.makes = null
    this.bytesHeld = 0
    this.longest = longest
    this.held = new PartialBuffer()
    this.passing = false
    this.splitter = new EventSplitter()
    this.endedInCr = null
  }

  /** @param event complete, with its blank line @returns the bytes in its place; none to remove it */
  protected abstract change(event: Buffer): Buffer

  /** @param event the part that arrived before the stream broke off @returns the bytes of it that may pass */
  protected abstract changeBroken(event: Buffer): Buffer

  /** Whether no event in this chunk of complete events would be changed, as far as can be seen without splitting it. */
  protected leaves(_chunk: Buffer): boolean {
    return false
  }

  push(chunk: Buffer): Buffer {
    return this.isBetweenEvents && endsWithEvent(chunk) && this.leaves(chunk) ? chunk : this.split(chunk)
  }

  private get isBetweenEvents(): boolean {
    return this.held.bytes === 0 && !this.passing && this.splitter.isAtLineStart
  }

  private split(chunk: Buffer): Buffer {
    const parts: Buffer[] = []
    const { splitter } = this
    const from = splitter.startChunk(chunk)
    let start = 0
    /** Where the bytes begin that pass as they are, up to `start`: they are not copied one event by one. */
    let passed = 0
    if (from === 1 && this.endedInCr !== null) {
      start = 1
      if (this.endedInCr === 'removed') passed = 1
    }
    if (chunk.length > 0) this.endedInCr = null
    for (
      let end = splitter.findEventEnd(chunk, from);
      end !== -1;
      end = splitter.findEventEnd(chunk, start)
    ) {
      const own = chunk.subarray(start, end)
      const event = this.takeHeld(own)
      const kept = this.passing ? event : this.change(event)
      this.passing = false
      if (kept !== own) {
        if (start > passed) parts.push(chunk.subarray(passed, start))
        if (kept.length > 0) parts.push(kept)
        passed = end
      }
      start = end
      if (end === chunk.length && chunk[end - 1] === CR) this.endedInCr = kept.length > 0 ? 'kept' : 'removed'
    }
    if (passed === 0 && start === chunk.length) return chunk
    if (start > passed) parts.push(chunk.subarray(passed, start))
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
    const last = this.takeHeld(EMPTY)
    return this.passing ? last : this.change(last)
  }

  abort(error: string): Buffer {
    return Buffer.from(`data: ${error}\n\n`)
  }

  breakOff(): Buffer {
    const last = this.takeHeld(EMPTY)
    return this.passing ? last : this.changeBroken(last)
  }

  /** The held bytes and these behind them. */
  private takeHeld(rest: Buffer): Buffer {
    return this.held.bytes === 0 ? rest : Buffer.concat([this.held.take(), rest])
  }
}

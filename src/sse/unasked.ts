import type { Translation } from '../dialects/translation.js'
import type { ResponseFacts } from '../http/headers.js'

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/** An event is held until it is whole, up to so many bytes. One that is longer passes as it comes. */
const LONGEST_HELD = 1024 * 1024

/** Room that is kept from event to event. */
const KEPT_ROOM = 16 * 1024

const USAGE = Buffer.from('"usage"')
/** Outside of strings, where a quote has a backslash before it, this is a member. The comma before it goes with it, or else that behind. */
const NULL_USAGE = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/g
/** The same where an event breaks off: the member, or what may become its name. */
const BROKEN_USAGE = /[{,]\s*(?:"usage"|(?:"u?s?a?g?e?)?$)/
const NO_CHOICE = /"choices"\s*:\s*\[\s*\]/

/**
 * Takes out of a chat completion's stream what is there only because the relay asked for it, and the client did not: the
 * chunk with the usage and no choice, and `"usage":null` in all others (API reference, Create chat completion,
 * `stream_options.include_usage`). What is left are the bytes that the client would have got; usage that upstreams tell
 * with a choice stays. O(n), however the stream is cut.
 */
export class UnaskedUsage implements Translation {
  /** The event that is still coming: its bytes, and room for more. */
  private held: Buffer
  private heldBytes: number
  /** It is too long, and its beginning has gone. */
  private passing: boolean
  /** Of the line that is still coming: there is nothing in it so far. */
  private blank: boolean
  /** The last byte was a CR within the event, and an LF that comes first belongs to it. */
  private afterCr: boolean
  /** The last event ended with CR, and an LF that comes first belongs to it. It was `kept`, or taken out. */
  private endedInCr: 'kept' | 'gone' | null

  constructor() {
    this.held = NOTHING
    this.heldBytes = 0
    this.passing = false
    this.blank = true
    this.afterCr = false
    this.endedInCr = null
  }

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
      const kept = this.passing ? event : withoutUsage(event)
      this.passing = false
      if (kept.length > 0) parts.push(kept)
      if (end === piece.length && piece[end - 1] === CR) this.endedInCr = kept.length > 0 ? 'kept' : 'gone'
    }
    const rest = piece.subarray(start)
    if (!this.passing && this.heldBytes + rest.length <= LONGEST_HELD) this.keep(rest)
    else if (rest.length > 0) {
      parts.push(this.join(rest))
      this.passing = true
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** What is still held, when the stream has ended. */
  end(): Buffer {
    const last = this.join(NOTHING)
    return this.passing ? last : withoutUsage(last)
  }

  /** What is still held, when the stream has broken off: as far as it is what the client would have got. */
  breakOff(): Buffer {
    const last = this.end()
    if (this.passing || read(last) !== null) return last
    const text = last.toString('latin1')
    const at = text.search(BROKEN_USAGE)
    if (at === -1) return last
    return NO_CHOICE.test(text) ? NOTHING : last.subarray(0, at)
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

  /** What goes on in the next piece. Pieces themselves are not held on to. */
  private keep(rest: Buffer): void {
    const bytes = this.heldBytes + rest.length
    if (bytes > this.held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, bytes, this.held.length * 2))
      this.held.copy(larger, 0, 0, this.heldBytes)
      this.held = larger
    }
    rest.copy(this.held, this.heldBytes)
    this.heldBytes = bytes
  }

  /** All that was held, and this behind it. */
  private join(rest: Buffer): Buffer {
    if (this.heldBytes === 0) return rest
    const joined = Buffer.concat([this.held.subarray(0, this.heldBytes), rest])
    this.heldBytes = 0
    if (this.held.length > KEPT_ROOM) this.held = NOTHING
    return joined
  }
}

/** Whether an answer with this head is a stream that usage can be taken out of. */
export function mayHaveUsage(
  status: number,
  facts: Pick<ResponseFacts, 'eventStream' | 'encoding'>,
): boolean {
  return status < 300 && facts.eventStream && facts.encoding === null
}

/** @param event a whole one @returns nothing if all of it was unasked for */
function withoutUsage(event: Buffer): Buffer {
  if (!event.includes(USAGE)) return event
  const chunk = read(event)
  if (chunk === null) return event
  if (chunk.usage === null) {
    const text = event.toString('latin1')
    const found = [...text.matchAll(NULL_USAGE)]
    return found.length === 1 ? Buffer.from(text.replace(NULL_USAGE, ''), 'latin1') : event
  }
  const alone = Array.isArray(chunk.choices) && chunk.choices.length === 0 && typeof chunk.usage === 'object'
  return alone ? NOTHING : event
}

/** The object that an event has, if it has one and in one line. */
function read(event: Buffer): Readonly<Record<string, unknown>> | null {
  const lines = event
    .toString('utf8')
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
  try {
    const chunk: unknown = lines.length === 1 ? JSON.parse((lines[0] as string).slice(5)) : null
    return typeof chunk === 'object' ? (chunk as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

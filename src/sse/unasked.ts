const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/** An event is held until it is whole, up to so many bytes. One that is longer passes as it comes. */
const LONGEST_HELD = 1024 * 1024

const USAGE = Buffer.from('"usage"')
/** Outside of strings, where a quote has a backslash before it, this is a member. The comma before it goes with it, or else that behind. */
const NULL_USAGE = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/g

/**
 * Takes out of a chat completion's stream what is there only because the relay asked for it, and the client did not: the
 * chunk with the usage and no choice, and `"usage":null` in all others (API reference, Create chat completion,
 * `stream_options.include_usage`). What is left are the bytes that the client would have got; usage that upstreams tell
 * with a choice stays.
 */
export class UnaskedUsage {
  /** Of the event that is still coming. */
  private held: Buffer
  /** It is too long, and its beginning has gone. */
  private passing: boolean
  /** The last event ended with CR, and an LF that comes first belongs to it. It was `kept`, or taken out. */
  private afterCr: 'kept' | 'gone' | null

  constructor() {
    this.held = NOTHING
    this.passing = false
    this.afterCr = null
  }

  /** @returns what may go to the client now; often all of it, and none if no event ended */
  push(piece: Buffer): Buffer {
    const parts: Buffer[] = []
    let bytes = this.held.length === 0 ? piece : Buffer.concat([this.held, piece])
    if (this.afterCr !== null && piece.length > 0) {
      if (piece[0] === LF) {
        if (this.afterCr === 'kept') parts.push(piece.subarray(0, 1))
        bytes = piece.subarray(1)
      }
      this.afterCr = null
    }
    let start = 0
    for (let end = eventEnd(bytes, 0); end !== -1; end = eventEnd(bytes, start)) {
      const event = bytes.subarray(start, end)
      start = end
      const kept = this.passing ? event : withoutUsage(event)
      this.passing = false
      if (kept.length > 0) parts.push(kept)
      if (end === bytes.length && event[event.length - 1] === CR)
        this.afterCr = kept.length > 0 ? 'kept' : 'gone'
    }
    const rest = bytes.subarray(start)
    if (this.passing || rest.length > LONGEST_HELD) {
      this.passing = rest.length > 0
      if (rest.length > 0) parts.push(rest)
      this.held = NOTHING
    } else this.held = start === bytes.length ? NOTHING : Buffer.from(rest)
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }

  /** What is still held, when the stream has ended or broken off. */
  end(): Buffer {
    const { held } = this
    this.held = NOTHING
    return this.passing ? held : withoutUsage(held)
  }
}

/** @returns where the first event ends, its blank line included; -1 if it does not */
function eventEnd(bytes: Buffer, from: number): number {
  let lineStart = from
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== LF && byte !== CR) continue
    const next = byte === CR && bytes[at + 1] === LF ? at + 2 : at + 1
    // Lines of its own that are blank are no event, and go with it.
    if (at === lineStart && at > from) return next
    lineStart = next
    at = next - 1
  }
  return -1
}

/** @param event a whole one, or the beginning of the last one @returns nothing if all of it was unasked for */
function withoutUsage(event: Buffer): Buffer {
  if (!event.includes(USAGE)) return event
  const text = event.toString('latin1')
  const chunk = read(event)
  if (chunk === null) return event
  if (chunk.usage === null) {
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

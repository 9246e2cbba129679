import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { Translation } from '../translation.js'

const NOTHING = Buffer.alloc(0)

/** What a stream of events begins with (WHATWG HTML, 9.2.6), and no JSON does. */
const EVENTS = /^(?:\xef\xbb\xbf)?[\r\n]*(?:event|data|id|retry)?:/
const LONGEST_BEGINNING = 9

/**
 * Changes an answer that is no stream, when all of it is there. One that is longer than is of use goes on as it is. What turns out to be a
 * stream, although its head does not say so (as of servers that leave out the type), is changed as one.
 */
export class BufferedTranslation implements Translation {
  readonly makesStream: boolean
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number | null
  private readonly asStream: (() => Translation) | null
  private stream: Translation | null
  private readonly held: PartialBuffer
  private passing: boolean

  /** @param longest in bytes; null for any @param asStream for one that may be a stream @param makesStream of `convert` */
  constructor(
    convert: (body: Buffer) => Buffer,
    longest: number | null,
    asStream: (() => Translation) | null = null,
    makesStream = false,
  ) {
    this.makesStream = makesStream
    this.convert = convert
    this.longest = longest
    this.asStream = asStream
    this.stream = null
    this.held = new PartialBuffer()
    this.passing = false
  }

  get bytesHeld(): number {
    return this.stream === null ? this.held.bytes : this.stream.bytesHeld
  }

  push(piece: Buffer): Buffer {
    if (this.stream !== null) return this.stream.push(piece)
    if (this.passing) return piece
    const { held } = this
    // Some send blank lines while they work, against timeouts between here and there; JSON may begin with them.
    if (held.bytes === 0 && isBlank(piece)) return piece
    const begun = held.bytes < LONGEST_BEGINNING
    held.add(piece)
    if (begun && this.asStream !== null && EVENTS.test(held.beginning(32))) {
      this.stream = this.asStream()
      return this.stream.push(held.take())
    }
    if (this.longest === null || held.bytes <= this.longest) return NOTHING
    this.passing = true
    return held.take()
  }

  end(): Buffer {
    if (this.stream !== null) return this.stream.end()
    return this.passing || this.held.bytes === 0 ? NOTHING : this.convert(this.held.take())
  }

  abort(error: string): Buffer {
    return this.stream?.abort(error) ?? Buffer.from(this.makesStream ? `data: ${error}\n\n` : error)
  }

  /** Half of an answer is none. */
  breakOff(): Buffer {
    this.held.take()
    return this.stream?.breakOff() ?? NOTHING
  }
}

/** Of JSON's white space alone (RFC 8259, 2). */
function isBlank(piece: Buffer): boolean {
  for (const byte of piece) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}

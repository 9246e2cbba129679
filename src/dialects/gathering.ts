import type { Translation } from './translation.js'

const NOTHING = Buffer.alloc(0)

/** What a stream of events begins with (WHATWG HTML, 9.2.6), and no JSON does. */
const EVENTS = /^(?:\xef\xbb\xbf)?[\r\n]*(?:event|data|id|retry)?:/
const LONGEST_BEGINNING = 9

/**
 * Changes an answer that is no stream, when all of it is there. One that is too long goes on as it is. What turns out to be a
 * stream, although its head does not say so (as of servers that leave out the type), is changed as one.
 */
export class Gathering implements Translation {
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number
  private readonly asStream: (() => Translation) | null
  private stream: Translation | null
  private pieces: Buffer[]
  private bytes: number
  private passing: boolean

  /** @param longest in bytes @param asStream for one that may be a stream */
  constructor(
    convert: (body: Buffer) => Buffer,
    longest: number,
    asStream: (() => Translation) | null = null,
  ) {
    this.convert = convert
    this.longest = longest
    this.asStream = asStream
    this.stream = null
    this.pieces = []
    this.bytes = 0
    this.passing = false
  }

  push(piece: Buffer): Buffer {
    if (this.stream !== null) return this.stream.push(piece)
    if (this.passing) return piece
    // Some send blank lines while they work, against timeouts between here and there; JSON may begin with them.
    if (this.bytes === 0 && isBlank(piece)) return piece
    const begun = this.bytes < LONGEST_BEGINNING
    this.pieces.push(piece)
    this.bytes += piece.length
    if (
      begun &&
      this.asStream !== null &&
      EVENTS.test(Buffer.concat(this.pieces).toString('latin1', 0, 32))
    ) {
      this.stream = this.asStream()
      return this.stream.push(this.take())
    }
    if (this.bytes <= this.longest) return NOTHING
    this.passing = true
    return this.take()
  }

  end(): Buffer {
    if (this.stream !== null) return this.stream.end()
    return this.passing || this.bytes === 0 ? NOTHING : this.convert(this.take())
  }

  /** Half of an answer is none. */
  breakOff(): Buffer {
    this.pieces = []
    return this.stream?.breakOff() ?? NOTHING
  }

  private take(): Buffer {
    const body = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces)
    this.pieces = []
    this.bytes = 0
    return body
  }
}

/** Of JSON's white space alone (RFC 8259, 2). */
function isBlank(piece: Buffer): boolean {
  for (const byte of piece) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}

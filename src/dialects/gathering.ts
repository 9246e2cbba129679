import type { Translation } from './translation.js'

const NOTHING = Buffer.alloc(0)

/** What a stream of events begins with (WHATWG HTML, 9.2.6), and no JSON does. */
const EVENTS = /^(?:\xef\xbb\xbf)?[\r\n]*(?:event|data|id|retry)?:/
const LONGEST_BEGINNING = 9

/**
 * Changes an answer that is no stream, when all of it is there. One that is longer than is of use goes on as it is. What turns out to be a
 * stream, although its head does not say so (as of servers that leave out the type), is changed as one.
 */
export class Gathering implements Translation {
  readonly makesStream: boolean
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number | null
  private readonly asStream: (() => Translation) | null
  private stream: Translation | null
  /** What has come, and room for more: pieces may be small, and are not held on to. */
  private held: Buffer
  private bytes: number
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
    this.held = NOTHING
    this.bytes = 0
    this.passing = false
  }

  get bytesHeld(): number {
    return this.stream === null ? this.bytes : (this.stream.bytesHeld ?? 0)
  }

  push(piece: Buffer): Buffer {
    if (this.stream !== null) return this.stream.push(piece)
    if (this.passing) return piece
    // Some send blank lines while they work, against timeouts between here and there; JSON may begin with them.
    if (this.bytes === 0 && isBlank(piece)) return piece
    const begun = this.bytes < LONGEST_BEGINNING
    this.hold(piece)
    if (begun && this.asStream !== null && EVENTS.test(this.beginning)) {
      this.stream = this.asStream()
      return this.stream.push(this.take())
    }
    if (this.longest === null || this.bytes <= this.longest) return NOTHING
    this.passing = true
    return this.take()
  }

  end(): Buffer {
    if (this.stream !== null) return this.stream.end()
    return this.passing || this.bytes === 0 ? NOTHING : this.convert(this.take())
  }

  giveUp(error: string): Buffer {
    return this.stream?.giveUp?.(error) ?? Buffer.from(this.makesStream ? `data: ${error}\n\n` : error)
  }

  /** Half of an answer is none. */
  breakOff(): Buffer {
    this.take()
    return this.stream?.breakOff() ?? NOTHING
  }

  private get beginning(): string {
    return this.held.toString('latin1', 0, Math.min(this.bytes, 32))
  }

  private hold(piece: Buffer): void {
    const bytes = this.bytes + piece.length
    if (bytes > this.held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, bytes, this.held.length * 2))
      this.held.copy(larger, 0, 0, this.bytes)
      this.held = larger
    }
    piece.copy(this.held, this.bytes)
    this.bytes = bytes
  }

  private take(): Buffer {
    const body = this.held.subarray(0, this.bytes)
    this.held = NOTHING
    this.bytes = 0
    return body
  }
}

/** Of JSON's white space alone (RFC 8259, 2). */
function isBlank(piece: Buffer): boolean {
  for (const byte of piece) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}

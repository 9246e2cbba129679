import { EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { Translation } from '../translation.js'

/** The beginning of an event stream (WHATWG HTML, 9.2.6), which no JSON has. */
const STREAM_BEGINNING = /^(?:\xef\xbb\xbf)?[\r\n]*(?:event|data|id|retry)?:/
/** In bytes: a decision needs no more. */
const LONGEST_BEGINNING = 9

/**
 * Translates a response that is not a stream, once it is complete. A response that turns out to be a stream although
 * its head does not say so (some servers leave out the content type) is translated as a stream.
 */
export class BufferedTranslation implements Translation {
  readonly makesStream: boolean
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number | null
  private readonly asStream: (() => Translation) | null
  /** Set as soon as the response turns out to be a stream. */
  private stream: Translation | null
  private readonly held: PartialBuffer
  /** The response is longer than `longest`, so the rest passes as it comes. */
  private passing: boolean

  /**
   * @param convert translates a complete body
   * @param longest in bytes: a longer body passes as it is; null if `transformBufferBytes` alone is the limit
   * @param asStream creates the translation for a body that turns out to be a stream; null if it cannot be one
   * @param makesStream `convert` returns an event stream
   */
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

  push(chunk: Buffer): Buffer {
    if (this.stream !== null) return this.stream.push(chunk)
    if (this.passing) return chunk
    const { held } = this
    // Some servers send blank lines while they work, against idle timeouts; JSON may begin with white space.
    if (held.bytes === 0 && isBlank(chunk)) return chunk
    const undecided = held.bytes < LONGEST_BEGINNING
    held.add(chunk)
    if (undecided && this.asStream !== null && STREAM_BEGINNING.test(held.beginning(32))) {
      this.stream = this.asStream()
      return this.stream.push(held.take())
    }
    if (this.longest === null || held.bytes <= this.longest) return EMPTY
    this.passing = true
    return held.take()
  }

  end(): Buffer {
    if (this.stream !== null) return this.stream.end()
    return this.passing || this.held.bytes === 0 ? EMPTY : this.convert(this.held.take())
  }

  abort(error: string): Buffer {
    return this.stream?.abort(error) ?? Buffer.from(this.makesStream ? `data: ${error}\n\n` : error)
  }

  /** A part of a whole response is useless to the client, so nothing is sent. */
  breakOff(): Buffer {
    this.held.take()
    return this.stream?.breakOff() ?? EMPTY
  }
}

/** Whether there is only white space of JSON (RFC 8259, 2). */
function isBlank(chunk: Buffer): boolean {
  for (const byte of chunk) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}

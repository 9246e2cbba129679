import { EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { Translation } from '../translation.js'

/** The beginning of an event stream (WHATWG HTML, 9.2.6), which no JSON has. */
const STREAM_BEGINNING = /^(?:\xef\xbb\xbf)?[\r\n]*(?:event|data|id|retry)?:/
/** In bytes: a decision needs no more. */
const LONGEST_BEGINNING = 9

/** How a whole response is translated. */
interface BufferedOptions {
  /** In bytes: a longer body passes as it is. Missing: `transformBufferBytes` alone is the limit. */
  readonly longest?: number
  /** Creates the translation for a body that turns out to be a stream. Missing: it cannot be one. */
  readonly asStream?: () => Translation
  /** See `Translation`. Missing: the content type stays. */
  readonly makes?: Translation['makes']
  /** Prints an error body of chat completions in the form that the client reads. Missing: it stays. */
  readonly printError?: (error: string) => Buffer
}

/**
 * Translates a response that is not a stream, once it is complete. A response that turns out to be a stream although
 * its head does not say so (some servers leave out the content type) is translated as a stream.
 */
export class BufferedTranslation implements Translation {
  readonly makes: Translation['makes']
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number | null
  private readonly asStream: (() => Translation) | null
  private readonly printError: ((error: string) => Buffer) | null
  /** Set as soon as the response turns out to be a stream. */
  private stream: Translation | null
  private readonly held: PartialBuffer
  /** The response is longer than `longest`, so the rest passes as it comes. */
  private passing: boolean

  /** @param convert translates a complete body */
  constructor(convert: (body: Buffer) => Buffer, options: BufferedOptions = {}) {
    this.makes = options.makes ?? null
    this.convert = convert
    this.longest = options.longest ?? null
    this.asStream = options.asStream ?? null
    this.printError = options.printError ?? null
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
    // A body without anything in it is converted, too: as an answer or an error it cannot be read.
    return this.passing ? EMPTY : this.convert(this.held.take())
  }

  abort(error: string): Buffer {
    return this.stream?.abort(error) ?? this.printError?.(error) ?? Buffer.from(error)
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

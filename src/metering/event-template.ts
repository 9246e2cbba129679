import * as bytesOfJson from '../json/bytes.js'
import { ESCAPED_BYTES, skipDigits } from '../json/scanner.js'
import { createView, isComparable, isSame } from '../lib/same-bytes.js'
import type { TokenEstimator } from './token-estimator.js'
import { NOT_UTF8, nextUtf8State, UTF8_START } from './utf8.js'

// Copied, as V8 loads an imported constant from its cell for each byte.
const { QUOTE, BACKSLASH, ZERO } = bytesOfJson

/**
 * The fixed bytes of a stream's text events. Nearly all events of a response are the same bytes around a few holes
 * that change: the text, a sequence number, obfuscation. An event that matches says the same as the parsed event that
 * the template was made from, with another text that is not empty, so it needs no decoding and no parsing.
 *
 * It reads each chunk once. If the chunk ends within an event, it keeps its position, so that an event may come in any
 * number of chunks.
 */
export class EventTemplate {
  /**
   * The event that the template was made from. Fixed part `n` is from `starts[n]` to `ends[n]`, and hole `n` follows
   * it.
   */
  private readonly block: DataView
  private readonly starts: readonly number[]
  private readonly ends: readonly number[]
  private readonly holes: readonly Hole[]
  /** `ResponseStats.origin` when the template was made; matching events name the same model and tier, or none. */
  readonly origin: string
  /** Gets the text of the events that match. */
  private readonly estimator: TokenEstimator
  /** Events that ended in the last chunk, and UTF-8 bytes of their text. */
  events: number
  textBytes: number
  /** Bytes of the event that is not complete yet; 0 if the last chunk ended with an event, or did not match. */
  begunBytes: number
  /**
   * The position in the event that is not complete yet: the fixed part, or the hole after it, and a place in `block`.
   */
  private part: number
  private offset: number
  /** Bytes of the hole so far, escapes in it, and whether its last byte was a backslash or within a character. */
  private holeBytes: number
  private escapes: number
  private isEscaped: boolean
  private utf8State: number
  /** UTF-8 bytes of the event's text. */
  private eventTextBytes: number

  private constructor(
    block: Buffer,
    starts: readonly number[],
    ends: readonly number[],
    holes: readonly Hole[],
    origin: string,
    estimator: TokenEstimator,
  ) {
    this.block = createView(block)
    this.starts = starts
    this.ends = ends
    this.holes = holes
    this.origin = origin
    this.estimator = estimator
    this.events = 0
    this.textBytes = 0
    this.begunBytes = 0
    this.part = 0
    this.offset = 0
    this.holeBytes = 0
    this.escapes = 0
    this.isEscaped = false
    this.utf8State = UTF8_START
    this.eventTextBytes = 0
  }

  /**
   * Makes a template of an event that was parsed and said nothing but text.
   * @param block the whole event with its blank line; its lines end with LF
   * @param textBytes UTF-8 bytes of the text that was found in it
   * @param origin `ResponseStats.origin`
   * @param estimator gets the text of the events that match
   * @returns null if it is not certain which string of the event is the text
   */
  static of(
    block: Buffer,
    textBytes: number,
    origin: string,
    estimator: TokenEstimator,
  ): EventTemplate | null {
    if (block.length > LONGEST_TEMPLATE) return null
    if (!isComparable(block)) return null
    const starts = [0]
    const ends: number[] = []
    const holes: Hole[] = []
    let texts = 0
    const text = block.toString('latin1')
    PATTERN.lastIndex = 0
    for (let found = PATTERN.exec(text); found !== null; found = PATTERN.exec(text)) {
      const [whole, field = '', string, number] = found
      const value = (string ?? number) as string
      const hole = string === undefined ? NUMBER : field === 'obfuscation' ? ANY_TEXT : TEXT
      if (hole === TEXT) {
        // A field that is empty here may have text in another event, so it is a fixed part.
        if (value === '') continue
        // With escapes, the length of the string is not the length of the text.
        if (value.length !== textBytes || value.includes('\\')) return null
        texts++
      }
      const start = found.index + whole.length - value.length - (string === undefined ? 0 : 1)
      ends.push(start)
      holes.push(hole)
      starts.push(start + value.length)
    }
    if (texts !== 1) return null
    ends.push(block.length)
    return new EventTemplate(Buffer.from(block), starts, ends, holes, origin, estimator)
  }

  /**
   * Passes over matching events, the first of which may have begun in the chunk before (`begunBytes`).
   * @param view of the whole chunk
   * @returns where the first event begins that does not match or is not complete; less than `from` if that began in the
   * chunk before
   */
  walk(chunk: Buffer, view: DataView, from: number): number {
    const { block, starts, ends, holes, estimator } = this
    const { length } = chunk
    if (this.begunBytes === 0) estimator.mark()
    let { part, offset, holeBytes, eventTextBytes } = this
    let at = from
    let start = from - this.begunBytes
    let events = 0
    let textBytes = 0
    let ranOut = false
    for (;;) {
      const rest = (ends[part] as number) - offset
      const size = Math.min(rest, length - at)
      if (!isSame(view, at, block, offset, size)) break
      at += size
      offset += size
      if (size < rest) {
        ranOut = true
        break
      }
      if (part === holes.length) {
        // Whether an event is too long must not depend on where it is cut.
        if (at - start > LONGEST_TEMPLATE) break
        events++
        textBytes += eventTextBytes
        estimator.mark()
        start = at
        part = 0
        offset = 0
        if (at === length) break
        continue
      }
      const hole = holes[part] as Hole
      const end = hole === NUMBER ? skipNumber(chunk, at, holeBytes) : this.skipText(chunk, at, hole === TEXT)
      if (end === -1) break
      holeBytes += end - at
      at = end
      if (at === length) {
        ranOut = true
        break
      }
      if (holeBytes === 0 && hole !== ANY_TEXT) break
      if (hole === TEXT) eventTextBytes = holeBytes - this.escapes
      this.escapes = 0
      holeBytes = 0
      part++
      offset = starts[part] as number
    }
    this.events = events
    this.textBytes = textBytes
    if (ranOut && at - start <= LONGEST_TEMPLATE) {
      this.begunBytes = at - start
      this.part = part
      this.offset = offset
      this.holeBytes = holeBytes
      this.eventTextBytes = eventTextBytes
    } else this.forget()
    return start
  }

  /** Drops the event that has begun: it does not match, or the stream is over. */
  forget(): void {
    this.estimator.rewind()
    this.begunBytes = 0
    this.part = 0
    this.offset = 0
    this.holeBytes = 0
    this.escapes = 0
    this.isEscaped = false
    this.utf8State = UTF8_START
    this.eventTextBytes = 0
  }

  /**
   * @param isText whether the estimator gets the string
   * @returns where the string ends, or the end of the chunk; -1 if this is no string, or its decoded bytes are not
   * known: what is no UTF-8 becomes U+FFFD when it is decoded
   */
  private skipText(chunk: Buffer, from: number, isText: boolean): number {
    const { estimator } = this
    const { length } = chunk
    let { utf8State } = this
    let at = from
    for (; at < length; at++) {
      const byte = chunk[at] as number
      if ((byte | utf8State) >= 0x80) {
        utf8State = this.isEscaped ? NOT_UTF8 : nextUtf8State(utf8State, byte)
        if (utf8State === NOT_UTF8) return -1
        if (isText) estimator.take(byte)
      } else if (this.isEscaped) {
        // The bytes of a \u escape are not known without decoding it. All other escapes stand for one byte.
        const decoded = ESCAPED_BYTES[byte] as number
        if (decoded === 0) return -1
        this.isEscaped = false
        this.escapes++
        if (isText) estimator.take(decoded)
      } else if (byte === QUOTE) break
      else if (byte === BACKSLASH) this.isEscaped = true
      else if (byte < 0x20) return -1
      else if (isText) estimator.take(byte)
    }
    this.utf8State = utf8State
    return at
  }
}

type Hole = typeof TEXT | typeof ANY_TEXT | typeof NUMBER
const TEXT = 0
const ANY_TEXT = 1
const NUMBER = 2

/** Events that are longer do not come again and again. They are read line by line. */
const LONGEST_TEMPLATE = 4_096

/**
 * The fields that change from event to event, with their values: a string or a number. All fields that `readEvent`
 * takes text from are among them.
 */
const PATTERN =
  /"(content|refusal|text|delta|reasoning_content|reasoning|arguments|input|partial_json|thinking|obfuscation|sequence_number)": ?(?:"((?:[^"\\]|\\.)*)"|(\d+)(?=[,}]))/g

/** @returns where the number ends, or the end of the chunk; -1 if this is no number */
function skipNumber(chunk: Buffer, from: number, holeBytes: number): number {
  // JSON has no number with a leading zero but 0 itself.
  return holeBytes === 0 && chunk[from] === ZERO ? -1 : skipDigits(chunk, from)
}

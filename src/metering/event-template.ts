import * as bytesOfJson from '../json/bytes.js'
import { ESCAPED_BYTES, skipDigits } from '../json/scanner.js'
import type { TokenEstimator } from './token-estimator.js'

// Copied, as V8 loads an imported constant from its cell for each byte.
const { QUOTE, BACKSLASH, ZERO } = bytesOfJson

/**
 * The shape of a stream's events. Nearly all events of an answer are the same bytes around a few that change: the piece of
 * text, a sequence number, obfuscation. An event that fits is known without being decoded or parsed, as the one
 * that the shape was made from was: what differs is a string of text that is not empty, or a number nobody asks for.
 *
 * It goes over a piece once, event by event, and where the piece ends it remembers how far it is, so that an event
 * may lie in any number of pieces.
 */
export class EventTemplate {
  /** The event that it was made from. Its fixed parts, and between them the holes, where events differ. */
  private readonly block: DataView
  private readonly starts: readonly number[]
  private readonly ends: readonly number[]
  private readonly holes: readonly Hole[]
  /** What every event of this shape names. */
  readonly model: string | null
  /** Of the whole stream's text. */
  private readonly estimator: TokenEstimator
  /** Events that ended in the piece that was walked last, and bytes of text in them. */
  events: number
  textBytes: number
  /** Bytes of an event that is not over yet; 0 if the last piece ended with an event, or with something else. */
  begun: number
  /** Of that event: the part it is in, where in the block that goes on, and what was seen of the hole behind it. */
  private part: number
  private offset: number
  private filled: number
  private escapes: number
  private escaping: boolean
  private text: number

  private constructor(
    block: Buffer,
    starts: readonly number[],
    ends: readonly number[],
    holes: readonly Hole[],
    model: string | null,
    estimator: TokenEstimator,
  ) {
    this.block = createView(block)
    this.starts = starts
    this.ends = ends
    this.holes = holes
    this.model = model
    this.estimator = estimator
    this.events = 0
    this.textBytes = 0
    this.begun = 0
    this.part = 0
    this.offset = 0
    this.filled = 0
    this.escapes = 0
    this.escaping = false
    this.text = 0
  }

  /**
   * @param block a whole event, from its first line to the blank one; its line ends are LF
   * @param textBytes of text that was found when it was parsed
   * @param model that is known since
   * @param estimator takes the text of events that are walked
   * @returns null if it is not clear which of its strings that text was
   */
  static of(
    block: Buffer,
    textBytes: number,
    model: string | null,
    estimator: TokenEstimator,
  ): EventTemplate | null {
    if (block.length > LONGEST_TEMPLATE) return null
    for (const byte of INCOMPARABLE) if (block.includes(byte)) return null
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
        // An empty text is a field that has something to say some other time.
        if (value === '') continue
        // Of one with escapes in it, the length is not that of the text.
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
    return new EventTemplate(Buffer.from(block), starts, ends, holes, model, estimator)
  }

  /**
   * Goes over events of this shape that stand here, one behind the other, the first of which may have begun in the piece
   * before (`begun`).
   * @param view of the whole piece
   * @returns where the first one begins that is not of this shape, or not over: before `from` if it had begun
   */
  walk(piece: Buffer, view: DataView, from: number): number {
    const { block, starts, ends, holes, estimator } = this
    const { length } = piece
    if (this.begun === 0) estimator.mark()
    let { part, offset, filled, text } = this
    let at = from
    let start = from - this.begun
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
        // Whether it is too long must not depend on where it is cut.
        if (at - start > LONGEST_TEMPLATE) break
        events++
        textBytes += text
        estimator.mark()
        start = at
        part = 0
        offset = 0
        if (at === length) break
        continue
      }
      const hole = holes[part] as Hole
      const end = hole === NUMBER ? skipNumber(piece, at, filled) : this.skipText(piece, at, hole === TEXT)
      if (end === -1) break
      filled += end - at
      at = end
      if (at === length) {
        ranOut = true
        break
      }
      if (filled === 0 && hole !== ANY_TEXT) break
      if (hole === TEXT) text = filled - this.escapes
      this.escapes = 0
      filled = 0
      part++
      offset = starts[part] as number
    }
    this.events = events
    this.textBytes = textBytes
    if (ranOut && at - start <= LONGEST_TEMPLATE) {
      this.begun = at - start
      this.part = part
      this.offset = offset
      this.filled = filled
      this.text = text
    } else this.forget()
    return start
  }

  /** The event that had begun is none of this shape. */
  forget(): void {
    this.estimator.rewind()
    this.begun = 0
    this.part = 0
    this.offset = 0
    this.filled = 0
    this.escapes = 0
    this.escaping = false
    this.text = 0
  }

  /**
   * @param counted the gauge takes it
   * @returns where the string ends, or the piece; -1 if this is none, or none of which the bytes are known
   */
  private skipText(piece: Buffer, from: number, counted: boolean): number {
    const { estimator } = this
    const { length } = piece
    let at = from
    for (; at < length; at++) {
      const byte = piece[at] as number
      if (this.escaping) {
        // Of a \u the bytes are not known without decoding it; anything else that JSON has is one byte.
        const meant = ESCAPED_BYTES[byte] as number
        if (meant === 0) return -1
        this.escaping = false
        this.escapes++
        if (counted) estimator.take(meant)
      } else if (byte === QUOTE) return at
      else if (byte === BACKSLASH) this.escaping = true
      else if (byte < 0x20) return -1
      else if (counted) estimator.take(byte)
    }
    return at
  }
}

type Hole = typeof TEXT | typeof ANY_TEXT | typeof NUMBER
const TEXT = 0
const ANY_TEXT = 1
const NUMBER = 2

/** Events that are longer are not of a kind that comes again and again, and are read line by line. */
const LONGEST_TEMPLATE = 4_096

/**
 * Fields that change from event to event, all that have text in them among these, with their values: a string or
 * a number.
 */
const PATTERN =
  /"(content|refusal|text|delta|reasoning_content|reasoning|arguments|input|partial_json|thinking|obfuscation|sequence_number)": ?(?:"((?:[^"\\]|\\.)*)"|(\d+)(?=[,}]))/g

/**
 * Bytes are compared by eights, as floating-point numbers: with a call into memcmp for each part, a whole scan takes twice
 * as long. Two such numbers are equal if their bytes are, and only then, but for zeros (there are two) and NaN. In an
 * event that has none of these bytes there is neither; few have one, in a string.
 */
const INCOMPARABLE = [0x00, 0x7f, 0xff]

function isSame(one: DataView, from: number, other: DataView, start: number, size: number): boolean {
  if (size < 8) {
    for (let i = 0; i < size; i++) if (one.getUint8(from + i) !== other.getUint8(start + i)) return false
    return true
  }
  // The last eight may have been compared in part. Four at a time take a sixth off a whole scan.
  const last = size - 8
  let i = 0
  for (; i + 24 < last; i += 32) {
    if (
      one.getFloat64(from + i, true) !== other.getFloat64(start + i, true) ||
      one.getFloat64(from + i + 8, true) !== other.getFloat64(start + i + 8, true) ||
      one.getFloat64(from + i + 16, true) !== other.getFloat64(start + i + 16, true) ||
      one.getFloat64(from + i + 24, true) !== other.getFloat64(start + i + 24, true)
    )
      return false
  }
  for (; i < last; i += 8) {
    if (one.getFloat64(from + i, true) !== other.getFloat64(start + i, true)) return false
  }
  return one.getFloat64(from + last, true) === other.getFloat64(start + last, true)
}

/** @returns where the number ends, or the piece; -1 if this is none */
function skipNumber(piece: Buffer, from: number, filled: number): number {
  // JSON has no number with a leading zero but 0 itself.
  return filled === 0 && piece[from] === ZERO ? -1 : skipDigits(piece, from)
}

/** For one piece: a view holds on to the bytes that it shows. */
export function createView(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

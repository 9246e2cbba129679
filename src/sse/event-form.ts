import { createView, isComparable, isSame } from '../lib/same-bytes.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const ZERO = 0x30
const NINE = 0x39

/** What may change from event to event. */
type Hole = typeof TEXT | typeof ANY_TEXT | typeof NUMBER | typeof COUNT
const TEXT = 0
/** A string that says nothing. */
const ANY_TEXT = 1
/** A number that says nothing. */
const NUMBER = 2
const COUNT = 3

/** Events that are longer do not come again and again. */
const LONGEST_FORM = 4_096

/** A number of more digits may lose some of them when it is parsed. */
const MOST_DIGITS = 15

/** An event with one line of data, and perhaps a name. */
const ONE_DATA_LINE = /^(?:event: ?[^\r\n]*(?:\n|\r\n))?data: ?[^\r\n]*(\n|\r\n)\1$/

/** The members that change, with their values. All members that a text of an answer is read from are among them. */
const PATTERN =
  /"(?:(content|refusal|text|delta|reasoning_content|reasoning|arguments|input|partial_json|thinking)": ?"((?:[^"\\]|\\.)*)"|(obfuscation)": ?"([^"\\]*)"|(sequence_number|\w+TokenCount)": ?(\d+)(?=[,}]))/g

/**
 * The bytes of an event around its one text, which nearly all events of a response have in common, and around a few
 * members that change with it. An event of the same form says the same with another text: it is not parsed.
 */
export class EventForm {
  /** The event that the form was made from. Fixed part `n` is from `starts[n]` to `ends[n]`; hole `n` follows it. */
  private readonly block: DataView
  private readonly starts: readonly number[]
  private readonly ends: readonly number[]
  private readonly holes: readonly Hole[]
  /** Names of the members that are counts, in their order. */
  readonly countNames: readonly string[]
  /** Of the event that matched last: its counts, where its text is between its quotes, and whether that has escapes. */
  readonly counts: number[]
  textStart: number
  textEnd: number
  hasEscapes: boolean

  private constructor(
    block: Buffer,
    starts: readonly number[],
    ends: readonly number[],
    holes: readonly Hole[],
    countNames: readonly string[],
  ) {
    this.block = createView(block)
    this.starts = starts
    this.ends = ends
    this.holes = holes
    this.countNames = countNames
    this.counts = countNames.map(() => 0)
    this.textStart = 0
    this.textEnd = 0
    this.hasEscapes = false
  }

  /**
   * @param event a whole event, with its blank line
   * @returns null if it has not exactly one text that may change, or is in another way not as most events are
   */
  static of(event: Buffer): EventForm | null {
    if (event.length > LONGEST_FORM || !isComparable(event)) return null
    const text = event.toString('latin1')
    if (!ONE_DATA_LINE.test(text)) return null
    const starts = [0]
    const ends: number[] = []
    const holes: Hole[] = []
    const countNames: string[] = []
    let texts = 0
    PATTERN.lastIndex = 0
    for (let found = PATTERN.exec(text); found !== null; found = PATTERN.exec(text)) {
      const [whole, , string, , noise, name = '', digits] = found
      const value = string ?? noise ?? digits ?? ''
      // A member that is empty here, or too long, may be something else in another event, so it is a fixed part.
      if ((value === '' && noise === undefined) || (digits !== undefined && digits.length > MOST_DIGITS))
        continue
      if (string !== undefined) texts++
      if (digits !== undefined && name !== 'sequence_number') countNames.push(name)
      const start = found.index + whole.length - value.length - (digits === undefined ? 1 : 0)
      ends.push(start)
      if (string !== undefined) holes.push(TEXT)
      else if (noise !== undefined) holes.push(ANY_TEXT)
      else holes.push(name === 'sequence_number' ? NUMBER : COUNT)
      starts.push(start + value.length)
    }
    ends.push(event.length)
    if (texts !== 1 || new Set(countNames).size !== countNames.length) return null
    // A key with an escape is not known for what it is.
    if (starts.some((start, n) => text.slice(start, ends[n]).includes('\\'))) return null
    return new EventForm(Buffer.from(event), starts, ends, holes, countNames)
  }

  /**
   * Whether an event of this form begins here. Sets what is said of the event that matched last.
   * @param view of the whole chunk
   * @returns where the event ends; -1 if it has another form, or does not end in this chunk
   */
  match(chunk: Buffer, view: DataView, from: number): number {
    const { block, starts, ends, holes } = this
    const { length } = chunk
    let at = from
    let counts = 0
    for (let part = 0; ; part++) {
      const start = starts[part] as number
      const size = (ends[part] as number) - start
      if (at + size > length || !isSame(view, at, block, start, size)) return -1
      at += size
      if (part === holes.length) return at
      const hole = holes[part] as Hole
      const end = hole <= ANY_TEXT ? this.skipText(chunk, at, hole === TEXT) : skipNumber(chunk, at)
      if (end === -1) return -1
      if (hole === TEXT) {
        this.textStart = at
        this.textEnd = end
      } else if (hole === COUNT) this.counts[counts++] = readNumber(chunk, at, end)
      at = end
    }
  }

  /** @returns where the string ends; -1 if it does not end in this chunk, or is not as it may be */
  private skipText(chunk: Buffer, from: number, isText: boolean): number {
    const { length } = chunk
    let hasEscapes = false
    for (let at = from; at < length; at++) {
      const byte = chunk[at] as number
      if (byte === QUOTE) {
        if (!isText) return at
        this.hasEscapes = hasEscapes
        return at === from ? -1 : at
      }
      if (byte < SPACE) return -1
      if (byte !== BACKSLASH) continue
      if (!isText) return -1
      hasEscapes = true
      at++
    }
    return -1
  }
}

/** @returns where the number ends; -1 if it is none, or does not end in this chunk */
function skipNumber(chunk: Buffer, from: number): number {
  let at = from
  while (isDigit(chunk[at])) at++
  const digits = at - from
  if (at === chunk.length || digits === 0 || digits > MOST_DIGITS) return -1
  // JSON has no number with a leading zero but 0 itself.
  return digits > 1 && chunk[from] === ZERO ? -1 : at
}

function readNumber(chunk: Buffer, from: number, end: number): number {
  let number = 0
  for (let at = from; at < end; at++) number = number * 10 + (chunk[at] as number) - ZERO
  return number
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

import { CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.js'
import { isObject, parseJson } from '../json/values.js'
import { PartialBuffer } from '../lib/partial-buffer.js'

/** Bytes of the longest error that is read. */
const LONGEST = 16 * 1024

const LF = Buffer.from('\n')

/**
 * Reads an error that an upstream has written into a stream as plain JSON, without the name of a field, in one line or
 * in several.
 */
export class BareError {
  /** Nothing more belongs to it. */
  isOver: boolean
  private readonly lines: PartialBuffer

  private constructor() {
    this.isOver = false
    this.lines = new PartialBuffer()
  }

  /** @returns null if the line does not begin as JSON does */
  static begin(line: Buffer, start: number): BareError | null {
    const byte = line[start]
    return byte === OPEN_BRACE || byte === OPEN_BRACKET ? new BareError() : null
  }

  /**
   * Adds a line. The text is parsed once: where a line begins with the bracket that closes it, or the first line ends
   * with one.
   * @returns the error; null if it is not complete, or is none
   */
  add(line: Buffer): unknown {
    const { lines } = this
    const isFirst = lines.bytes === 0
    lines.add(line)
    lines.add(LF)
    const last = line[line.length - 1]
    const isEnd = isClosing(line[0]) || (isFirst && line.length > 1 && isClosing(last))
    this.isOver = isEnd || lines.bytes > LONGEST
    if (!isEnd) return null
    const value = parseJson(lines.take().toString())
    return hasError(value) ? value : null
  }
}

function isClosing(byte: number | undefined): boolean {
  return byte === CLOSE_BRACE || byte === CLOSE_BRACKET
}

function hasError(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(hasError)
  return isObject(value) && value.error !== undefined && value.error !== null
}

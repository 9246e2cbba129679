import { BlockScanner } from './block-scanner.js'
import * as bytesOfJson from './bytes.js'

/**
 * The one place that walks over JSON bytes. It finds where values end, and neither decodes, parses nor checks what it
 * steps over: broken JSON is for the upstream to refuse. Strings are skipped by memchr, and code in strings and
 * long nested values, which are most of a prompt, by `BlockScanner`.
 */

// Copied, as V8 loads an imported or exported constant from its cell for each byte: a tenth slower (bench `peek_100k`).
const { QUOTE, BACKSLASH, COMMA, SPACE, ZERO, NINE } = bytesOfJson
const { OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET } = bytesOfJson

/** Bytes that are compared one by one before memchr is called: a call costs more than most keys and short values. */
const NEAR = 24

/** One is enough, as it is called from beginning to end of a chunk. */
const BLOCKS = BlockScanner.create()

/** So many escaped quotes show that a string is code, which is full of them. */
const FEW_QUOTES = 3

/** By the byte after a backslash, the byte that the escape stands for; 0 for `\u` and for bytes that make no escape. */
export const ESCAPED_BYTES = new Uint8Array(256)
for (const name of '"\\/bfnrt') ESCAPED_BYTES[name.charCodeAt(0)] = JSON.parse(`"\\${name}"`).charCodeAt(0)

/** Index of the first byte at or after `from` that is no white space; the length of `bytes` if there is none. */
export function skipSpace(bytes: Buffer, from: number): number {
  let i = from
  // JSON's four white space bytes are at or below a space, and no other byte that may stand between tokens is.
  while (i < bytes.length && (bytes[i] as number) <= SPACE) i++
  return i
}

/** Index of the first byte at or after `from` that is no digit; the length of `bytes` if there is none. */
export function skipDigits(bytes: Buffer, from: number): number {
  const { length } = bytes
  let i = from
  for (; i < length; i++) {
    const byte = bytes[i] as number
    if (byte < ZERO || byte > NINE) break
  }
  return i
}

/**
 * Index after the number or the word (true, false, null) that continues at `from`; -1 if `bytes` end before it does.
 */
export function findLiteralEnd(bytes: Buffer, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte <= SPACE) return i
  }
  return -1
}

/**
 * Index after the closing quote of the string whose content continues at `from`; -1 if it does not close in `bytes`.
 */
export function findStringEnd(bytes: Buffer, from: number): number {
  let i = from
  const near = Math.min(i + NEAR, bytes.length)
  for (; i < near; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) return i + 1
    if (byte === BACKSLASH) i++
  }
  // If an escape stepped over the end of the near part, `i` is already where the next character begins.
  for (let escaped = 0; ; escaped++) {
    if (escaped === FEW_QUOTES && BLOCKS !== null) {
      const reached = BLOCKS.skip(bytes, i, 0, true, false)
      if (!BLOCKS.isInString) return reached
      i = BLOCKS.isAfterBackslash ? reached + 1 : reached
    }
    const quote = bytes.indexOf(QUOTE, i)
    if (quote === -1) return -1
    // After an odd number of backslashes a quote is escaped.
    let before = quote - 1
    while (before >= i && bytes[before] === BACKSLASH) before--
    if (((quote - 1 - before) & 1) === 0) return quote + 1
    i = quote + 1
  }
}

/**
 * Whether the string that continues at `from` ends with a backslash that escapes the first character of the next
 * chunk.
 */
function endsInEscape(bytes: Buffer, from: number): boolean {
  let i = bytes.length - 1
  while (i >= from && bytes[i] === BACKSLASH) i--
  return ((bytes.length - 1 - i) & 1) === 1
}

/** Bytes of a nested value that are stepped over one by one before it is taken for a long one. */
const SHORT_VALUE = 256

/** Steps over a string or a nested value that may continue in the next chunk, wherever the chunks are cut. */
export class ValueScanner {
  /** Null: byte by byte. */
  private readonly blocks: BlockScanner | null
  /** Objects and arrays that are open. */
  private depth: number
  private isInString: boolean
  /** The last chunk ended with a backslash that escapes the first character of the next one. */
  private isAfterBackslash: boolean

  constructor(blocks: BlockScanner | null = BLOCKS) {
    this.blocks = blocks
    this.depth = 0
    this.isInString = false
    this.isAfterBackslash = false
  }

  /**
   * Steps over a string from `from`, behind its opening quote or where a chunk continues it.
   * @returns the index after its closing quote; -1 if it continues in the next chunk
   */
  skipString(bytes: Buffer, from: number): number {
    if (from === bytes.length) return -1
    const start = this.isAfterBackslash ? from + 1 : from
    this.isAfterBackslash = false
    const end = findStringEnd(bytes, start)
    if (end === -1) this.isAfterBackslash = endsInEscape(bytes, start)
    return end
  }

  /**
   * Steps over an object or array from `from`, behind its opening bracket or where a chunk continues it. The kinds of
   * brackets are not compared.
   * @returns the index after its closing bracket; -1 if it continues in the next chunk
   */
  skipNested(bytes: Buffer, from: number): number {
    const { length } = bytes
    const { blocks } = this
    let i = from
    if (this.depth === 0) {
      this.depth = 1
      i = from + SHORT_VALUE
      if (blocks === null || i >= length) return this.step(bytes, from)
      const end = this.step(bytes.subarray(0, i), from)
      if (end !== -1) return end
    }
    if (blocks !== null) {
      i = blocks.skip(bytes, i, this.depth, this.isInString, this.isAfterBackslash)
      this.depth = blocks.depth
      this.isInString = blocks.isInString
      this.isAfterBackslash = blocks.isAfterBackslash
      if (blocks.depth === 0) return i
    }
    return this.step(bytes, i)
  }

  /** Does what `skipNested` says without blocks. */
  private step(bytes: Buffer, from: number): number {
    const { length } = bytes
    let i = from
    if (this.isInString) {
      i = this.skipString(bytes, from)
      if (i === -1) return -1
      this.isInString = false
    }
    let { depth } = this
    for (; i < length; i++) {
      const byte = bytes[i]
      if (byte === QUOTE) {
        const end = findStringEnd(bytes, i + 1)
        if (end === -1) {
          this.isInString = true
          this.isAfterBackslash = endsInEscape(bytes, i + 1)
          break
        }
        i = end - 1
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth++
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth--
        if (depth === 0) {
          this.depth = 0
          return i + 1
        }
      }
    }
    this.depth = depth
    return -1
  }
}

/** Backslash and letter of the escapes for white space. */
const SPACE_ESCAPES =
  /^\\(?:[nrtf]|u(?:0009|000[a-dA-D]|0020|00[aA]0|1680|20(?:0[0-9aA]|2[89fF]|5[fF])|3000|[fF][eE][fF][fF]))/

/** White space beyond ASCII, as `String.prototype.trim` removes it. */
const WIDE_SPACE = /^[\s\ufeff]/

/**
 * Whether a string has nothing but white space, escapes included. It reads no more than the white space.
 * @param start index after the opening quote
 * @param end index of the closing quote
 */
export function isBlankString(bytes: Buffer, start: number, end: number): boolean {
  let i = start
  while (i < end) {
    const byte = bytes[i] as number
    if (byte <= SPACE) i++
    else if (byte === BACKSLASH) {
      const escaped = SPACE_ESCAPES.exec(bytes.toString('latin1', i, Math.min(i + 6, end)))
      if (escaped === null) return false
      i += escaped[0].length
    } else if (byte < 0x80) return false
    else {
      const wide = WIDE_SPACE.exec(bytes.toString('utf8', i, Math.min(i + 3, end)))
      if (wide === null) return false
      i += Buffer.byteLength(wide[0])
    }
  }
  return true
}

/** The text of the JSON string that stands from `start` to `end`, quotes included; null if it is no valid string. */
export function decodeString(bytes: Buffer, start: number, end: number): string | null {
  // Ids, names and keys.
  if (isPlain(bytes, start, end)) return bytes.toString('latin1', start + 1, end - 1)
  try {
    const text: unknown = JSON.parse(bytes.toString('utf8', start, end))
    return typeof text === 'string' ? text : null
  } catch {
    // A raw control character or a bad escape: the upstream will refuse it.
    return null
  }
}

/** In bytes, quotes included. */
const LONGEST_PLAIN = 64

/** Whether a short string has only ASCII characters that stand for themselves. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2 || end - start > LONGEST_PLAIN || bytes[start] !== QUOTE || bytes[end - 1] !== QUOTE)
    return false
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i] as number
    if (byte < SPACE || byte > LAST_ASCII || byte === BACKSLASH || byte === QUOTE) return false
  }
  return true
}

const LAST_ASCII = 0x7f

import * as bytes from '../lib/bytes.js'
import { hexDigit } from '../lib/bytes.js'

// Copied: an imported constant is loaded from its cell for each byte, a local one is not.
const { CR, LF } = bytes

/** Digits of a chunk size that are read here. A larger chunk is left to the parser, with all bytes after it. */
const MAX_DIGITS = 7

/** Where a walk stopped. */
export type WalkEnd =
  /** At the end of the bytes. */
  | 'whole'
  /** Within a size line. Walk it again, together with the next bytes. */
  | 'partial'
  /** At a size line that is not plain: the last chunk, a chunk extension, or an invalid line. */
  | 'other'
  /** After a chunk's data, because the line end is missing. */
  | 'broken'

/**
 * Walks the framing of a chunked body (RFC 9112, 7.1) as it passes, wherever reads cut it, and finds the data in it. It
 * walks over plain chunks only, and stops before anything else.
 */
export class ChunkWalker {
  end: WalkEnd
  /** Ranges of data in the bytes that were walked last: start, end, start, end. */
  readonly data: number[]
  /** Bytes in these ranges. */
  dataBytes: number
  /** Bytes left of the current chunk, with its line end; 0 before a size line. */
  private left: number

  constructor() {
    this.end = 'whole'
    this.data = []
    this.dataBytes = 0
    this.left = 0
  }

  /** Walks the next bytes of the body. @returns how many of them are plain chunks */
  walk(bytes: Buffer): number {
    const { length } = bytes
    const { data } = this
    let { left } = this
    let at = 0
    data.length = 0
    this.dataBytes = 0
    this.end = 'whole'
    while (at < length) {
      if (left === 0) {
        const next = this.readSizeLine(bytes, at)
        if (next === -1) break
        at = next
        left = this.left
        continue
      }
      if (left > 2) {
        const count = Math.min(left - 2, length - at)
        data.push(at, at + count)
        this.dataBytes += count
        at += count
        left -= count
        if (at === length) break
      }
      if (bytes[at] !== (left === 2 ? CR : LF)) {
        this.end = 'broken'
        break
      }
      at++
      left--
    }
    this.left = left
    return at
  }

  /** Reads a size line. @returns where the data begins; -1 if the line is incomplete or not plain */
  private readSizeLine(bytes: Buffer, from: number): number {
    let size = 0
    let at = from
    for (;;) {
      const digit = hexDigit(bytes[at])
      if (digit === -1) break
      size = size * 16 + digit
      at++
      if (at - from > MAX_DIGITS) break
    }
    const rest = bytes.length - at
    const ended = bytes[at] === CR && bytes[at + 1] === LF
    if (ended && size > 0 && at - from <= MAX_DIGITS) {
      this.left = size + 2
      return at + 2
    }
    const open = rest === 0 || (rest === 1 && bytes[at] === CR)
    this.end = open && at - from <= MAX_DIGITS ? 'partial' : 'other'
    return -1
  }
}

import * as bytes from '../lib/bytes.js'

// Copied: an imported constant is loaded from its cell for each byte.
const { CR, LF } = bytes

/** Digits of a chunk's size that are read here; a larger chunk is left to the parser, with all that comes after it. */
const MOST_DIGITS = 7

/** Why a walk stopped before the end of the piece. */
export type WalkEnd =
  /** It did not: the piece is walked whole. */
  | 'whole'
  /** In the middle of a size line. It is to be walked again, with what comes next behind it. */
  | 'partial'
  /** At a size line that is not plain: the last chunk's, one with an extension, or none at all. */
  | 'other'
  /** Behind a chunk's data, where there was no line end. */
  | 'broken'

/**
 * Walks the framing of a chunked body (RFC 9112, 7.1) as it passes, however it is cut, and knows where the data is. Plain
 * chunks are all that it goes by; it stops in front of anything else.
 */
export class ChunkWalker {
  end: WalkEnd
  /** Where there is data in the piece that was walked last: from, to, from, to. */
  readonly data: number[]
  /** Bytes of that. */
  dataBytes: number
  /** Of the chunk that it is in, its line end included: bytes still to come. 0 before a size line. */
  private left: number

  constructor() {
    this.end = 'whole'
    this.data = []
    this.dataBytes = 0
    this.left = 0
  }

  /** @returns how many bytes of the piece it went by */
  walk(piece: Buffer): number {
    const { length } = piece
    const { data } = this
    let { left } = this
    let at = 0
    data.length = 0
    this.dataBytes = 0
    this.end = 'whole'
    while (at < length) {
      if (left === 0) {
        const next = this.sizeLine(piece, at)
        if (next === -1) break
        at = next
        left = this.left
        continue
      }
      if (left > 2) {
        const bytes = Math.min(left - 2, length - at)
        data.push(at, at + bytes)
        this.dataBytes += bytes
        at += bytes
        left -= bytes
        if (at === length) break
      }
      if (piece[at] !== (left === 2 ? CR : LF)) {
        this.end = 'broken'
        break
      }
      at++
      left--
    }
    this.left = left
    return at
  }

  /** @returns where its data begins, or -1 if it is not all there or not plain */
  private sizeLine(piece: Buffer, from: number): number {
    let size = 0
    let at = from
    for (;;) {
      const digit = hexDigit(piece[at])
      if (digit === -1) break
      size = size * 16 + digit
      at++
      if (at - from > MOST_DIGITS) break
    }
    const rest = piece.length - at
    const ended = piece[at] === CR && piece[at + 1] === LF
    if (ended && size > 0 && at - from <= MOST_DIGITS) {
      this.left = size + 2
      return at + 2
    }
    const open = rest === 0 || (rest === 1 && piece[at] === CR)
    this.end = open && at - from <= MOST_DIGITS ? 'partial' : 'other'
    return -1
  }
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

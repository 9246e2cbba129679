import * as bytes from '../lib/bytes.js'

// Copied: an imported constant is loaded from its cell for each byte.
const { CR, LF } = bytes

/** Stands for "no more of these in the chunk". Larger than every position, so that one comparison is enough. */
const NONE = Number.MAX_SAFE_INTEGER

/**
 * Finds the line ends of an event stream (WHATWG HTML, 9.2.6): CR, LF or CRLF, each of them one line end. The stream
 * comes in chunks that may end anywhere, also between CR and LF. Every other reader of event streams is built on this
 * one.
 *
 * It holds no bytes. For each chunk call `startChunk` once, then `findLineEnd` until it returns -1. Each byte is
 * compared once with CR and once with LF, whatever the mix of line ends.
 */
export class LineFinder {
  /** Where the line after the last found line end begins. */
  nextLine: number
  /** The last chunk ended with CR. If the next one begins with LF, this LF is a part of the same line end. */
  private skipNextLineFeed: boolean
  /** Positions of the next LF and the next CR in this chunk; out of date where they are before the line. */
  private nextLineFeed: number
  private nextCarriageReturn: number

  constructor() {
    this.nextLine = 0
    this.skipNextLineFeed = false
    this.nextLineFeed = -1
    this.nextCarriageReturn = -1
  }

  /**
   * @returns where reading begins: 1 if the first byte still belongs to the last line end of the chunk before, else 0
   */
  startChunk(chunk: Buffer): number {
    this.nextLineFeed = -1
    this.nextCarriageReturn = -1
    if (!this.skipNextLineFeed || chunk.length === 0) return 0
    this.skipNextLineFeed = false
    return chunk[0] === LF ? 1 : 0
  }

  /** Whether the last chunk ended with CR, so that an LF at the start of the next one belongs to it. */
  get isAfterCarriageReturn(): boolean {
    return this.skipNextLineFeed
  }

  /** Sets `nextLine`. @returns where the line that begins at `from` ends; -1 if it does not end in this chunk */
  findLineEnd(chunk: Buffer, from: number): number {
    if (from >= chunk.length) return -1
    // Every event ends with a blank line, and an LF is seen faster than it is searched (bench `translate_messages`).
    if (chunk[from] === LF) {
      this.nextLine = from + 1
      return from
    }
    if (this.nextLineFeed < from) this.nextLineFeed = findByte(chunk, LF, from)
    if (this.nextCarriageReturn < from) this.nextCarriageReturn = findByte(chunk, CR, from)
    const { nextLineFeed, nextCarriageReturn } = this
    if (nextLineFeed < nextCarriageReturn) {
      this.nextLine = nextLineFeed + 1
      return nextLineFeed
    }
    if (nextCarriageReturn === NONE) return -1
    this.nextLine = nextCarriageReturn + 1
    if (this.nextLine === chunk.length) this.skipNextLineFeed = true
    else if (chunk[this.nextLine] === LF) this.nextLine++
    return nextCarriageReturn
  }

  /** Whether this chunk has a CR at `from` or behind. JSON has none, so most streams have none at all. */
  hasCarriageReturn(chunk: Buffer, from: number): boolean {
    if (this.nextCarriageReturn < from) this.nextCarriageReturn = findByte(chunk, CR, from)
    return this.nextCarriageReturn !== NONE
  }
}

function findByte(chunk: Buffer, byte: number, from: number): number {
  const at = chunk.indexOf(byte, from)
  return at === -1 ? NONE : at
}

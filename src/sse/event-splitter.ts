import { LineFinder } from './line-finder.js'

/**
 * Finds where the events of a stream end (WHATWG HTML, 9.2.6), for those who pass events on as bytes. A blank line
 * ends an event and is a part of it; a blank line without anything before it is an event of its own. It holds no
 * bytes.
 *
 * For each chunk call `startChunk` once, then `findEventEnd` until it returns -1.
 */
export class EventSplitter {
  private readonly lines: LineFinder
  /** The line that the last chunk ended in has no bytes so far. */
  private isLineEmpty: boolean

  constructor() {
    this.lines = new LineFinder()
    this.isLineEmpty = true
  }

  /** @returns where reading begins: 1 if the first byte is the LF of a CRLF whose CR ended the chunk before, else 0 */
  startChunk(chunk: Buffer): number {
    return this.lines.startChunk(chunk)
  }

  /**
   * Whether a line begins with the next chunk. If that chunk ends with a blank line, nothing is changed by leaving it
   * out here.
   */
  get isAtLineStart(): boolean {
    return this.isLineEmpty && !this.lines.isAfterCarriageReturn
  }

  /** @returns the position behind the event that `from` is in; -1 if it does not end in this chunk */
  findEventEnd(chunk: Buffer, from: number): number {
    const { lines } = this
    let start = from
    for (let end = lines.findLineEnd(chunk, start); end !== -1; end = lines.findLineEnd(chunk, start)) {
      const isBlank = this.isLineEmpty && end === start
      this.isLineEmpty = true
      start = lines.nextLine
      if (isBlank) return start
    }
    if (start < chunk.length) this.isLineEmpty = false
    return -1
  }
}

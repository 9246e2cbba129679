import { LineFinder } from './line-finder.js'

/** How a `data` line begins; a byte order mark may stand before the first line. */
const DATA_LINE = /^(?:\u00ef\u00bb\u00bf)?data:/
const LONGEST_MATCH = 8

/**
 * Finds the first `data` line of an event stream as soon as it begins, cut anywhere. Comments and blank lines before
 * it show only that the server is alive. Each byte is read once.
 */
export class FirstDataFinder {
  private readonly lines: LineFinder
  /** The first bytes of the line that is not complete yet, as Latin-1. */
  private lineStart: string

  constructor() {
    this.lines = new LineFinder()
    this.lineStart = ''
  }

  /** @returns whether a `data` line begins in this chunk. After that, no more chunks are wanted */
  push(chunk: Buffer): boolean {
    const { lines } = this
    let start = lines.startChunk(chunk)
    for (;;) {
      const lineEnd = lines.findLineEnd(chunk, start)
      const end = lineEnd === -1 ? chunk.length : lineEnd
      const wanted = LONGEST_MATCH - this.lineStart.length
      this.lineStart += chunk.toString('latin1', start, Math.min(end, start + wanted))
      if (DATA_LINE.test(this.lineStart)) return true
      if (lineEnd === -1) return false
      this.lineStart = ''
      start = lines.nextLine
    }
  }
}

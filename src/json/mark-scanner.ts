import { equalsAscii } from './key-table.js'
import type { StringVisitor } from './scanner.js'

/**
 * A string to notice, however deep it is nested, in a value that is stepped over. Keys and values are treated alike,
 * and a string that is written with escapes is not noticed: no client escapes what it need not.
 */
export interface Mark {
  /** ASCII, at most `LONGEST_MARK` letters. */
  readonly text: string
  /** Notice it only if the next string has more bytes than this. */
  readonly aheadOf?: number
}

const LONGEST_MARK = 29

/**
 * Notices marks among strings. It costs a few nanoseconds a string, as a prompt may have a hundred thousand of them.
 */
export class MarkScanner implements StringVisitor {
  /** A bit for each mark that was noticed, by its place in the list. */
  seen: number
  /** Place of the mark that the next string decides on; -1 if none. */
  private pending: number
  private readonly marks: readonly Mark[]
  /** Candidates by length and last letter, a bit for each mark: few other strings agree with a mark in both. */
  private readonly candidates: Int32Array

  /** @param marks at most 32 */
  constructor(marks: readonly Mark[]) {
    this.seen = 0
    this.pending = -1
    this.marks = marks
    this.candidates = new Int32Array((LONGEST_MARK + 1) << 5)
    for (let n = 0; n < marks.length; n++) {
      const { text } = marks[n] as Mark
      const at = (text.length << 5) | (text.charCodeAt(text.length - 1) & 31)
      this.candidates[at] = (this.candidates[at] as number) | (1 << n)
    }
  }

  visit(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.pending !== -1) {
      if (length > ((this.marks[this.pending] as Mark).aheadOf as number)) this.seen |= 1 << this.pending
      this.pending = -1
    }
    if (length > LONGEST_MARK) return
    const bits = this.candidates[(length << 5) | ((bytes[end - 1] as number) & 31)] as number
    if (bits !== 0) this.compare(bytes, start, bits)
  }

  private compare(bytes: Buffer, start: number, bits: number): void {
    const { marks } = this
    for (let n = 0; n < marks.length; n++) {
      if ((bits & (1 << n)) === 0) continue
      const mark = marks[n] as Mark
      if (!equalsAscii(bytes, start, mark.text)) continue
      if (mark.aheadOf === undefined) this.seen |= 1 << n
      else this.pending = n
    }
  }
}

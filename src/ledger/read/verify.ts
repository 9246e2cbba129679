import { readIdentity } from './entry.js'
import { type Gap, SequenceCheck } from './seen.js'

/** What was found in one file. */
export interface FileReport {
  readonly name: string
  records: number
  /** Lines that are no record: what a crash or a full disk has left of one. */
  torn: number
  /** Records that were there already, after a crash in the middle of a write. */
  duplicates: number
}

/**
 * Reads a ledger line by line, and tells what is missing in it. What it keeps is one range of numbers for each writer, and
 * one more for each gap, however long the files are.
 */
export class Verifier {
  readonly files: FileReport[]
  private readonly seen: SequenceCheck

  constructor() {
    this.files = []
    this.seen = new SequenceCheck()
  }

  /** The lines that follow are of this file. */
  begin(name: string): FileReport {
    const file = { name, records: 0, torn: 0, duplicates: 0 }
    this.files.push(file)
    return file
  }

  /** @param line without its end */
  push(file: FileReport, line: string): void {
    // Put there ahead of a line, where it was not known how the one before had ended.
    if (line === '') return
    const found = readIdentity(line)
    if (found === null) {
      file.torn++
      return
    }
    if (this.seen.add(found.writer, found.seq)) file.records++
    else file.duplicates++
  }

  /** Numbers that no file has, of every writer. */
  get gaps(): Gap[] {
    return this.seen.gaps
  }

  get writerCount(): number {
    return this.seen.writerCount
  }
}

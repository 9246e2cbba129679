import { readIdentity } from './entry.js'
import { type Gap, SequenceCheck } from './sequence-check.js'

/** Counts of one file. */
export interface FileReport {
  readonly name: string
  records: number
  /** Lines that are not records, such as those that a crash or a full disk has torn. */
  torn: number
  /** Repeated records, as after a crash within a write. */
  duplicates: number
}

/**
 * Checks a ledger line by line for missing, torn and repeated records. It keeps one range of numbers for each writer
 * and one more for each gap, however long the files are.
 */
export class Verifier {
  readonly files: FileReport[]
  private readonly seen: SequenceCheck

  constructor() {
    this.files = []
    this.seen = new SequenceCheck()
  }

  /** Starts the report of a file. */
  begin(name: string): FileReport {
    const file = { name, records: 0, torn: 0, duplicates: 0 }
    this.files.push(file)
    return file
  }

  /** Counts a line. @param line without its line end */
  push(file: FileReport, line: string): void {
    // The writer puts a line feed in front of a line if the line before may be torn.
    if (line === '') return
    const found = readIdentity(line)
    if (found === null) {
      file.torn++
      return
    }
    if (this.seen.add(found.writer, found.seq)) file.records++
    else file.duplicates++
  }

  /** Missing numbers of every writer. */
  get gaps(): Gap[] {
    return this.seen.gaps
  }

  /** Number of writers, which are starts of relays. */
  get writerCount(): number {
    return this.seen.writerCount
  }
}

import { LF } from '../../lib/bytes.js'

/** Records that are written together. */
export interface Batch {
  readonly day: string
  readonly bytes: Buffer
  readonly records: number
  /** Bytes of it that are in the file. */
  written: number
}

/** Where the line begins that is only in part in the file, or the next one. */
export function findLineStart(batch: Batch): number {
  return batch.written === 0 ? 0 : batch.bytes.lastIndexOf(LF, batch.written - 1) + 1
}

import { LF } from '../../lib/bytes.js'

/** Records of one day that are written together. */
export interface Batch {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string
  readonly bytes: Buffer
  /** Number of records, and `seq` of the first one. */
  readonly records: number
  readonly firstSeq: number
  /** Number of bytes that are in the file already. */
  written: number
}

/** Finds the start of the first line that is not completely in the file, as an offset into the batch. */
export function findLineStart(batch: Batch): number {
  return batch.written === 0 ? 0 : batch.bytes.lastIndexOf(LF, batch.written - 1) + 1
}

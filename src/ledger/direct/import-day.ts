import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { firstLink, Link, withLink } from '../../lib/chain.js'
import { listLedgerNames } from '../files.js'
import { readIdentity } from '../read/entry.js'
import { readLines } from '../read/lines.js'
import { isMissing } from '../read/start-check.js'
import { formatStartEnd, nameImport } from '../starts.js'
import type { Batch } from '../write/batch.js'
import { DIGEST_DIGITS, DigestSet } from './digest-set.js'
import { formatDirectRecord } from './direct-record.js'
import type { FrontRequest } from './front-request.js'

/** Bytes of a batch. */
const BATCH_BYTES = 256 * 1024

/** Counts of one day. */
export interface DayCounts {
  imported: number
  /** Of the imported ones, those that the front refused. */
  refused: number
  /** Lines whose records were in the ledger before. */
  known: number
}

/**
 * What an import does to one day of the ledger. The records themselves say what is imported already, so there is
 * nothing else to lose or to get out of step.
 *
 * Its writer is one of its own: all its records are on one day, so that files of other days may be missing, or may be
 * removed later, without a gap in its numbers.
 */
export class ImportDay {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string
  readonly counts: DayCounts
  /** Batches that are to be written. */
  readonly batches: Batch[]
  private readonly writer: string
  private seq: number
  private link: string
  private lines: string[]
  private lineBytes: number
  /** Epoch milliseconds of the ends of the first and the last request. */
  private first: number
  private last: number
  /** Ids of lines that have records, in a file or waiting. Null: to be read. */
  private known: DigestSet | null
  /** Lines of the present log that may have equal ones; and how many there were, from the second on. */
  private seen: DigestSet
  private repeats: Map<string, number>

  constructor(day: string) {
    this.day = day
    this.counts = { imported: 0, refused: 0, known: 0 }
    this.batches = []
    this.writer = nameImport(randomBytes(6).toString('hex'))
    this.seq = 0
    this.link = firstLink(this.writer)
    this.lines = []
    this.lineBytes = 0
    this.first = Number.POSITIVE_INFINITY
    this.last = 0
    this.known = null
    this.seen = new DigestSet()
    this.repeats = new Map()
  }

  /** Number of ids in memory. */
  get size(): number {
    return (this.known?.size ?? 0) + this.seen.size + this.repeats.size
  }

  /** Reads what is imported already. @param folders of the ledger, the fallback last */
  async load(folders: readonly string[]): Promise<void> {
    if (this.known !== null) return
    const known = new DigestSet()
    for (const folder of folders)
      for (const name of await listFiles(folder, this.day))
        await readLines(join(folder, name), (line) => {
          const id = readImportId(line)
          if (id !== null) known.add(id)
        })
    this.known = known
  }

  /** Frees the memory. What is imported is read again when it is needed; all batches must have been written. */
  unload(): void {
    this.known = null
    this.seen = new DigestSet()
    this.repeats = new Map()
  }

  /** Begins another log: a line of it that equals one of this log is the same request. */
  beginLog(): void {
    if (this.seen.size > 0) this.seen = new DigestSet()
    this.repeats.clear()
  }

  /** Adds a request, unless it has a record. */
  add(request: FrontRequest): void {
    const { identity, isUnique } = request
    let id = digest(identity, 1)
    if (!isUnique && !this.seen.add(id)) {
      const count = (this.repeats.get(id) ?? 1) + 1
      this.repeats.set(id, count)
      id = digest(identity, count)
    }
    if (this.known?.add(id) !== true) {
      this.counts.known++
      return
    }
    this.counts.imported++
    if (request.end === 'refused') this.counts.refused++
    this.first = Math.min(this.first, request.endedAt)
    this.last = Math.max(this.last, request.endedAt)
    this.seq++
    const line = formatDirectRecord(request, id, this.writer, this.seq)
    this.lines.push(this.lines.length === 0 ? withLink(line, this.link) : line)
    this.lineBytes += line.length
    if (this.lineBytes >= BATCH_BYTES) this.seal()
  }

  /** Makes a batch of the gathered records. */
  seal(): void {
    if (this.lines.length === 0) return
    const bytes = Buffer.from(this.lines.join(''))
    this.link = new Link(this.link).add(bytes).close()
    const records = this.lines.length
    this.batches.push({ day: this.day, bytes, records, firstSeq: this.seq - records + 1, written: 0 })
    this.lines = []
    this.lineBytes = 0
  }

  /**
   * The note that all records of this writer are written, by which `usage verify` finds those that are lost later. Its
   * times are those of the records: it belongs to the day, whenever the import ran.
   * @returns null if there are none
   */
  get note(): string | null {
    if (this.seq === 0) return null
    const [started, ended] = [this.first, this.last].map((at) => new Date(at).toISOString()) as [
      string,
      string,
    ]
    const { writer, seq: records, link: chain } = this
    return formatStartEnd({ writer, started, ended, flush_ms: 0, records, lost: 0, chain, found_by: null })
  }
}

function digest(identity: string, count: number): string {
  return createHash('sha256').update(`${identity}\n${count}`).digest('hex').slice(0, DIGEST_DIGITS)
}

async function listFiles(folder: string, day: string): Promise<string[]> {
  try {
    return listLedgerNames(await readdir(folder))
      .filter((file) => file.day === day)
      .map(({ name }) => name)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** @returns null if the line is no record of an import: a torn one is imported again */
function readImportId(line: string): string | null {
  // A quote within a text has a backslash before it, so no text of another record looks like this.
  if (!line.includes(',"import_id":"')) return null
  const id = readIdentity(line)?.fields.import_id
  return typeof id === 'string' && /^[0-9a-f]{32}$/.test(id) ? id : null
}

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Config } from '../../config/config.js'
import { LF } from '../../lib/bytes.js'
import { ignore } from '../../lib/ignore.js'
import { DISK, type LedgerFiles } from '../files.js'
import { LineSplitter } from '../read/lines.js'
import { STARTS_FILE } from '../starts.js'
import { DayFiles } from '../write/day-files.js'
import { DiskWatch } from '../write/disk-watch.js'
import { MAX_LINE, readAccessLine } from './access-line.js'
import type { FrontRequest } from './front-request.js'
import { type DayCounts, ImportDay } from './import-day.js'

/** Most ids in memory, about 32 bytes each: beyond it, days whose lines did not come lately are unloaded. */
const MAX_IDS = 8_000_000

/** Bad lines that are named. */
const MOST_NAMED = 5

const CHUNK_BYTES = 256 * 1024

/** Where records go. */
export interface ImportTarget {
  /** Of the ledger, the fallback last: records are written to the first. */
  readonly folders: readonly string[]
  readonly options: Config['ledger']
  /** Nothing is written. */
  readonly isDry: boolean
}

/** What became of the lines of one log. */
export interface LogCounts {
  readonly name: string
  lines: number
  /** Lines of other requests. */
  other: number
  bad: number
  /** The first bad lines: number in the log, from 1, and why. */
  readonly named: { readonly line: number; readonly why: string }[]
  /** The last line has no end yet: it is left for the next import. */
  isTorn: boolean
  /** Why the log could not be read to its end; null if it could. */
  failure: string | null
}

/**
 * Imports access logs of fronts into the ledger: a record for each request that went past the relay, each once, however
 * often and in whatever pieces its line is read. Only one import at a time may write to a folder (`ImportLock`).
 */
export class DirectImport {
  private readonly target: ImportTarget
  private readonly files: LedgerFiles
  private readonly dayFiles: DayFiles
  private readonly maxIds: number
  /** The day whose lines came last is last. */
  private readonly days: Map<string, ImportDay>

  constructor(target: ImportTarget, files: LedgerFiles = DISK, maxIds: number = MAX_IDS) {
    this.target = target
    this.files = files
    this.maxIds = maxIds
    this.days = new Map()
    const options = { ...target.options, folder: target.folders[0] ?? '' }
    this.dayFiles = new DayFiles(options, files, new DiskWatch(ignore), {
      onSyncFailed: ignore,
      onSyncDue: ignore,
      onReplaced: ignore,
    })
  }

  /** Counts by day, the oldest first. */
  get counts(): readonly (readonly [string, DayCounts])[] {
    return [...this.days.values()]
      .map(({ day, counts }) => [day, counts] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /**
   * Imports a log.
   * @param name as it is reported
   * @throws the error of the ledger's file system; what is imported by then stays
   */
  async read(name: string, log: Readable): Promise<LogCounts> {
    const counts: LogCounts = {
      name,
      lines: 0,
      other: 0,
      bad: 0,
      named: [],
      isTorn: false,
      failure: null,
    }
    for (const day of this.days.values()) day.beginLog()
    const now = Date.now()
    let requests: FrontRequest[] = []
    const splitter = new LineSplitter((line) => {
      const request = readLine(line, counts, now)
      if (request !== null) requests.push(request)
    }, MAX_LINE)
    const chunks = log[Symbol.asyncIterator]()
    for (;;) {
      const chunk = await chunks.next().catch((error: NodeJS.ErrnoException) => {
        counts.failure = error.code ?? error.message
        return { done: true as const, value: undefined }
      })
      if (chunk.done === true) break
      const bytes = chunk.value as Buffer
      splitter.push(bytes)
      counts.isTorn = bytes.at(-1) !== LF
      await this.add(requests)
      requests = []
    }
    return counts
  }

  /**
   * Writes what waits, and the notes of how many records there are.
   * @throws the error of the file system
   */
  async close(): Promise<void> {
    if (this.target.isDry) return
    for (const day of this.days.values()) await this.write(day)
    // Synced before the note: a note without its records would be a loss.
    await this.dayFiles.leave()
    const notes = [...this.days.values()].map(({ note }) => note ?? '').join('')
    if (notes === '') return
    const file = await this.files.open(join(this.target.folders[0] ?? '', STARTS_FILE))
    try {
      const bytes = Buffer.from(notes)
      for (let at = 0; at < bytes.length; ) at += await file.write(bytes.subarray(at))
    } finally {
      await file.close()
    }
  }

  /** Ends without the rest, after an error. */
  abandon(): void {
    this.dayFiles.abandon()
  }

  private async add(requests: readonly FrontRequest[]): Promise<void> {
    const groups = new Map<string, FrontRequest[]>()
    for (const request of requests) {
      const day = new Date(request.endedAt).toISOString().slice(0, 10)
      const group = groups.get(day)
      if (group === undefined) groups.set(day, [request])
      else group.push(request)
    }
    for (const [name, group] of groups) {
      const day = this.days.get(name) ?? new ImportDay(name)
      this.days.delete(name)
      this.days.set(name, day)
      await day.load(this.target.folders)
      for (const request of group) day.add(request)
      if (this.target.isDry) day.batches.length = 0
      else await this.writeBatches(day)
    }
    await this.makeRoom()
  }

  /** Unloads the days that were not needed for the longest time, while there are too many ids in memory. */
  private async makeRoom(): Promise<void> {
    let size = 0
    for (const day of this.days.values()) size += day.size
    for (const day of [...this.days.values()].slice(0, -1)) {
      // What a dry run has not written could not be read again.
      if (size <= this.maxIds || this.target.isDry) return
      size -= day.size
      await this.write(day)
      day.unload()
    }
  }

  private async write(day: ImportDay): Promise<void> {
    day.seal()
    await this.writeBatches(day)
  }

  private async writeBatches(day: ImportDay): Promise<void> {
    for (let batch = day.batches[0]; batch !== undefined; batch = day.batches[0]) {
      // Opened first, as only a file that is open is known to be full.
      await this.dayFiles.prepare(batch.day)
      await this.dayFiles.write(batch)
      day.batches.shift()
    }
  }
}

/** @returns null if the line gives no record */
function readLine(line: string, counts: LogCounts, now: number): FrontRequest | null {
  counts.lines++
  if (line.trim() === '') return null
  const found = readAccessLine(line, now)
  if (!('skipped' in found)) return found
  if (found.skipped === 'other') counts.other++
  else {
    counts.bad++
    if (counts.named.length < MOST_NAMED) counts.named.push({ line: counts.lines, why: found.why })
  }
  return null
}

/** Opens a log, also a rotated one that was compressed. @param path `-` for standard input */
export function openLog(path: string): Readable {
  if (path === '-') return process.stdin
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  if (!path.endsWith('.gz')) return file
  const text = createGunzip({ chunkSize: CHUNK_BYTES })
  file.on('error', (error) => text.destroy(error))
  return file.pipe(text)
}

import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LF } from '../../lib/bytes.js'
import { type LedgerName, listLedgerNames } from '../files.js'
import { LineSplitter, readBackwards } from './lines.js'
import { mergeBackwards } from './merge-backwards.js'

/** Bytes that are read at once; also how far back the start of a line is searched. */
const CHUNK_BYTES = 64 * 1024

/**
 * The newest files of each worker, this many, are watched: a relay may write to a file of the last day for a while
 * after midnight, or after its disk was full. They are of the newest days, this many.
 */
const WATCHED = 8

/** How far a file was read. */
interface Position {
  /** Inode: detects another file of the same name. */
  readonly ino: number
  readonly splitter: LineSplitter
  offset: number
}

/** A file that existed at the start. */
interface SkippedFile {
  readonly name: string
  readonly worker: number | null
  /** Offset where its last complete line ends; null if the file is no longer written. */
  readonly end: number | null
}

/**
 * Follows a ledger: reads appended lines from all files, also those of the next day, of the next part, or of another
 * worker.
 */
export class LedgerTail {
  private readonly folder: string
  private readonly onLine: (line: string) => void
  private readonly flushed: () => Promise<void>
  private readonly positions: Map<string, Position>
  /** Files that are no longer read. */
  private readonly old: Set<string>
  /** Files that existed at the start, the oldest first. */
  private skipped: SkippedFile[]

  /**
   * @param onLine gets each line without its line end
   * @param flushed resolves when there is room for more lines
   */
  constructor(folder: string, onLine: (line: string) => void, flushed: () => Promise<void>) {
    this.folder = folder
    this.onLine = onLine
    this.flushed = flushed
    this.positions = new Map()
    this.old = new Set()
    this.skipped = []
  }

  /** Skips all complete lines that exist now. */
  async begin(): Promise<void> {
    const { older, watched } = splitNames(listLedgerNames(await readdir(this.folder)))
    for (const { name, worker } of older) {
      this.old.add(name)
      this.skipped.push({ name, worker, end: null })
    }
    for (const { name, worker } of watched) {
      await this.withFile(name, async (file, { ino, size }) => {
        const offset = await findLastLine(file, size)
        this.positions.set(name, { ino, splitter: new LineSplitter(this.onLine), offset })
        this.skipped.push({ name, worker, end: offset })
      })
    }
  }

  /**
   * Reads the skipped lines backwards, from the last line on, through all files; those of several workers by the time.
   * @param take gets each line without its line end; returns false to stop
   */
  async lookBack(take: (line: string) => boolean): Promise<void> {
    const workers = new Set(this.skipped.map(({ worker }) => worker))
    const streams = [...workers].map((of) =>
      this.readBack(this.skipped.filter(({ worker }) => worker === of).reverse()),
    )
    for await (const lines of mergeBackwards(streams)) if (lines.some((line) => !take(line))) return
  }

  /** @param files of one worker, the newest first */
  private async *readBack(files: readonly SkippedFile[]): AsyncGenerator<string[]> {
    for (const { name, end } of files) {
      const file = await this.openFile(name)
      if (file === null) continue
      try {
        yield* readBackwards(file, end ?? (await findLastLine(file, (await file.stat()).size)))
      } finally {
        await file.close()
      }
    }
  }

  /** Reads all lines that were appended since the last call. */
  async poll(): Promise<void> {
    const names = listLedgerNames(await readdir(this.folder)).filter(({ name }) => !this.old.has(name))
    const there = new Set(names.map(({ name }) => name))
    for (const name of this.positions.keys()) if (!there.has(name)) this.positions.delete(name)
    const { older, watched } = splitNames(names)
    for (const { name } of older) {
      // A new file is read once, even if many appeared since the last call.
      if (!this.positions.has(name)) await this.readAppended(name)
      this.positions.delete(name)
      this.old.add(name)
    }
    for (const { name } of watched) await this.readAppended(name)
  }

  private async readAppended(name: string): Promise<void> {
    const known = this.positions.get(name)
    if (known !== undefined && (await isUnchanged(join(this.folder, name), known))) return
    await this.withFile(name, async (file, { ino, size }) => {
      let position = known
      // A replaced or truncated file is read from its start.
      if (position === undefined || position.ino !== ino || size < position.offset) {
        position = { ino, splitter: new LineSplitter(this.onLine), offset: 0 }
        this.positions.set(name, position)
      }
      while (position.offset < size) {
        const { buffer, bytesRead } = await file.read(
          Buffer.allocUnsafeSlow(CHUNK_BYTES),
          0,
          CHUNK_BYTES,
          position.offset,
        )
        if (bytesRead === 0) return
        position.offset += bytesRead
        position.splitter.push(buffer.subarray(0, bytesRead))
        await this.flushed()
      }
    })
  }

  /** Opens a file for `use`. Does nothing if the file no longer exists. */
  private async withFile(
    name: string,
    use: (file: FileHandle, stats: { ino: number; size: number }) => Promise<void>,
  ): Promise<void> {
    const file = await this.openFile(name)
    if (file === null) return
    try {
      await use(file, await file.stat())
    } finally {
      await file.close()
    }
  }

  /** @returns null if the file no longer exists */
  private async openFile(name: string): Promise<FileHandle | null> {
    try {
      return await open(join(this.folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }
}

/** Finds which files are watched. @param names the oldest first */
function splitNames(names: readonly LedgerName[]): {
  readonly older: readonly LedgerName[]
  readonly watched: readonly LedgerName[]
} {
  const firstDay = [...new Set(names.map(({ day }) => day))].at(-WATCHED) ?? ''
  const counts = new Map<number | null, number>()
  const watched = new Set<LedgerName>()
  for (const name of names.toReversed()) {
    const count = counts.get(name.worker) ?? 0
    if (count === WATCHED || name.day < firstDay) continue
    counts.set(name.worker, count + 1)
    watched.add(name)
  }
  return {
    older: names.filter((name) => !watched.has(name)),
    watched: names.filter((name) => watched.has(name)),
  }
}

async function isUnchanged(path: string, position: Position): Promise<boolean> {
  try {
    const { ino, size } = await stat(path)
    return ino === position.ino && size === position.offset
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}

/** Finds the offset after the last line feed, where an incomplete line may start. */
async function findLastLine(file: FileHandle, size: number): Promise<number> {
  const from = Math.max(0, size - CHUNK_BYTES)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, size - from, from)
  return from + buffer.subarray(0, bytesRead).lastIndexOf(LF) + 1
}

import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LF } from '../../lib/bytes.js'
import { listLedgerNames } from '../files.js'
import { LineSplitter, readBackwards } from './lines.js'

/** Bytes that are read at once; also how far back the start of a line is searched. */
const CHUNK_BYTES = 64 * 1024

/**
 * The newest files, this many, are watched: a relay may write to a file of the last day for a while after midnight, or
 * after its disk was full.
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
  /** Offset where its last complete line ends; null if the file is no longer written. */
  readonly end: number | null
}

/** Follows a ledger: reads appended lines from all files, also those of the next day or the next part. */
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
    const names = listLedgerNames(await readdir(this.folder))
    for (const { name } of names.slice(0, -WATCHED)) {
      this.old.add(name)
      this.skipped.push({ name, end: null })
    }
    for (const { name } of names.slice(-WATCHED)) {
      await this.withFile(name, async (file, { ino, size }) => {
        const offset = await findLastLine(file, size)
        this.positions.set(name, { ino, splitter: new LineSplitter(this.onLine), offset })
        this.skipped.push({ name, end: offset })
      })
    }
  }

  /**
   * Reads the skipped lines backwards, from the last line on, through all files.
   * @param take gets each line without its line end; returns false to stop
   */
  async lookBack(take: (line: string) => boolean): Promise<void> {
    let enough = false
    for (const { name, end } of this.skipped.toReversed()) {
      await this.withFile(name, async (file, { size }) => {
        for await (const lines of readBackwards(file, end ?? (await findLastLine(file, size)))) {
          enough = lines.some((line) => !take(line))
          if (enough) return
        }
      })
      if (enough) return
    }
  }

  /** Reads all lines that were appended since the last call. */
  async poll(): Promise<void> {
    const names = listLedgerNames(await readdir(this.folder)).filter(({ name }) => !this.old.has(name))
    const there = new Set(names.map(({ name }) => name))
    for (const name of this.positions.keys()) if (!there.has(name)) this.positions.delete(name)
    for (const { name } of names.slice(0, -WATCHED)) {
      // A new file is read once, even if many appeared since the last call.
      if (!this.positions.has(name)) await this.readAppended(name)
      this.positions.delete(name)
      this.old.add(name)
    }
    for (const { name } of names.slice(-WATCHED)) await this.readAppended(name)
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
    let file: FileHandle
    try {
      file = await open(join(this.folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    try {
      await use(file, await file.stat())
    } finally {
      await file.close()
    }
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

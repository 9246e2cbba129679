import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LF } from '../../lib/bytes.js'
import { listLedgerNames } from '../files.js'
import { LineSplitter, readBackwards } from './lines.js'

/** What is read at once; and how far back the start of a line is looked for. */
const PIECE = 64 * 1024

/**
 * Of the files that were there already, so many of the newest are watched: a relay may write to the last day's for a while,
 * when midnight has passed or its disk was full.
 */
const WATCHED = 8

/** How far a file was read. */
interface Place {
  /** Tells a file from another one that came to have its name. */
  readonly ino: number
  readonly splitter: LineSplitter
  offset: number
}

/** A file that was there before. */
interface Passed {
  readonly name: string
  /** Where its last whole line ends; null if nobody writes to it any more. */
  readonly end: number | null
}

/** Reads what is appended to a ledger, whatever file it goes to: the next day's, the next numbered one, or more than one. */
export class LedgerTail {
  private readonly folder: string
  private readonly onLine: (line: string) => void
  private readonly flushed: () => Promise<void>
  private readonly places: Map<string, Place>
  /** Files that were there before, which nobody writes to any more. */
  private readonly old: Set<string>
  /** From the oldest. */
  private passed: Passed[]

  /**
   * @param onLine gets each line without its end
   * @param flushed resolves when there is room for more lines
   */
  constructor(folder: string, onLine: (line: string) => void, flushed: () => Promise<void>) {
    this.folder = folder
    this.onLine = onLine
    this.flushed = flushed
    this.places = new Map()
    this.old = new Set()
    this.passed = []
  }

  /** What is there by now is passed over, but for a line that is being written. */
  async begin(): Promise<void> {
    const names = listLedgerNames(await readdir(this.folder))
    for (const { name } of names.slice(0, -WATCHED)) {
      this.old.add(name)
      this.passed.push({ name, end: null })
    }
    for (const { name } of names.slice(-WATCHED)) {
      await this.withFile(name, async (file, { ino, size }) => {
        const offset = await lastLine(file, size)
        this.places.set(name, { ino, splitter: new LineSplitter(this.onLine), offset })
        this.passed.push({ name, end: offset })
      })
    }
  }

  /**
   * Looks back at what was passed over, from the last line on, whatever file it is in.
   * @param take gets each line without its end; false is enough of them
   */
  async lookBack(take: (line: string) => boolean): Promise<void> {
    let enough = false
    for (const { name, end } of this.passed.toReversed()) {
      await this.withFile(name, async (file, { size }) => {
        for await (const lines of readBackwards(file, end ?? (await lastLine(file, size)))) {
          enough = lines.some((line) => !take(line))
          if (enough) return
        }
      })
      if (enough) return
    }
  }

  /** Reads on, to where the files end now. */
  async poll(): Promise<void> {
    const names = listLedgerNames(await readdir(this.folder)).filter(({ name }) => !this.old.has(name))
    const there = new Set(names.map(({ name }) => name))
    for (const name of this.places.keys()) if (!there.has(name)) this.places.delete(name)
    for (const { name } of names.slice(0, -WATCHED)) {
      // Those that are new are read once, however many came between two looks.
      if (!this.places.has(name)) await this.readOn(name)
      this.places.delete(name)
      this.old.add(name)
    }
    for (const { name } of names.slice(-WATCHED)) await this.readOn(name)
  }

  private async readOn(name: string): Promise<void> {
    const known = this.places.get(name)
    if (known !== undefined && (await unchanged(join(this.folder, name), known))) return
    await this.withFile(name, async (file, { ino, size }) => {
      let place = known
      // Another file, or one that was emptied, is read from its start.
      if (place === undefined || place.ino !== ino || size < place.offset) {
        place = { ino, splitter: new LineSplitter(this.onLine), offset: 0 }
        this.places.set(name, place)
      }
      while (place.offset < size) {
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(PIECE), 0, PIECE, place.offset)
        if (bytesRead === 0) return
        place.offset += bytesRead
        place.splitter.push(buffer.subarray(0, bytesRead))
        await this.flushed()
      }
    })
  }

  /** A file that is gone by now is none. */
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

async function unchanged(path: string, place: Place): Promise<boolean> {
  try {
    const { ino, size } = await stat(path)
    return ino === place.ino && size === place.offset
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}

/** Where the last line begins that has no end yet. */
async function lastLine(file: FileHandle, size: number): Promise<number> {
  const from = Math.max(0, size - PIECE)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE), 0, size - from, from)
  return from + buffer.subarray(0, bytesRead).lastIndexOf(LF) + 1
}

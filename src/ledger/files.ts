import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** The parts of a file system that the ledger uses, so that tests can make it fail. */
export interface LedgerFiles {
  /** Opens a file for appending; creates it and its folder if they are missing. */
  open(path: string): Promise<LedgerFile>
  /** Lists the names in a folder; none if the folder does not exist. */
  list(folder: string): Promise<string[]>
  /** Appends synchronously, when the process is about to exit. */
  appendNow(path: string, bytes: Buffer): void
  /** Reads a whole file; null if it does not exist. */
  read(path: string): Promise<string | null>
  /** Moves a file within its folder. @returns false if it is not there */
  move(from: string, to: string): Promise<boolean>
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>
  /** Removes a file synchronously, if it is there. */
  removeNow(path: string): void
  /** Changes whenever the file is written or touched; null if it does not exist. */
  stamp(path: string): Promise<string | null>
}

/** A file that is open for appending. */
export interface LedgerFile {
  /** Bytes. */
  size(): Promise<number>
  /** Null if the file is empty. */
  lastByte(): Promise<number | null>
  /** Appends bytes. @returns the number of bytes written, which may be smaller */
  write(bytes: Buffer): Promise<number>
  sync(): Promise<void>
  close(): Promise<void>
  /** Whether the file is still at the path it was opened at, and if not, whether it is anywhere. */
  place(): Promise<'there' | 'moved' | 'deleted'>
  /** Sets the time of its last change to now. */
  touch(): Promise<void>
}

/** A file name of the ledger. The files of a day (UTC) have the records of the requests that ended on that day. */
export interface LedgerName {
  readonly name: string
  readonly day: string
  /** From 1; the name of the first part has no number. */
  readonly part: number
  /** Worker that writes the file, from 1 to 9999; null if a relay of one process does, or an import. */
  readonly worker: number | null
}

const NAME = /^usage-(\d{4}-\d\d-\d\d)(?:\.w([1-9]\d{0,3}))?(?:\.([1-9]\d*))?\.jsonl$/

/**
 * Formats a file name: `usage-2026-03-01.jsonl`, `usage-2026-03-01.2.jsonl`; of a worker `usage-2026-03-01.w3.jsonl`,
 * `usage-2026-03-01.w3.2.jsonl`.
 * @param day `YYYY-MM-DD`
 */
export function formatLedgerName(day: string, part: number, worker: number | null = null): string {
  return `usage-${day}${worker === null ? '' : `.w${worker}`}${part === 1 ? '' : `.${part}`}.jsonl`
}

/** Picks the names of ledger files, from the oldest to the newest: by day, then part, then worker. */
export function listLedgerNames(names: readonly string[]): LedgerName[] {
  const found: LedgerName[] = []
  for (const name of names) {
    const [, day, worker, part] = NAME.exec(name) ?? []
    if (day === undefined) continue
    found.push({ name, day, part: Number(part ?? 1), worker: worker === undefined ? null : Number(worker) })
  }
  return found.sort(compareLedgerNames)
}

/** Reads the worker from a file name of the ledger. */
export function readWorker(name: string): number | null {
  return listLedgerNames([name])[0]?.worker ?? null
}

function compareLedgerNames(a: LedgerName, b: LedgerName): number {
  if (a.day !== b.day) return a.day < b.day ? -1 : 1
  const difference = a.part - b.part || (a.worker ?? 0) - (b.worker ?? 0)
  if (difference !== 0) return difference
  return a.name < b.name ? -1 : 1
}

/** The real file system. Files are readable for their owner and group. */
export const DISK: LedgerFiles = {
  async open(path) {
    let handle: FileHandle
    try {
      handle = await open(path, 'a+', 0o640)
    } catch (error) {
      if (!isMissing(error)) throw error
      await mkdir(dirname(path), { recursive: true })
      handle = await open(path, 'a+', 0o640)
    }
    return new DiskFile(handle, path)
  },
  async list(folder) {
    try {
      return await readdir(folder)
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  },
  appendNow(path, bytes) {
    mkdirSync(dirname(path), { recursive: true })
    const fd = openSync(path, 'a', 0o640)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    } finally {
      closeSync(fd)
    }
  },
  async read(path) {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  },
  async move(from, to) {
    try {
      await rename(from, to)
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  },
  async remove(path) {
    await rm(path, { force: true })
  },
  removeNow(path) {
    rmSync(path, { force: true })
  },
  async stamp(path) {
    try {
      const { ino, size, mtimeMs } = await stat(path)
      return `${ino} ${size} ${mtimeMs}`
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  },
}

class DiskFile implements LedgerFile {
  private readonly handle: FileHandle
  private readonly path: string

  constructor(handle: FileHandle, path: string) {
    this.handle = handle
    this.path = path
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size
  }

  async lastByte(): Promise<number | null> {
    const size = await this.size()
    if (size === 0) return null
    const { buffer, bytesRead } = await this.handle.read(Buffer.alloc(1), 0, 1, size - 1)
    return bytesRead === 1 ? (buffer[0] ?? null) : null
  }

  async write(bytes: Buffer): Promise<number> {
    return (await this.handle.write(bytes)).bytesWritten
  }

  sync(): Promise<void> {
    return this.handle.datasync()
  }

  close(): Promise<void> {
    return this.handle.close()
  }

  async place(): Promise<'there' | 'moved' | 'deleted'> {
    const opened = await this.handle.stat()
    try {
      const found = await stat(this.path)
      if (found.ino === opened.ino && found.dev === opened.dev) return 'there'
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    return opened.nlink === 0 ? 'deleted' : 'moved'
  }

  touch(): Promise<void> {
    const now = new Date()
    return this.handle.utimes(now, now)
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

/** Path of a file of the ledger. */
export function locateLedgerFile(
  folder: string,
  day: string,
  part: number,
  worker: number | null = null,
): string {
  return join(folder, formatLedgerName(day, part, worker))
}

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What the ledger needs of a file system, so that a test can have one that fails. */
export interface LedgerFiles {
  /** Opens for appending, and makes the file and its folder if they are not there. */
  open(path: string): Promise<LedgerFile>
  /** Names in a folder; none if there is no folder. */
  list(folder: string): Promise<string[]>
  /** Appends at once, when the process is about to end. */
  appendNow(path: string, bytes: Buffer): void
}

export interface LedgerFile {
  size(): Promise<number>
  /** Null if the file is empty. */
  lastByte(): Promise<number | null>
  /** @returns bytes that were written, which may be fewer */
  write(bytes: Buffer): Promise<number>
  sync(): Promise<void>
  close(): Promise<void>
  /** Whether the path that it was opened by still leads to it: not if it was moved or deleted. */
  inPlace(): Promise<boolean>
}

/** One of the ledger's files. All records of a day are in the files of that day (UTC), in the order of their numbers. */
export interface LedgerName {
  readonly name: string
  readonly day: string
  /** From 1; the first has none in its name. */
  readonly part: number
}

const NAME = /^usage-(\d{4}-\d\d-\d\d)(?:\.([1-9]\d*))?\.jsonl$/

export function parseLedgerName(day: string, part: number): string {
  return part === 1 ? `usage-${day}.jsonl` : `usage-${day}.${part}.jsonl`
}

/** Those among names that are files of a ledger, from the oldest to the newest. */
export function listLedgerNames(names: readonly string[]): LedgerName[] {
  const found: LedgerName[] = []
  for (const name of names) {
    const [, day, part] = NAME.exec(name) ?? []
    if (day !== undefined) found.push({ name, day, part: Number(part ?? 1) })
  }
  return found.sort((a, b) => (a.day === b.day ? a.part - b.part : a.day < b.day ? -1 : 1))
}

export const DISK: LedgerFiles = {
  async open(path) {
    let handle: FileHandle
    try {
      handle = await open(path, 'a+', 0o640)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await mkdir(dirname(path), { recursive: true })
      handle = await open(path, 'a+', 0o640)
    }
    return new DiskFile(handle, path)
  },
  async list(folder) {
    try {
      return await readdir(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
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

  async inPlace(): Promise<boolean> {
    const mine = await this.handle.stat()
    try {
      const there = await stat(this.path)
      return there.ino === mine.ino && there.dev === mine.dev
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }
}

export function locateLedgerFile(folder: string, day: string, part: number): string {
  return join(folder, parseLedgerName(day, part))
}

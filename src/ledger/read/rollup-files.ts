import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LF } from '../../lib/bytes.js'
import type { LedgerName } from '../files.js'
import { readEntry } from './entry.js'
import { readLines } from './lines.js'
import { type FileStamp, parseHead, Rollup, RollupBuilder, type RollupHead } from './rollup.js'

/** A rollup tells a changed file by these last bytes, beside its size and time. */
const TAIL_BYTES = 4_096

/** Most heads are shorter. */
const HEAD_BYTES = 32 * 1024

const DAY_MS = 86_400_000

/** A relay may write to the file of a day for a while after its end. */
const CLOSED_AFTER_MS = 60 * 60 * 1_000

/** The files of one day. */
export interface DayFiles {
  /** `YYYY-MM-DD` (UTC). */
  readonly day: string
  readonly names: readonly string[]
}

/** Gathers the files of each day, the oldest day first. */
export function listDays(names: readonly LedgerName[]): DayFiles[] {
  const days = new Map<string, string[]>()
  for (const { name, day } of names) {
    const found = days.get(day)
    if (found === undefined) days.set(day, [name])
    else found.push(name)
  }
  return [...days].map(([day, files]) => ({ day, names: files }))
}

/** Whether no more records are expected in the files of a day. @param now epoch milliseconds */
export function isClosed(day: string, now: number): boolean {
  return Date.parse(`${day}T00:00:00.000Z`) + DAY_MS + CLOSED_AFTER_MS <= now
}

/** Formats the name of a rollup: `rollup-2026-03-01.jsonl`. */
export function formatRollupName(day: string): string {
  return `rollup-${day}.jsonl`
}

/** Reads the rollup of a day. @returns null if there is none that fits the files as they are now */
export async function readRollup(folder: string, { day, names }: DayFiles): Promise<Rollup | null> {
  let text: string
  try {
    text = await readFile(join(folder, formatRollupName(day)), 'utf8')
  } catch {
    // Missing, or of another user: then it is made again, in memory at least.
    return null
  }
  const rollup = Rollup.parse(text)
  if (rollup === null) return null
  return fitsFiles(rollup.head, await stampFiles(folder, names)) ? rollup : null
}

/** Whether there is a rollup that fits the files as they are now; its rows may be damaged all the same. */
export async function isCurrent(folder: string, { day, names }: DayFiles): Promise<boolean> {
  const head = await readFirstLine(join(folder, formatRollupName(day)))
  return head !== null && fitsFiles(parseHead(head), await stampFiles(folder, names))
}

/** @returns null if the file is missing, or of another user */
async function readFirstLine(path: string): Promise<string | null> {
  const file = await open(path).catch(() => null)
  if (file === null) return null
  const parts: Buffer[] = []
  try {
    for (let at = 0; ; ) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(HEAD_BYTES), 0, HEAD_BYTES, at)
      const end = buffer.subarray(0, bytesRead).indexOf(LF)
      parts.push(buffer.subarray(0, end === -1 ? bytesRead : end))
      if (end !== -1 || bytesRead === 0) return Buffer.concat(parts).toString()
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}

function fitsFiles(head: RollupHead | null, stamps: readonly FileStamp[]): boolean {
  return head !== null && JSON.stringify(head.files) === JSON.stringify(stamps)
}

/**
 * Sums up the files of a day.
 * @param onProgress called with a number of bytes, after their lines
 * @returns the text of the rollup, and whether the files stayed the same meanwhile
 */
export async function buildRollup(
  folder: string,
  { day, names }: DayFiles,
  onProgress: (bytes: number) => void = () => {},
): Promise<{ readonly text: string; readonly isStable: boolean }> {
  const stamps = await stampFiles(folder, names)
  const builder = new RollupBuilder()
  const addLine = (line: string): void => {
    // The writer puts a line end first when it does not know how the line before ended.
    if (line !== '') builder.add(readEntry(line))
  }
  for (const name of names) await readLines(join(folder, name), addLine, onProgress)
  const isStable = JSON.stringify(await stampFiles(folder, names)) === JSON.stringify(stamps)
  return { text: builder.format(day, stamps), isStable }
}

/**
 * Writes a rollup under another name first, so that a reader never finds a part of it.
 * @returns false if the folder cannot be written, which is no fault: the rollup only saves time
 */
export async function writeRollup(folder: string, day: string, text: string): Promise<boolean> {
  const path = join(folder, formatRollupName(day))
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`
  try {
    await writeFile(temporary, text, { mode: 0o640 })
    await rename(temporary, path)
    return true
  } catch {
    await rm(temporary, { force: true }).catch(() => {})
    return false
  }
}

async function stampFiles(folder: string, names: readonly string[]): Promise<FileStamp[]> {
  const stamps: FileStamp[] = []
  for (const name of names) {
    const file = await open(join(folder, name))
    try {
      const { size, mtimeMs } = await file.stat()
      const length = Math.min(size, TAIL_BYTES)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
      const tail = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex').slice(0, 16)
      stamps.push({ name, size, mtime_ms: mtimeMs, tail })
    } finally {
      await file.close()
    }
  }
  return stamps
}

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { readErrorCode } from '../lib/error-code.js'
import { syncFolder } from '../lib/sync-folder.js'

/** A list cannot be written. The message is one line and says what to do. */
export class ListFileError extends Error {
  readonly code: string

  constructor(file: string, code: string) {
    super(
      `cannot write ${file} (${code}): ${REMEDIES[code] ?? 'check that it is a file that thinwire may write'}`,
    )
    this.name = 'ListFileError'
    this.code = code
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs this command the right to write to its folder',
  EPERM: 'give the user that runs this command the right to write to its folder',
  EROFS: 'name a folder that can be written to',
  ENOENT: 'make its folder first',
  ENOTDIR: 'a part of its path is a file, not a folder',
  ENOSPC: 'make room on the disk',
  EDQUOT: 'make room on the disk',
  ENOTFILE: 'name a regular file, not a link, a folder or a device',
}

/**
 * Replaces a file as a whole: a reader sees the old one or the new one, also after a power failure. A link is not
 * followed: whoever can write to the folder could choose what is overwritten.
 * @param mode permissions, whatever the umask is
 * @throws ListFileError
 */
export function replaceFile(file: string, text: string, mode: number): void {
  // In the same folder, as a rename does not reach another file system.
  // Another name each time: two containers may have processes of the same id, and one folder.
  const temporary = join(dirname(file), `${prefixOf(file)}${randomBytes(6).toString('hex')}${SUFFIX}`)
  try {
    const before = statFile(file)
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      writeAll(fd, Buffer.from(text))
      if (before !== undefined) keepGroup(fd, before)
      fchmodSync(fd, mode)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch (error) {
    removeIfExists(temporary)
    throw new ListFileError(file, readErrorCode(error))
  }
  syncFolder(dirname(file))
}

const SUFFIX = '.tmp'

function prefixOf(file: string): string {
  return `.${basename(file)}.`
}

/** No list takes that long to write. */
const LEFTOVER_MS = 60_000

/** Removes what processes have left beside a file that were killed while they replaced it: it may hold keys. */
export function removeLeftovers(file: string): void {
  const folder = dirname(file)
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefixOf(file)) || !name.endsWith(SUFFIX)) continue
      const leftover = join(folder, name)
      if (Date.now() - lstatSync(leftover).mtimeMs > LEFTOVER_MS) unlinkSync(leftover)
    }
  } catch {
    // Another process has removed it, or the next step says why the folder cannot be used.
  }
}

function statFile(file: string): Stats | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false })
  if (stats !== undefined && !stats.isFile())
    throw Object.assign(new Error('no regular file'), { code: 'ENOTFILE' })
  return stats
}

/** The group by which a front may read the list. */
function keepGroup(fd: number, { gid }: Stats): void {
  const own = fstatSync(fd)
  if (own.gid === gid) return
  try {
    fchownSync(fd, own.uid, gid)
  } catch {
    // This process is not in that group.
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
}

function removeIfExists(file: string): void {
  try {
    unlinkSync(file)
  } catch {
    // The file is not there, or the next step says why it cannot be used.
  }
}

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { readErrorCode } from '../lib/error-code.js'

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
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`)
  try {
    const before = statFile(file)
    removeIfExists(temporary)
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

/** The new name is on the disk only when its folder is. */
function syncFolder(folder: string): void {
  let fd: number | null = null
  try {
    fd = openSync(folder, 'r')
    fsyncSync(fd)
  } catch {
    // Some systems cannot do this. The file is whole in any case.
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

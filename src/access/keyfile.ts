import {
  type BigIntStats,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { LF } from '../lib/bytes.js'
import { readErrorCode } from '../lib/error-code.js'
import { syncFolder } from '../lib/sync-folder.js'

/** A file's text, and the fingerprint of the file just before it was read. */
export interface KeyFileText {
  readonly fingerprint: string
  readonly text: string
}

/** Why the key file or a key in it cannot be used. */
export type KeyringErrorCode =
  | 'unreadable'
  | 'unwritable'
  | 'bad_key'
  | 'unknown_key'
  | 'ambiguous_key'
  | 'already_revoked'
  | 'expired_key'
  | 'already_rotated'

/**
 * The key file or a key in it cannot be used. The message is one line and says what to do; `cause` is the system's
 * error.
 */
export class KeyringError extends Error {
  readonly code: KeyringErrorCode

  constructor(code: KeyringErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyringError'
    this.code = code
  }
}

/** About 250,000 keys. A larger file is not a key file: the path is wrong. */
const KEY_FILE_MAX_BYTES = 64n * 1024n * 1024n
const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs thinwire the right to read and write it',
  EPERM: 'give the user that runs thinwire the right to read and write it',
  EISDIR: 'name a file, not a folder',
  ENOTFILE: 'name a regular file',
  EFBIG: 'name a key file; this file is far too large',
  ENOTDIR: 'a part of its path is a file, not a folder',
  ENOENT: 'put it back, or restart to continue without its keys',
  EMPTIED: 'put its lines back, or restart to continue without its keys',
  ENOSPC: 'make room on the disk',
  EROFS: 'move it to a disk that can be written to',
}

/**
 * Reads a key file. @returns null if there is none
 * @throws {KeyringError} `unreadable`
 */
export function readIfExists(file: string): KeyFileText | null {
  try {
    const fingerprint = fingerprintKeyFile(statSync(file, { bigint: true }))
    return { fingerprint, text: readFileSync(file, 'utf8') }
  } catch (cause) {
    if (readErrorCode(cause) === 'ENOENT') return null
    throw createFileError('unreadable', file, cause)
  }
}

/**
 * Appends lines in one write and syncs them. With O_APPEND two writers do not overwrite each other.
 * @param lines without line ends
 * @throws {KeyringError} `unwritable`
 */
export function appendLines(file: string, lines: readonly string[]): void {
  try {
    const isNew = !existsSync(file)
    if (isNew) mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const fd = openSync(file, 'a+', 0o600)
    try {
      // After a partial write (a full disk) the new line would join the broken one, and both would be lost.
      const bytes = Buffer.from(`${lacksLineEnd(fd) ? '\n' : ''}${lines.join('\n')}\n`)
      if (writeSync(fd, bytes) < bytes.length) throw createCodedError('ENOSPC')
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    if (isNew) syncFolder(dirname(file))
  } catch (cause) {
    throw createFileError('unwritable', file, cause)
  }
}

function lacksLineEnd(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== LF
}

/**
 * Makes a text that differs whenever the file has changed. It has the ctime, for a change that keeps size and mtime
 * (`cp -p`) and for new permissions, and nanoseconds, because two changes within one millisecond do happen.
 * @param keyCount the number of keys that were read before. A file that only grows does not become empty: it was
 * truncated, perhaps by an editor that is about to write it again. This counts as a deleted file; else everybody
 * would be locked out.
 * @throws an error with a code if it is not a file that can be read as one. Reading a pipe would wait forever.
 */
export function fingerprintKeyFile(stats: BigIntStats, keyCount = 0): string {
  if (stats.isDirectory()) throw createCodedError('EISDIR')
  if (!stats.isFile()) throw createCodedError('ENOTFILE')
  if (stats.size > KEY_FILE_MAX_BYTES) throw createCodedError('EFBIG')
  if (stats.size === 0n && keyCount > 0) throw createCodedError('EMPTIED')
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

/** Makes the error of a file operation, with a remedy for its code. @param cause the system's error */
export function createFileError(
  kind: 'unreadable' | 'unwritable',
  file: string,
  cause: unknown,
): KeyringError {
  const code = readErrorCode(cause)
  const verb = kind === 'unreadable' ? 'read' : 'write'
  const remedy = REMEDIES[code] ?? 'check that it is a file that thinwire may use'
  return new KeyringError(kind, `cannot ${verb} key file ${file} (${code}): ${remedy}`, { cause })
}

function createCodedError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

import { closeSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { readErrorCode } from '../lib/error-code.js'
import { KeyringError } from './keyfile.js'

/** A change takes a few milliseconds: a lock that is older was left behind by a command that was killed. */
const STALE_MS = 5_000

const RETRY_MS = 20

/**
 * Runs an action while no other command changes the same file: each change depends on what the file says. The lock is a
 * file beside it. Where none can be made, such as in a folder that may not be written to, it does without.
 * @throws {KeyringError} `unwritable` if another command holds the lock for too long
 */
export function withLock<T>(file: string, act: () => T): T {
  const lock = `${file}.lock`
  const isLocked = acquire(lock)
  try {
    return act()
  } finally {
    if (isLocked) remove(lock)
  }
}

function acquire(lock: string): boolean {
  const since = Date.now()
  let code = create(lock)
  if (code === 'ENOENT' && makeFolder(dirname(lock))) code = create(lock)
  for (; code !== null; code = create(lock)) {
    if (code !== 'EEXIST') return false
    if (ageOf(lock) > STALE_MS) remove(lock)
    else if (Date.now() - since > 2 * STALE_MS)
      throw new KeyringError(
        'unwritable',
        `another command is changing the key file; if none is, delete ${lock}`,
      )
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
  }
  return true
}

/** @returns the error code; null if the file was created */
function create(lock: string): string | null {
  try {
    closeSync(openSync(lock, 'wx', 0o600))
    return null
  } catch (error) {
    return readErrorCode(error)
  }
}

function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return true
  } catch {
    return false
  }
}

/** Milliseconds since a lock was made; 0 if it is gone. */
function ageOf(lock: string): number {
  try {
    return Date.now() - statSync(lock).mtimeMs
  } catch {
    return 0
  }
}

function remove(lock: string): void {
  try {
    unlinkSync(lock)
  } catch {
    // Another command has removed it.
  }
}

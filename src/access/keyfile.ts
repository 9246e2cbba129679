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
import { isObject } from '../json/values.js'
import { LF } from '../lib/bytes.js'
import { readErrorCode } from '../lib/error-code.js'
import { deriveKeyId, findPartFlaw } from './key.js'

/*
 * The key file: one JSON object a line, only ever appended to. It holds no keys, only their hashes.
 *
 *   {"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"issued","id":"k_…","hash":"…","env":"prod","team":"a","user":"b"}
 *   {"v":1,"ts":"2026-02-01T09:00:00.000Z","op":"changed","id":"k_…","team":"c"}
 *   {"v":1,"ts":"2026-03-01T09:00:00.000Z","op":"revoked","id":"k_…"}
 */

/** One issued key. The keyring keeps the same object for a key, so that counters can be kept by it. */
export interface KeyRecord {
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  /** ISO 8601, UTC. */
  readonly issuedAt: string
  /** ISO 8601, UTC; null while the key is valid. */
  revokedAt: string | null
  /** ISO 8601, UTC: the key is valid before it; null if it does not expire. */
  expiresAt: string | null
  /** Patterns of the models that the key may use, `*` matches anything; null for all models. */
  models: readonly string[] | null
  /** Addresses and networks from which the key may be used; null for all. */
  addresses: readonly string[] | null
}

/** A key record while its file is read. */
export type MutableKeyRecord = { -readonly [field in keyof KeyRecord]: KeyRecord[field] }

/** The content of a key file. */
export interface ParsedKeyFile {
  readonly byHash: Map<string, MutableKeyRecord>
  readonly byId: Map<string, MutableKeyRecord>
  /** One sentence for each skipped line. It never repeats the line, which may be a key put there by mistake. */
  readonly flaws: string[]
  /** The last line, if it is no JSON and has no line end: it is being written, or was torn. Null if there is none. */
  tornLine: number | null
}

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
 * Appends one line in one write and syncs it. With O_APPEND two writers do not overwrite each other.
 * @throws {KeyringError} `unwritable`
 */
export function appendEntry(file: string, line: Record<string, string | number>): void {
  try {
    const isNew = !existsSync(file)
    if (isNew) mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const fd = openSync(file, 'a+', 0o600)
    try {
      // After a partial write (a full disk) the new line would join the broken one, and both would be lost.
      const bytes = Buffer.from(`${lacksLineEnd(fd) ? '\n' : ''}${JSON.stringify(line)}\n`)
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
 * A new file is on disk only when its folder is: without this a power failure may take the file and its synced bytes.
 */
function syncFolder(folder: string): void {
  let fd: number | null = null
  try {
    fd = openSync(folder, 'r')
    fsyncSync(fd)
  } catch {
    // Windows cannot do this, and some file systems refuse it. The line is written: an error here would lose its key.
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** Parses a key file. Never throws: a line that it does not understand is skipped and named in `flaws`. */
export function parseKeyFile(text: string): ParsedKeyFile {
  const parsed: ParsedKeyFile = { byHash: new Map(), byId: new Map(), flaws: [], tornLine: null }
  // Applied at the end: in a file that was joined from two, a revocation may stand before its key and still counts.
  const revocations = new Map<string, { at: string | null; line: number }>()
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (line.trim() === '') continue
    let fields: unknown
    try {
      fields = JSON.parse(line)
    } catch {
      // The last line without a line end may still be in the middle of a write. If it is whole it counts already: an
      // editor may write no line end, and no part of a JSON object is a JSON object itself.
      if (i < lines.length - 1) parsed.flaws.push(`line ${i + 1} was skipped: it is not JSON`)
      else parsed.tornLine = i + 1
      continue
    }
    const flaw = isObject(fields) ? applyLine(fields, parsed, revocations, i + 1) : 'it is not a JSON object'
    if (flaw !== null) parsed.flaws.push(`line ${i + 1} was skipped: ${flaw}`)
  }
  for (const [id, { at, line }] of revocations) {
    const entry = parsed.byId.get(id)
    if (entry !== undefined) entry.revokedAt = at ?? entry.issuedAt
    else parsed.flaws.push(`line ${line} was skipped: it revokes a key that was not issued here`)
  }
  return parsed
}

function applyLine(
  fields: Record<string, unknown>,
  parsed: ParsedKeyFile,
  revocations: Map<string, { at: string | null; line: number }>,
  line: number,
): string | null {
  const { v, ts, op, id, hash, env, team, user } = fields
  if (v !== 1) return 'its "v" is not 1; it may come from a newer version'
  if (typeof id !== 'string') return 'it has no "id"'
  const at = formatInstant(ts)
  if (op === 'revoked') {
    // A revocation with a broken date revokes all the same: that is the safe side.
    if (!revocations.has(id)) revocations.set(id, { at, line })
    return null
  }
  if (op === 'changed') {
    const entry = parsed.byId.get(id)
    if (entry === undefined) return 'it changes a key that was not issued before it'
    if (isPart(env)) entry.env = env
    if (isPart(team)) entry.team = team
    if (isPart(user)) entry.user = user
    return null
  }
  if (op !== 'issued') return 'its "op" is not issued, changed or revoked'
  if (at === null) return 'its "ts" is not a date'
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return 'its "hash" is not a SHA-256 in hex'
  if (id !== deriveKeyId(hash)) return 'its "id" does not belong to its "hash"'
  if (!isPart(env) || !isPart(team) || !isPart(user))
    return 'its "env", "team" or "user" has characters that a key cannot have'
  if (parsed.byHash.has(hash)) return null
  if (parsed.byId.has(id)) return 'its "id" is taken by another key'
  const entry: MutableKeyRecord = {
    id,
    env,
    team,
    user,
    issuedAt: at,
    revokedAt: null,
    expiresAt: null,
    models: null,
    addresses: null,
  }
  parsed.byHash.set(hash, entry)
  parsed.byId.set(id, entry)
  return null
}

function isPart(value: unknown): value is string {
  return typeof value === 'string' && findPartFlaw(value) === null
}

/**
 * Formats the date again: Date.parse accepts odd texts, and these are printed in terminals.
 * @returns null if it is no date
 */
function formatInstant(value: unknown): string | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
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

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
import { deriveKeyId, findKeyFlaw } from './key.js'

/*
 * The key file: one JSON object a line, only ever appended to. It holds no keys, only their hashes.
 *
 *   {"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"issued","id":"k_…","hash":"…","env":"prod","team":"a","user":"b"}
 *   {"v":1,"ts":"2026-02-01T09:00:00.000Z","op":"changed","id":"k_…","team":"c"}
 *   {"v":1,"ts":"2026-03-01T09:00:00.000Z","op":"revoked","id":"k_…"}
 */

/** What is known of one issued key. The same key is the same object for as long as the ring holds it. */
export interface KeyRecord {
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  /** ISO 8601, UTC. */
  readonly issuedAt: string
  /** ISO 8601, UTC; null while the key is good. */
  revokedAt: string | null
}

export type Entry = { -readonly [field in keyof KeyRecord]: KeyRecord[field] }

export interface Reading {
  /** By hash. */
  readonly entries: Map<string, Entry>
  readonly byId: Map<string, Entry>
  /** One sentence for each line that was skipped; never a line's content, which may be a key put there by mistake. */
  readonly flaws: string[]
}

/** A file's text, and what the file looked like just before it was read. */
export interface Found {
  readonly look: string
  readonly text: string
}

export type KeyringErrorCode =
  | 'unreadable'
  | 'unwritable'
  | 'bad_key'
  | 'unknown_key'
  | 'ambiguous_key'
  | 'already_revoked'

/** The key file or a key in it cannot be used. One line that says what to do; `cause` is the system's own error. */
export class KeyringError extends Error {
  readonly code: KeyringErrorCode

  constructor(code: KeyringErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyringError'
    this.code = code
  }
}

/** Some 250,000 keys. Beyond it is not a key file, but a path that names something else. */
const LARGEST_FILE = 64n * 1024n * 1024n
const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs thinwire the right to read and write it',
  EPERM: 'give the user that runs thinwire the right to read and write it',
  EISDIR: 'name a file, not a folder',
  ENOTFILE: 'name a regular file',
  EFBIG: 'name a key file; this one is far too large to be one',
  ENOTDIR: 'a part of its path is a file, not a folder',
  ENOENT: 'put it back, or restart to go on without its keys',
  EMPTIED: 'put its lines back, or restart to go on without its keys',
  ENOSPC: 'make room on the disk',
  EROFS: 'move it to a disk that can be written to',
}

export function readIfExists(file: string): Found | null {
  try {
    return { look: inspectKeyFile(statSync(file, { bigint: true })), text: readFileSync(file, 'utf8') }
  } catch (cause) {
    if (findErrorCode(cause) === 'ENOENT') return null
    throw createFileError('unreadable', file, cause)
  }
}

/** Appends one whole line in one write (O_APPEND: of two writers at once neither overwrites the other) and syncs it. */
export function appendEntry(file: string, line: Record<string, string | number>): void {
  try {
    const fresh = !existsSync(file)
    if (fresh) mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const fd = openSync(file, 'a+', 0o600)
    try {
      // After a write that was cut short (a full disk) the line would be glued to the torn one, and both be lost.
      const bytes = Buffer.from(`${endsTorn(fd) ? '\n' : ''}${JSON.stringify(line)}\n`)
      if (writeSync(fd, bytes) < bytes.length) throw coded('ENOSPC')
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    if (fresh) syncFolder(dirname(file))
  } catch (cause) {
    throw createFileError('unwritable', file, cause)
  }
}

function endsTorn(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== LF
}

/** A new file is on disk only when its folder is: without this a power cut may take the file with its synced bytes. */
function syncFolder(folder: string): void {
  let fd: number | null = null
  try {
    fd = openSync(folder, 'r')
    fsyncSync(fd)
  } catch {
    // Windows has no such thing, and some file systems refuse it. The line is written; failing would lose its key.
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** Reads the lines of a key file. Never throws; what is not understood is skipped and named. */
export function parseKeyFile(text: string): Reading {
  const reading: Reading = { entries: new Map(), byId: new Map(), flaws: [] }
  // Applied at the end: in a file joined from two, a revocation may stand before the key, and has to hold all the same.
  const revocations = new Map<string, { at: string | null; line: number }>()
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (line.trim() === '') continue
    let fields: unknown
    try {
      fields = JSON.parse(line)
    } catch {
      // The last line, with no line end yet, is still being written. If it is whole already it counts, for a hand-made
      // revocation in an editor that ends no line: no beginning of a JSON object is itself one.
      if (i < lines.length - 1) reading.flaws.push(`line ${i + 1} was skipped: it is not JSON`)
      continue
    }
    const flaw = isObject(fields) ? apply(fields, reading, revocations, i + 1) : 'it is not a JSON object'
    if (flaw !== null) reading.flaws.push(`line ${i + 1} was skipped: ${flaw}`)
  }
  for (const [id, { at, line }] of revocations) {
    const entry = reading.byId.get(id)
    if (entry !== undefined) entry.revokedAt = at ?? entry.issuedAt
    else reading.flaws.push(`line ${line} was skipped: it revokes a key that was not issued here`)
  }
  return reading
}

function apply(
  fields: Record<string, unknown>,
  reading: Reading,
  revocations: Map<string, { at: string | null; line: number }>,
  line: number,
): string | null {
  const { v, ts, op, id, hash, env, team, user } = fields
  if (v !== 1) return 'its "v" is not 1; it may come from a newer version'
  if (typeof id !== 'string') return 'it has no "id"'
  const at = instant(ts)
  if (op === 'revoked') {
    // A revocation whose date is broken revokes; when in doubt the door is shut.
    if (!revocations.has(id)) revocations.set(id, { at, line })
    return null
  }
  if (op === 'changed') {
    const entry = reading.byId.get(id)
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
    return 'its "env", "team" or "user" cannot stand in a key'
  if (reading.entries.has(hash)) return null
  if (reading.byId.has(id)) return 'its "id" is taken by another key'
  const entry: Entry = { id, env, team, user, issuedAt: at, revokedAt: null }
  reading.entries.set(hash, entry)
  reading.byId.set(id, entry)
  return null
}

function isPart(value: unknown): value is string {
  return typeof value === 'string' && findKeyFlaw(value) === null
}

/** Written anew rather than kept: Date.parse takes odd texts, and these are printed in terminals. */
function instant(value: unknown): string | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}

/**
 * All that tells two states of a file apart. The ctime is in it for a change that keeps size and mtime (`cp -p`), and
 * for new permissions; nanoseconds, as two changes within one millisecond do happen.
 * @param held the number of keys read from it before. A file that only grows does not become empty: it was truncated,
 * perhaps by an editor that is about to write it again. That is taken for a deleted file, or everybody would be
 * locked out without a word.
 * @throws what reading it would throw, or worse: reading a pipe would wait forever.
 */
export function inspectKeyFile(stats: BigIntStats, held = 0): string {
  if (stats.isDirectory()) throw coded('EISDIR')
  if (!stats.isFile()) throw coded('ENOTFILE')
  if (stats.size > LARGEST_FILE) throw coded('EFBIG')
  if (stats.size === 0n && held > 0) throw coded('EMPTIED')
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

export function createFileError(
  kind: 'unreadable' | 'unwritable',
  file: string,
  cause: unknown,
): KeyringError {
  const code = findErrorCode(cause)
  const verb = kind === 'unreadable' ? 'read' : 'write'
  const remedy = REMEDIES[code] ?? 'see that it is a file that thinwire may use'
  return new KeyringError(kind, `cannot ${verb} key file ${file} (${code}): ${remedy}`, { cause })
}

export function findErrorCode(err: unknown): string {
  if (err instanceof Error && 'code' in err && typeof err.code === 'string') return err.code
  return 'unknown'
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
}

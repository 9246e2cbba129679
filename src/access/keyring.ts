import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { readErrorCode } from '../lib/error-code.js'
import { ignore } from '../lib/ignore.js'
import { deriveKeyId, hashKey, inspectKey, type KeyOwner, mintKey } from './key.js'
import {
  appendEntry,
  createFileError,
  fingerprintKeyFile,
  type KeyFileText,
  type KeyRecord,
  KeyringError,
  type MutableKeyRecord,
  type ParsedKeyFile,
  parseKeyFile,
  readIfExists,
} from './keyfile.js'

export { type KeyRecord, KeyringError } from './keyfile.js'

/** How the key file is read again, and the callbacks for it. */
export interface KeyringOptions {
  /** Milliseconds between two checks of the file. Default 500: a change takes effect within a second. */
  readonly pollMs?: number
  /**
   * Called once when the file becomes unreadable, and once for each broken line. The message is one line, safe to
   * log.
   */
  readonly onProblem?: (message: string) => void
  /** Called after each reading but the first, with the number of keys, revoked ones included. */
  readonly onReload?: (count: number) => void
}

const POLL_MS = 500
/** Broken lines that one reading reports: a binary file in this place must not flood the log. */
const FLAWS_MAX = 10

/**
 * The current keys: read from the key file, and again whenever it changes.
 *
 * The file is polled, not watched: inotify does not work on network and overlay file systems and loses a file that is
 * replaced, and one stat in half a second costs nothing. A file that cannot be read changes nothing: the keys that
 * were read before stay valid, and the problem is reported.
 */
export class Keyring {
  readonly #file: string
  readonly #pollMs: number
  readonly #onProblem: (message: string) => void
  readonly #onReload: (count: number) => void
  #byHash = new Map<string, MutableKeyRecord>()
  /** Fingerprint of the file when it was last read; empty before. */
  /** See `ParsedKeyFile`; null once it was reported. */
  #tornLine: number | null = null
  #fingerprint = ''
  /** The error code that was last reported, so that a lasting problem is reported once and not twice a second. */
  #errorCode: string | null = null
  /** The broken lines of the last reading, which the next one does not report again. */
  #flaws: ReadonlySet<string> = new Set()
  /** Counts calls of `reload`, so that a poll that began before such a call does not bring older keys back. */
  #reloads = 0
  #timer: NodeJS.Timeout | null = null
  #closed = false

  private constructor(file: string, options: KeyringOptions) {
    this.#file = file
    this.#pollMs = options.pollMs ?? POLL_MS
    this.#onProblem = options.onProblem ?? ignore
    this.#onReload = options.onReload ?? ignore
  }

  /**
   * Reads the key file synchronously, and again on each change until `close`. A missing file is an empty keyring.
   * @throws {KeyringError} `unreadable` if it exists and cannot be read as a file
   */
  static open(file: string, options: KeyringOptions = {}): Keyring {
    const ring = new Keyring(file, options)
    const found = readIfExists(file)
    if (found !== null) ring.#accept(found)
    ring.#schedule()
    return ring
  }

  /** Finds a key by its hash, also a revoked one. */
  find(hash: string): KeyRecord | undefined {
    return this.#byHash.get(hash)
  }

  /** Lists all keys in the order in which they were issued, revoked ones included. */
  list(): KeyRecord[] {
    return [...this.#byHash.values()]
  }

  /** The number of keys ever issued, revoked ones included. */
  get size(): number {
    return this.#byHash.size
  }

  /** Reads the file now, synchronously: for a key that this process has just issued or revoked. */
  reload(): void {
    if (this.#closed) return
    this.#reloads++
    let found: KeyFileText
    try {
      const stats = statSync(this.#file, { bigint: true })
      found = { fingerprint: fingerprintKeyFile(stats, this.size), text: readFileSync(this.#file, 'utf8') }
    } catch (err) {
      this.#report(err)
      return
    }
    this.#accept(found)
    this.#onReload(this.size)
  }

  /** Stops the polling. The keys stay as they are. */
  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** One poll at a time: the next timer is set when this poll is over, however long a slow disk takes. */
  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#poll(), this.#pollMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    const reloads = this.#reloads
    let found: KeyFileText | null = null
    let failure: unknown = null
    try {
      // The fingerprint comes before the bytes: the next poll sees a change that was written in between.
      const fingerprint = fingerprintKeyFile(await stat(this.#file, { bigint: true }), this.size)
      const changed = fingerprint !== this.#fingerprint || this.#errorCode !== null
      if (changed) found = { fingerprint, text: await readFile(this.#file, 'utf8') }
    } catch (err) {
      failure = err
    }
    if (this.#closed) return
    const overtaken = reloads !== this.#reloads
    if (failure !== null && !overtaken) this.#report(failure)
    if (failure === null && found === null && !overtaken) this.#reportTorn()
    if (found !== null && !overtaken) {
      this.#accept(found)
      this.#onReload(this.size)
    }
    this.#schedule()
  }

  /** Updates the records that exist already in place: counters may be kept by them. */
  #accept({ fingerprint, text }: KeyFileText): void {
    const parsed = parseKeyFile(text)
    const byHash = new Map<string, MutableKeyRecord>()
    const revoked = this.list().filter(({ revokedAt }) => revokedAt !== null)
    for (const [hash, entry] of parsed.byHash) {
      const known = this.#byHash.get(hash)
      byHash.set(hash, known === undefined ? entry : Object.assign(known, entry))
    }
    this.#warnOfOlder(byHash, revoked)
    this.#tornLine = parsed.tornLine
    this.#byHash = byHash
    this.#fingerprint = fingerprint
    this.#errorCode = null

    const known = this.#flaws
    this.#flaws = new Set(parsed.flaws)
    const fresh = parsed.flaws.filter((flaw) => !known.has(flaw))
    for (const flaw of fresh.slice(0, FLAWS_MAX)) this.#onProblem(`key file ${this.#file}, ${flaw}`)
    if (fresh.length > FLAWS_MAX) {
      this.#onProblem(`key file ${this.#file}: further lines were skipped (${fresh.length - FLAWS_MAX})`)
    }
  }

  /** A file that was put back from a backup has lost keys or revocations. @param revoked the keys that were revoked */
  #warnOfOlder(byHash: ReadonlyMap<string, KeyRecord>, revoked: readonly KeyRecord[]): void {
    const lost = [...this.#byHash.keys()].filter((hash) => !byHash.has(hash)).length
    const valid = revoked.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id)
    if (lost > 0)
      this.#onProblem(
        `key file ${this.#file} has lost keys (${lost}): they are refused from now on. It may be an older copy`,
      )
    if (valid.length > 0)
      this.#onProblem(
        `key file ${this.#file} has lost revocations: ${valid.slice(0, FLAWS_MAX).join(', ')}${valid.length > FLAWS_MAX ? ', …' : ''} (${valid.length}) are valid again. It may be an older copy: revoke them again`,
      )
  }

  /** A line that is being written is whole at the next poll; one that is not was torn. */
  #reportTorn(): void {
    if (this.#tornLine === null) return
    this.#onProblem(
      `key file ${this.#file}, line ${this.#tornLine} was skipped: it is not complete, perhaps after a full disk or a crash`,
    )
    this.#tornLine = null
  }

  #report(err: unknown): void {
    const code = readErrorCode(err)
    // A file that never existed is an empty keyring, not a problem.
    if (code === 'ENOENT' && this.#fingerprint === '') return
    if (code === this.#errorCode) return
    this.#errorCode = code
    const { message } = createFileError('unreadable', this.#file, err)
    this.#onProblem(`${message}; until then the keys that were read before stay valid (${this.size})`)
  }
}

/**
 * Issues a key and appends its hash to the key file, which is synced before this returns. Nobody can get the key back
 * from the file. A missing file or folder is created, readable by this user only.
 * @throws {KeyFormatError} for a wrong owner, {KeyringError} if the file cannot be used
 */
export function issueKey(
  file: string,
  owner: KeyOwner,
  now: () => number = Date.now,
): { key: string; record: KeyRecord } {
  const { byId } = parseKeyFile(readIfExists(file)?.text ?? '')
  let key = mintKey(owner)
  // An id is 40 bits of the hash. If two keys had the same id, neither could be revoked by it.
  while (byId.has(deriveKeyId(hashKey(key)))) key = mintKey(owner)
  const hash = hashKey(key)
  const id = deriveKeyId(hash)
  const ts = new Date(now()).toISOString()
  const { env, team, user } = owner
  appendEntry(file, { v: 1, ts, op: 'issued', id, hash, env, team, user })
  return {
    key,
    record: {
      id,
      env,
      team,
      user,
      issuedAt: ts,
      revokedAt: null,
      expiresAt: null,
      models: null,
      addresses: null,
    },
  }
}

/**
 * Revokes a key. @param idOrKey its id, the beginning of its id if no other id begins with it, or the key itself
 * @throws {KeyringError} `unknown_key`, `ambiguous_key`, `already_revoked`, `bad_key`, or if the file cannot be used
 */
export function revokeKey(file: string, idOrKey: string, now: () => number = Date.now): KeyRecord {
  const entry = findEntry(parseKeyFile(readIfExists(file)?.text ?? ''), file, idOrKey)
  if (entry.revokedAt !== null) {
    throw new KeyringError('already_revoked', `${entry.id} is revoked already, since ${entry.revokedAt}`)
  }
  entry.revokedAt = new Date(now()).toISOString()
  appendEntry(file, { v: 1, ts: entry.revokedAt, op: 'revoked', id: entry.id })
  return entry
}

/** No message repeats the argument unless it looks like an id: it may be most of a key. */
function findEntry(parsed: ParsedKeyFile, file: string, idOrKey: string): MutableKeyRecord {
  const inspected = inspectKey(idOrKey)
  if (typeof inspected !== 'string') {
    const entry = parsed.byHash.get(hashKey(idOrKey))
    if (entry !== undefined) return entry
    throw new KeyringError('unknown_key', `this key is not in ${file}; see: thinwire keys list`)
  }
  if (inspected === 'mistyped') {
    throw new KeyringError(
      'bad_key',
      'this key is incomplete or mistyped (its length or checksum is wrong); give its id instead',
    )
  }
  if (!/^k_[0-9a-f]{1,10}$/.test(idOrKey)) {
    throw new KeyringError(
      'bad_key',
      'give an id such as k_0123456789 (thinwire keys list shows them) or the whole key',
    )
  }
  const alike = [...parsed.byId.values()].filter((entry) => entry.id.startsWith(idOrKey))
  const [first, ...others] = alike
  if (first === undefined) {
    throw new KeyringError('unknown_key', `no key in ${file} has an id that begins with ${idOrKey}`)
  }
  if (others.length > 0) {
    const ids = alike.slice(0, 5).map((entry) => entry.id)
    throw new KeyringError(
      'ambiguous_key',
      `${alike.length} ids begin with ${idOrKey}: ${ids.join(', ')}${alike.length > 5 ? ', …' : ''}; give more of it`,
    )
  }
  return first
}

import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { ignore } from '../lib/ignore.js'
import { deriveKeyId, hashKey, inspectKey, type KeyOwner, mintKey } from './key.js'
import {
  appendEntry,
  createFileError,
  type Entry,
  type Found,
  findErrorCode,
  inspectKeyFile,
  type KeyRecord,
  KeyringError,
  parseKeyFile,
  type Reading,
  readIfExists,
} from './keyfile.js'

export { type KeyRecord, KeyringError, type KeyringErrorCode } from './keyfile.js'

export interface KeyringOptions {
  /** Milliseconds between two looks at the file. Default 500: a change has effect within a second. */
  readonly pollMs?: number
  /** Told once when the file stops being readable, and once for each broken line. One line, safe to log. */
  readonly onProblem?: (message: string) => void
  /** Told after each reading but the first, with the number of keys, revoked ones included. */
  readonly onReload?: (count: number) => void
}

const POLL_MS = 500
/** Broken lines named after one reading; a binary file in this place must not flood the log. */
const MOST_FLAWS = 10

/**
 * The keys that are in force, read from the key file and again whenever it changes.
 *
 * It polls rather than watches: inotify says nothing on network and overlay file systems and loses a file that is
 * replaced, and one stat in half a second costs nothing. What cannot be read never opens and never closes a door:
 * the keys read before stay in force, and the problem is reported.
 */
export class Keyring {
  readonly #file: string
  readonly #pollMs: number
  readonly #onProblem: (message: string) => void
  readonly #onReload: (count: number) => void
  #entries = new Map<string, Entry>()
  /** What the file looked like when it was last read in full; another look means that it has changed. */
  #look = ''
  /** The error code that was last reported, so that a lasting problem is reported once and not twice a second. */
  #trouble: string | null = null
  /** The broken lines of the last reading, which the next one does not report again. */
  #flaws: ReadonlySet<string> = new Set()
  /** Counts calls of `reload`, so that a poll that was overtaken by one does not put older keys back. */
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
   * Reads the key file, synchronously, and keeps reading it until `close`. A missing file is an empty ring.
   * @throws {KeyringError} `unreadable` if something is there that cannot be read as a file.
   */
  static open(file: string, options: KeyringOptions = {}): Keyring {
    const ring = new Keyring(file, options)
    const found = readIfExists(file)
    if (found !== null) ring.#accept(found)
    ring.#schedule()
    return ring
  }

  /** The key with this hash, also if it was revoked. */
  find(hash: string): KeyRecord | undefined {
    return this.#entries.get(hash)
  }

  /** All keys in the order in which they were issued, revoked ones included. */
  list(): KeyRecord[] {
    return [...this.#entries.values()]
  }

  /** The number of keys ever issued, revoked ones included. */
  get size(): number {
    return this.#entries.size
  }

  /** Reads the file now, synchronously; for a key that this process has just issued or revoked. */
  reload(): void {
    if (this.#closed) return
    this.#reloads++
    let found: Found
    try {
      const stats = statSync(this.#file, { bigint: true })
      found = { look: inspectKeyFile(stats, this.size), text: readFileSync(this.#file, 'utf8') }
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

  /** One look at a time: the next timer is set when this look is over, however long a slow disk takes for it. */
  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#poll(), this.#pollMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    const reloads = this.#reloads
    let found: Found | null = null
    let failed: unknown = null
    try {
      // The look is taken before the bytes: what is written in between is seen as a change by the next poll.
      const look = inspectKeyFile(await stat(this.#file, { bigint: true }), this.size)
      const changed = look !== this.#look || this.#trouble !== null
      if (changed) found = { look, text: await readFile(this.#file, 'utf8') }
    } catch (err) {
      failed = err
    }
    if (this.#closed) return
    const overtaken = reloads !== this.#reloads
    if (failed !== null && !overtaken) this.#report(failed)
    if (found !== null && !overtaken) {
      this.#accept(found)
      this.#onReload(this.size)
    }
    this.#schedule()
  }

  /** Takes the new keys over into the records that are there already: live counters may hang on them. */
  #accept({ look, text }: Found): void {
    const reading = parseKeyFile(text)
    const entries = new Map<string, Entry>()
    for (const [hash, entry] of reading.entries) {
      const known = this.#entries.get(hash)
      entries.set(hash, known === undefined ? entry : Object.assign(known, entry))
    }
    this.#entries = entries
    this.#look = look
    this.#trouble = null

    const known = this.#flaws
    this.#flaws = new Set(reading.flaws)
    const fresh = reading.flaws.filter((flaw) => !known.has(flaw))
    for (const flaw of fresh.slice(0, MOST_FLAWS)) this.#onProblem(`key file ${this.#file}, ${flaw}`)
    if (fresh.length > MOST_FLAWS) {
      this.#onProblem(`key file ${this.#file}: further lines were skipped (${fresh.length - MOST_FLAWS})`)
    }
  }

  #report(err: unknown): void {
    const code = findErrorCode(err)
    // A file that was never there is an empty ring, not a problem.
    if (code === 'ENOENT' && this.#look === '') return
    if (code === this.#trouble) return
    this.#trouble = code
    const { message } = createFileError('unreadable', this.#file, err)
    this.#onProblem(`${message}; until then the keys read before stay in force (${this.size})`)
  }
}

/**
 * Issues a key: appends its hash to the key file, on disk before this returns, and gives the key, which nobody can
 * ever get back from the file. File and folder are made if they are missing, for this user only.
 * @throws {KeyFormatError} for an owner that cannot stand in a key, {KeyringError} if the file cannot be used.
 */
export function issueKey(
  file: string,
  owner: KeyOwner,
  now: () => number = Date.now,
): { key: string; record: KeyRecord } {
  const { byId } = parseKeyFile(readIfExists(file)?.text ?? '')
  let key = mintKey(owner)
  // An id is 40 bits of the hash: two may be alike, and then neither could be revoked by its id.
  while (byId.has(deriveKeyId(hashKey(key)))) key = mintKey(owner)
  const hash = hashKey(key)
  const id = deriveKeyId(hash)
  const ts = new Date(now()).toISOString()
  const { env, team, user } = owner
  appendEntry(file, { v: 1, ts, op: 'issued', id, hash, env, team, user })
  return { key, record: { id, env, team, user, issuedAt: ts, revokedAt: null } }
}

/**
 * Revokes a key, given its id, the start of its id if no other key's starts alike, or the key itself.
 * @throws {KeyringError} `unknown_key`, `ambiguous_key`, `already_revoked`, `bad_key`, or if the file cannot be used.
 */
export function revokeKey(file: string, idOrKey: string, now: () => number = Date.now): KeyRecord {
  const entry = pick(parseKeyFile(readIfExists(file)?.text ?? ''), file, idOrKey)
  if (entry.revokedAt !== null) {
    throw new KeyringError('already_revoked', `${entry.id} is revoked already, since ${entry.revokedAt}`)
  }
  entry.revokedAt = new Date(now()).toISOString()
  appendEntry(file, { v: 1, ts: entry.revokedAt, op: 'revoked', id: entry.id })
  return entry
}

/** No message repeats what was given unless it looks like an id: it may be most of a key. */
function pick(reading: Reading, file: string, idOrKey: string): Entry {
  const shape = inspectKey(idOrKey)
  if (typeof shape !== 'string') {
    const entry = reading.entries.get(hashKey(idOrKey))
    if (entry !== undefined) return entry
    throw new KeyringError(
      'unknown_key',
      `this key was not issued from ${file}; look it up with: thinwire keys list`,
    )
  }
  if (shape === 'mistyped') {
    throw new KeyringError(
      'bad_key',
      'this key has a typing error in it (its checksum is wrong); give its id instead',
    )
  }
  if (!/^k_[0-9a-f]{1,10}$/.test(idOrKey)) {
    throw new KeyringError(
      'bad_key',
      'give an id such as k_0123456789 (thinwire keys list shows them) or the whole key',
    )
  }
  const alike = [...reading.byId.values()].filter((entry) => entry.id.startsWith(idOrKey))
  const [first, ...others] = alike
  if (first === undefined) {
    throw new KeyringError('unknown_key', `no key in ${file} has an id that starts with ${idOrKey}`)
  }
  if (others.length > 0) {
    const ids = alike.slice(0, 5).map((entry) => entry.id)
    throw new KeyringError(
      'ambiguous_key',
      `${alike.length} ids start with ${idOrKey}: ${ids.join(', ')}${alike.length > 5 ? ', …' : ''}; give more of it`,
    )
  }
  return first
}

import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { readErrorCode } from '../lib/error-code.js'
import { ignore } from '../lib/ignore.js'
import { type KeyFileWatch, listSome } from './key-file-watch.js'
import { type KeyRecord, type MutableKey, parseKeyFile, type StoredKey } from './key-lines.js'
import { createFileError, fingerprintKeyFile, type KeyFileText, readIfExists } from './keyfile.js'

export { issueKey, revokeKey } from './key-changes.js'
export type { KeyRecord } from './key-lines.js'
export { KeyringError } from './keyfile.js'

/** How the key file is read again, and the callbacks for it. */
export interface KeyringOptions {
  /** Milliseconds between two checks of the file. Default 500: a change takes effect within a second. */
  readonly pollMs?: number
  /** Called with what is odd about the file: one line, safe to log. */
  readonly onProblem?: (message: string) => void
  /**
   * Called once when the file becomes unreadable, and once for each broken line; not given: `onProblem` is. The message
   * is one line, safe to log.
   */
  readonly onFault?: (message: string) => void
  /** Called after each reading but the first, with the number of keys, revoked ones included. */
  readonly onReload?: (count: number) => void
  /** Gets each reading of the file; closed with the keyring. */
  readonly watch?: KeyFileWatch
  /** Called after each look at the file, whether it has changed or not: keys may expire in the meantime. */
  readonly onPoll?: () => void
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
  readonly #onFault: (message: string) => void
  readonly #onReload: (count: number) => void
  readonly #watch: KeyFileWatch | null
  readonly #onPoll: () => void
  #byHash = new Map<string, MutableKey>()
  /** See `ParsedKeyFile`; null once it was reported. */
  #tornLine: number | null = null
  /** Fingerprint of the file when it was last read; empty before. */
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
    this.#onFault = options.onFault ?? this.#onProblem
    this.#onReload = options.onReload ?? ignore
    this.#watch = options.watch ?? null
    this.#onPoll = options.onPoll ?? ignore
  }

  /**
   * Reads the key file synchronously, and again on each change until `close`. A missing file is an empty keyring.
   * @throws {KeyringError} `unreadable` if it exists and cannot be read as a file
   */
  static open(file: string, options: KeyringOptions = {}): Keyring {
    const ring = new Keyring(file, options)
    const found = readIfExists(file)
    if (found !== null) ring.#accept(found)
    else ring.#watch?.onRead('', [])
    ring.#schedule()
    return ring
  }

  /** Finds a key by its hash, also a revoked one. */
  find(hash: string): KeyRecord | undefined {
    return this.#byHash.get(hash)
  }

  /** Lists all keys in the order in which they were issued, revoked ones included. */
  list(): StoredKey[] {
    return [...this.#byHash.values()]
  }

  /** All keys by their hashes, in the same order. */
  entries(): IterableIterator<[hash: string, key: StoredKey]> {
    return this.#byHash.entries()
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
    this.#watch?.close()
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
    this.#onPoll()
    this.#watch?.onPoll(() => this.list())
    this.#schedule()
  }

  /** Updates the records that exist already in place: counters may be kept by them, and open requests have them. */
  #accept({ fingerprint, text }: KeyFileText): void {
    const parsed = parseKeyFile(text)
    const byHash = new Map<string, MutableKey>()
    const restored: string[] = []
    for (const [hash, entry] of parsed.byHash) {
      const known = this.#byHash.get(hash)
      if (known !== undefined && known.revokedAt !== null && entry.revokedAt === null) restored.push(entry.id)
      byHash.set(hash, known === undefined ? entry : Object.assign(known, entry))
    }
    // A key whose lines are gone is not valid any more, for open requests either.
    let lost = 0
    for (const [hash, known] of this.#byHash) {
      if (byHash.has(hash)) continue
      known.revokedAt ??= new Date().toISOString()
      lost++
    }
    this.#byHash = byHash
    this.#tornLine = parsed.tornLine
    this.#warnOfOlder(lost, restored)
    this.#fingerprint = fingerprint
    this.#errorCode = null

    const known = this.#flaws
    this.#flaws = new Set(parsed.flaws)
    const fresh = parsed.flaws.filter((flaw) => !known.has(flaw))
    for (const flaw of fresh.slice(0, FLAWS_MAX)) this.#onFault(`key file ${this.#file}, ${flaw}`)
    if (fresh.length > FLAWS_MAX) {
      this.#onFault(`key file ${this.#file}: further lines were skipped (${fresh.length - FLAWS_MAX})`)
    }
    this.#watch?.onRead(text, this.list())
  }

  /** A file that was put back from a backup has lost keys or revocations. */
  #warnOfOlder(lost: number, restored: readonly string[]): void {
    if (lost > 0)
      this.#onProblem(
        `key file ${this.#file} has lost keys (${lost}): they are refused from now on; it may be an older copy`,
      )
    if (restored.length > 0)
      this.#onProblem(
        `key file ${this.#file}: keys that were revoked are valid again (${listSome(restored)}); it may be an older copy`,
      )
  }

  /** A line that is being written is whole at the next poll; one that is not was torn. */
  #reportTorn(): void {
    if (this.#tornLine === null) return
    this.#onFault(
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
    this.#onFault(`${message}; until then the keys that were read before stay valid (${this.size})`)
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { findUseFault } from '../access/key-limits.js'
import type { KeyRecord } from '../access/key-lines.js'

/** A session that nobody uses ends after this time; milliseconds. */
const IDLE_MS = 12 * 3_600_000

/** And each session after this one. */
const LONGEST_MS = 7 * 24 * 3_600_000

/** Most sessions of operators; the one that was used longest ago makes room. */
const MOST_OPERATORS = 100

/** Most sessions of one key, and of all keys. */
const MOST_OF_KEY = 8
const MOST_HOLDERS = 2_000

/** Somebody who has signed in. */
export interface PageSession {
  /** For the log and the audit; it opens nothing. */
  readonly name: string
  /** Of a holder; null for an operator. It is looked up each time, so it is as the key file has it now. */
  readonly key: KeyRecord | null
}

interface Entry {
  readonly name: string
  /** Hash of the key of a holder; null for an operator. */
  readonly keyHash: string | null
  readonly startedAt: number
  usedAt: number
}

export interface SessionsParts {
  /** Finds a key by its hash; undefined if there is none. */
  readonly findKey: (hash: string) => KeyRecord | undefined
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/**
 * Who is signed in. A session is a random text in a cookie, of which only the hash is kept. It ends when it was not
 * used for long, when the key of its holder may not be used any more, and when the token of the operators changes.
 */
export class Sessions {
  private readonly findKey: SessionsParts['findKey']
  private readonly now: () => number
  /** By the hash of their text; the one that was used longest ago first. */
  private readonly entries: Map<string, Entry>

  constructor({ findKey, now = Date.now }: SessionsParts) {
    this.findKey = findKey
    this.now = now
    this.entries = new Map()
  }

  /** @returns the text for the cookie */
  openForOperator(): string {
    this.makeRoom((entry) => entry.keyHash === null, MOST_OPERATORS)
    return this.open(null)
  }

  /** @param hash of the key @returns the text for the cookie */
  openForHolder(hash: string): string {
    this.makeRoom((entry) => entry.keyHash === hash, MOST_OF_KEY)
    this.makeRoom((entry) => entry.keyHash !== null, MOST_HOLDERS)
    return this.open(hash)
  }

  /**
   * Finds a session, and counts as its use.
   * @param text of the cookie
   * @param address of the client: some keys may be used from some addresses only
   * @returns null if there is none any more
   */
  find(text: string | null, address: string | null): PageSession | null {
    if (text === null || text.length > 100) return null
    const id = hashText(text)
    const entry = this.entries.get(id)
    if (entry === undefined) return null
    const now = this.now()
    if (now - entry.usedAt >= IDLE_MS || now - entry.startedAt >= LONGEST_MS) {
      this.entries.delete(id)
      return null
    }
    let key: KeyRecord | null = null
    if (entry.keyHash !== null) {
      key = this.findKey(entry.keyHash) ?? null
      if (key === null || findUseFault(key, address, now) !== null) {
        this.entries.delete(id)
        return null
      }
    }
    entry.usedAt = now
    this.entries.delete(id)
    this.entries.set(id, entry)
    return { name: entry.name, key }
  }

  end(text: string): void {
    this.entries.delete(hashText(text))
  }

  /** The token of the operators is another one. */
  endOperators(): void {
    for (const [id, { keyHash }] of this.entries) if (keyHash === null) this.entries.delete(id)
  }

  get size(): number {
    return this.entries.size
  }

  private open(keyHash: string | null): string {
    const text = randomBytes(32).toString('base64url')
    const now = this.now()
    const name = randomBytes(4).toString('hex')
    this.entries.set(hashText(text), { name, keyHash, startedAt: now, usedAt: now })
    return text
  }

  private makeRoom(counts: (entry: Entry) => boolean, most: number): void {
    let [oldest, count]: [string | null, number] = [null, 0]
    for (const [id, entry] of this.entries) {
      if (!counts(entry)) continue
      oldest ??= id
      count++
    }
    if (oldest !== null && count >= most) this.entries.delete(oldest)
  }
}

/** A look into the table takes no time that depends on how much of the text is right. */
function hashText(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

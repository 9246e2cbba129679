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

/** A session as another process gets it. It is known by the hash of its text. */
export type SentSession = readonly [
  id: string,
  name: string,
  keyHash: string | null,
  startedAt: number,
  usedAt: number,
]

/** Is told of sessions that are new, and of the ends of others. */
export interface SessionHeir {
  take(sessions: readonly SentSession[]): void
  end(id: string): void
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
  private heir: SessionHeir | null

  constructor({ findKey, now = Date.now }: SessionsParts) {
    this.findKey = findKey
    this.now = now
    this.entries = new Map()
    this.heir = null
  }

  /** @returns the text for the cookie */
  openForOperator(): string {
    return this.open(null)
  }

  /** @param hash of the key @returns the text for the cookie */
  openForHolder(hash: string): string {
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
      this.remove(id)
      return null
    }
    let key: KeyRecord | null = null
    if (entry.keyHash !== null) {
      key = this.findKey(entry.keyHash) ?? null
      if (key === null || findUseFault(key, address, now) !== null) {
        this.remove(id)
        return null
      }
    }
    entry.usedAt = now
    this.entries.delete(id)
    this.entries.set(id, entry)
    return { name: entry.name, key }
  }

  end(text: string): void {
    this.remove(hashText(text))
  }

  /** The token of the operators is another one. */
  endOperators(): void {
    for (const [id, { keyHash }] of this.entries) if (keyHash === null) this.remove(id)
  }

  /** From now on, another process is told of all sessions, those that there are at once; null: none is. */
  followBy(heir: SessionHeir | null): void {
    this.heir = heir
    if (heir !== null && this.entries.size > 0) heir.take([...this.entries].map(formatSession))
  }

  /** Takes over what another process has sent. It ends here when it would have ended there. */
  take(sessions: readonly SentSession[]): void {
    for (const [id, name, keyHash, startedAt, usedAt] of sessions) {
      if (this.entries.has(id)) continue
      this.makeRoomFor(keyHash)
      this.entries.set(id, { name, keyHash, startedAt, usedAt })
    }
  }

  /** Another process has ended a session. @param id the hash of its text */
  endSent(id: string): void {
    this.remove(id)
  }

  get size(): number {
    return this.entries.size
  }

  private open(keyHash: string | null): string {
    this.makeRoomFor(keyHash)
    const text = randomBytes(32).toString('base64url')
    const now = this.now()
    const name = randomBytes(4).toString('hex')
    const id = hashText(text)
    this.entries.set(id, { name, keyHash, startedAt: now, usedAt: now })
    this.heir?.take([[id, name, keyHash, now, now]])
    return text
  }

  private remove(id: string): void {
    if (this.entries.delete(id)) this.heir?.end(id)
  }

  private makeRoomFor(keyHash: string | null): void {
    if (keyHash === null) {
      this.makeRoom((entry) => entry.keyHash === null, MOST_OPERATORS)
      return
    }
    this.makeRoom((entry) => entry.keyHash === keyHash, MOST_OF_KEY)
    this.makeRoom((entry) => entry.keyHash !== null, MOST_HOLDERS)
  }

  private makeRoom(counts: (entry: Entry) => boolean, most: number): void {
    let [oldest, count]: [string | null, number] = [null, 0]
    for (const [id, entry] of this.entries) {
      if (!counts(entry)) continue
      oldest ??= id
      count++
    }
    if (oldest !== null && count >= most) this.remove(oldest)
  }
}

function formatSession([id, { name, keyHash, startedAt, usedAt }]: [string, Entry]): SentSession {
  return [id, name, keyHash, startedAt, usedAt]
}

/** A look into the table takes no time that depends on how much of the text is right. */
function hashText(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

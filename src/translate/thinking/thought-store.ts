import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { LRUCache } from 'lru-cache'
import { ConversationMemory, type PlacedCall, type ThoughtKeeper, type Turn } from './conversation-memory.js'
import type { Thought, ThoughtMemory } from './thought-memory.js'

/** What an entry costs beside its text, in bytes: its key and the objects. */
const ENTRY_BYTES = 200

/** Bounds of a store. */
export interface ThoughtBounds {
  readonly maxBytes: number
  /** Milliseconds that thinking is kept after it was last used. */
  readonly maxAgeMs: number
}

/** What a store tells, and asks, of its surroundings. */
export interface ThoughtStoreOptions {
  /** Thinking was forgotten early, as there was no room. */
  readonly onFull?: () => void
  /** The clock, in milliseconds. */
  readonly now?: () => number
}

/** Of so many forgotten entries it is still known that they were there. */
const MOST_FORGOTTEN = 20_000

/** Thinking, or a text: the turn that had a call with this id; '' if several had. */
export type ThoughtEntry = Thought | string

export type ThoughtFollower = (key: string, entry: ThoughtEntry) => void

/**
 * Keeps the thinking of tool turns in memory, for the next turn of the same conversation. It never goes to a disk: it
 * may repeat any part of a prompt.
 *
 * Upstreams make the same call ids in many chats: Kimi counts from 0 in each (`functions.read:0`), and some have the
 * same id in each response. So thinking is kept by the call id and all that was said ahead of the call's turn. Where
 * the user has edited that, it is found by the call id, the beginning of the chat and what is directly ahead of the
 * turn; where that was edited too, by the first two. Both only if no other turn had the same. Of two turns that cannot
 * be told apart, none gets the thinking of the other, even if one of them is forgotten.
 */
export class ThoughtStore implements ThoughtKeeper {
  private readonly entries: LRUCache<string, ThoughtEntry>
  /** Hashes of the keys of entries that are forgotten; null: none is. All of its memory is taken when it is made. */
  private forgotten: LRUCache<string, true> | null
  /** Gets each entry that is kept; null: nobody does. */
  private follower: ThoughtFollower | null

  constructor({ maxBytes, maxAgeMs }: ThoughtBounds, options: ThoughtStoreOptions = {}) {
    const { onFull, now = () => performance.now() } = options
    this.follower = null
    this.forgotten = null
    this.entries = new LRUCache({
      ...{ maxSize: maxBytes, ttl: maxAgeMs, updateAgeOnGet: true, ttlResolution: 0 },
      perf: { now },
      dispose: (entry, key, reason) => {
        if (reason === 'evict' || reason === 'expire') this.noteForgotten(key)
        if (reason === 'evict' && typeof entry !== 'string') onFull?.()
      },
      sizeCalculation: (entry, key) =>
        ENTRY_BYTES + key.length + (typeof entry === 'string' ? entry.length : entry.json.length),
    })
  }

  /** Bytes that are kept, for metrics. */
  get bytes(): number {
    return this.entries.calculatedSize
  }

  open(owner: string, body: Buffer): ThoughtMemory {
    return new ConversationMemory(body, {
      // Hashes are needed for nothing while nothing is kept.
      find: (call) => (this.entries.size === 0 ? null : this.find(owner, call())),
      remember: (turn, callId, thought) => this.remember(owner, turn, callId, thought),
      whenReady: () => null,
    })
  }

  /** @param owner see `open` @param call null if it is in no turn of the assistant's */
  find(owner: string, call: PlacedCall | null): Thought | null {
    if (call === null) return null
    const { id, turn, near, beginning } = call
    let entry = this.get(keyOf(owner, turn, id))
    for (const place of [near, beginning]) {
      if (entry !== null) break
      const other = this.get(keyOf(owner, place, id))
      // Several turns had what is directly ahead of this one: which one is this?
      if (other === '') return null
      if (typeof other === 'string') entry = this.get(keyOf(owner, other, id))
    }
    return entry === null || typeof entry === 'string' || entry.json === '' ? null : entry
  }

  /** Keeps the thinking ahead of a call of the turn that follows. @param owner see `open` */
  remember(owner: string, { turn, places, isNamed }: Turn, callId: string, thought: Thought): void {
    const key = keyOf(owner, turn, callId)
    // Two chats that are alike so far, or one that went on twice: nobody can tell whose thinking is whose. Within a
    // conversation that has a name, the client goes on from the last answer.
    const known = this.get(key)
    const isShared = known === null ? this.wasKept(key) : !isDeepStrictEqual(known, thought)
    this.keep(key, isShared && !isNamed ? { ...thought, json: '' } : thought)
    for (const each of places) {
      const place = keyOf(owner, each, callId)
      const other = this.get(place)
      this.keep(place, (other === null ? this.wasKept(place) : other !== turn) ? '' : turn)
    }
  }

  /** From now on, this follower gets each entry that is kept; null: nobody does. */
  followBy(follower: ThoughtFollower | null): void {
    this.follower = follower
  }

  /** What is kept, what was used last first. */
  list(): Iterable<[key: string, entry: ThoughtEntry]> {
    return this.entries.entries()
  }

  /** Keeps what another process of this relay has kept, unless this one knows better. */
  take(key: string, entry: ThoughtEntry): void {
    if (!this.entries.has(key)) this.entries.set(key, entry)
  }

  private keep(key: string, entry: ThoughtEntry): void {
    this.entries.set(key, entry)
    this.follower?.(key, entry)
  }

  private get(key: string): ThoughtEntry | null {
    return this.entries.get(key) ?? null
  }

  /** Whether something else was kept under this key once. */
  private wasKept(key: string): boolean {
    return this.forgotten?.has(hashKey(key)) === true
  }

  private noteForgotten(key: string): void {
    this.forgotten ??= new LRUCache({ max: MOST_FORGOTTEN })
    this.forgotten.set(hashKey(key), true)
  }
}

function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('base64').slice(0, 20)
}

function keyOf(owner: string, turn: string, callId: string): string {
  return `${owner}\n${turn}\n${callId}`
}

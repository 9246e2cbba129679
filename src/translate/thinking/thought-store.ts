import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { CallPlace, Thought, ThoughtMemory, ThoughtRecorder } from './thought-memory.js'
import { hashTurns, type TurnHashes } from './turn-hashes.js'

/** Thinking of one turn that is longer is not kept: it would push out that of many others. */
const LONGEST_THOUGHT = 1024 * 1024

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
type Entry = Thought | string

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
export class ThoughtStore {
  private readonly entries: LRUCache<string, Entry>
  /** Hashes of the keys of entries that are forgotten. */
  private readonly forgotten: LRUCache<string, true>

  constructor({ maxBytes, maxAgeMs }: ThoughtBounds, options: ThoughtStoreOptions = {}) {
    const { onFull, now = () => performance.now() } = options
    this.forgotten = new LRUCache({ max: MOST_FORGOTTEN })
    this.entries = new LRUCache({
      ...{ maxSize: maxBytes, ttl: maxAgeMs, updateAgeOnGet: true, ttlResolution: 0 },
      perf: { now },
      dispose: (entry, key, reason) => {
        if (reason === 'evict' || reason === 'expire') this.forgotten.set(hashKey(key), true)
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

  /**
   * Opens the memory of one conversation.
   * @param owner the team, or what else tells apart those who may not see each other's thinking
   * @param body of the request; it must not be changed afterwards
   */
  open(owner: string, body: Buffer): ThoughtMemory {
    return new ConversationMemory(this, owner, body)
  }

  /** Whether nothing is kept at all. */
  get isEmpty(): boolean {
    return this.entries.size === 0
  }

  find(key: string): Entry | null {
    return this.entries.get(key) ?? null
  }

  keep(key: string, entry: Entry): void {
    this.entries.set(key, entry)
  }

  /** Whether something else was kept under this key once. */
  wasKept(key: string): boolean {
    return this.forgotten.has(hashKey(key))
  }
}

function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('base64').slice(0, 20)
}

class ConversationMemory implements ThoughtMemory {
  private readonly store: ThoughtStore
  private readonly owner: string
  private readonly body: Buffer
  /** Null until it is needed: most requests have no tools. */
  private turns: TurnHashes | null

  constructor(store: ThoughtStore, owner: string, body: Buffer) {
    this.store = store
    this.owner = owner
    this.body = body
    this.turns = null
  }

  find({ id, message }: CallPlace): Thought | null {
    const { store, owner } = this
    // Hashes are needed for nothing while nothing is kept.
    if (store.isEmpty) return null
    const { ahead, near, beginning } = this.hashes
    const turn = ahead[message]
    if (turn === undefined || turn === '') return null
    let entry = store.find(keyOf(owner, turn, id))
    for (const place of [near[message] as string, beginning]) {
      if (entry !== null) break
      const other = store.find(keyOf(owner, place, id))
      // Several turns had what is directly ahead of this one: which one is this?
      if (other === '') return null
      if (typeof other === 'string') entry = store.find(keyOf(owner, other, id))
    }
    return entry === null || typeof entry === 'string' || entry.json === '' ? null : entry
  }

  openRecorder(): ThoughtRecorder {
    const recorder = new Recorder(this.store, this.owner, this)
    // The request is sent first: of a long chat the hashes take a millisecond.
    setImmediate(() => recorder.settle())
    return recorder
  }

  get hashes(): TurnHashes {
    this.turns ??= hashTurns(this.body)
    return this.turns
  }
}

class Recorder implements ThoughtRecorder {
  private readonly store: ThoughtStore
  private readonly owner: string
  /** Null once its hashes are known: it has the body. */
  private memory: ConversationMemory | null
  private turn: string
  /** What is ahead of the turn besides all of it: the turn is found by these where earlier messages were edited. */
  private places: readonly string[]
  private isNamed: boolean

  constructor(store: ThoughtStore, owner: string, memory: ConversationMemory) {
    this.store = store
    this.owner = owner
    this.memory = memory
    this.turn = ''
    this.places = []
    this.isNamed = false
  }

  /** Takes what it needs of the body, and lets go of it. */
  settle(): void {
    if (this.memory === null) return
    const { next, nextNear, beginning, isNamed } = this.memory.hashes
    this.memory = null
    this.turn = next
    this.places = [nextNear, beginning]
    this.isNamed = isNamed
  }

  remember(callId: string, thought: Thought): void {
    if (callId.length > LONGEST_ID) return
    this.settle()
    const { store, owner, turn } = this
    const key = keyOf(owner, turn, callId)
    const kept = thought.json.length > LONGEST_THOUGHT ? { ...thought, json: '' } : thought
    // Two chats that are alike so far, or one that went on twice: nobody can tell whose thinking is whose. Within a
    // conversation that has a name, the client goes on from the last answer.
    const known = store.find(key)
    const isShared = known === null ? store.wasKept(key) : !isDeepStrictEqual(known, kept)
    store.keep(key, isShared && !this.isNamed ? { ...kept, json: '' } : kept)
    for (const each of this.places) {
      const place = keyOf(owner, each, callId)
      const other = store.find(place)
      store.keep(place, (other === null ? store.wasKept(place) : other !== turn) ? '' : turn)
    }
  }
}

function keyOf(owner: string, turn: string, callId: string): string {
  return `${owner}\n${turn}\n${callId}`
}

/** In characters. No upstream makes longer ids. */
const LONGEST_ID = 1024

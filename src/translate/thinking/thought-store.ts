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

/**
 * Keeps the thinking of tool turns in memory, for the next turn of the same conversation. It never goes to a disk: it
 * may repeat any part of a prompt.
 */
export class ThoughtStore {
  private readonly thoughts: LRUCache<string, Thought>

  constructor({ maxBytes, maxAgeMs }: ThoughtBounds, options: ThoughtStoreOptions = {}) {
    const { onFull, now = () => performance.now() } = options
    this.thoughts = new LRUCache({
      ...{ maxSize: maxBytes, ttl: maxAgeMs, updateAgeOnGet: true, ttlResolution: 0 },
      perf: { now },
      dispose: (_thought, _key, reason) => {
        if (reason === 'evict') onFull?.()
      },
      sizeCalculation: ({ json }, key) => ENTRY_BYTES + json.length + key.length,
    })
  }

  /** Bytes that are kept, for metrics. */
  get bytes(): number {
    return this.thoughts.calculatedSize
  }

  /**
   * Opens the memory of one conversation.
   * @param owner the team, or what else tells apart those who may not see each other's thinking
   * @param body of the request; it must not be changed afterwards
   */
  open(owner: string, body: Buffer): ThoughtMemory {
    return new ConversationMemory(this.thoughts, owner, body)
  }
}

/**
 * Upstreams make the same call ids in many chats: Kimi counts from 0 in each (`functions.read:0`), and some have the
 * same id in each response. So thinking is kept by the call id and by all that was said ahead of the call's turn.
 */
class ConversationMemory implements ThoughtMemory {
  private readonly thoughts: LRUCache<string, Thought>
  private readonly owner: string
  private readonly body: Buffer
  /** Null until it is needed: most requests have no tools. */
  private turns: TurnHashes | null

  constructor(thoughts: LRUCache<string, Thought>, owner: string, body: Buffer) {
    this.thoughts = thoughts
    this.owner = owner
    this.body = body
    this.turns = null
  }

  find({ id, message }: CallPlace): Thought | null {
    // Hashes are needed for nothing while nothing is kept.
    const turn = this.thoughts.size === 0 ? undefined : this.hashes.ahead[message]
    if (turn === undefined) return null
    const thought = this.thoughts.get(keyOf(this.owner, turn, id))
    return thought === undefined || thought.json === '' ? null : thought
  }

  openRecorder(): ThoughtRecorder {
    const recorder = new Recorder(this.thoughts, this.owner, this)
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
  private readonly thoughts: LRUCache<string, Thought>
  private readonly owner: string
  /** Null once its hashes are known: it has the body. */
  private memory: ConversationMemory | null
  private turn: string
  private isNamed: boolean

  constructor(thoughts: LRUCache<string, Thought>, owner: string, memory: ConversationMemory) {
    this.thoughts = thoughts
    this.owner = owner
    this.memory = memory
    this.turn = ''
    this.isNamed = false
  }

  /** Takes what it needs of the body, and lets go of it. */
  settle(): void {
    if (this.memory === null) return
    const { next, isNamed } = this.memory.hashes
    this.memory = null
    this.turn = next
    this.isNamed = isNamed
  }

  remember(callId: string, thought: Thought): void {
    if (callId.length > LONGEST_ID) return
    this.settle()
    const key = keyOf(this.owner, this.turn, callId)
    const kept = thought.json.length > LONGEST_THOUGHT ? { ...thought, json: '' } : thought
    const known = this.thoughts.get(key)
    // Two chats that are alike so far, or one that went on twice: nobody can tell whose thinking is whose. Within a
    // conversation that has a name, the client goes on from the last answer.
    const isShared = !this.isNamed && known !== undefined && !isDeepStrictEqual(known, kept)
    this.thoughts.set(key, isShared ? { ...kept, json: '' } : kept)
  }
}

function keyOf(owner: string, turn: string, callId: string): string {
  return `${owner}\n${turn}\n${callId}`
}

/** In characters. No upstream makes longer ids. */
const LONGEST_ID = 1024

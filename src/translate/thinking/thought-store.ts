import { LRUCache } from 'lru-cache'
import { hashBeginning } from '../request/beginning.js'
import type { Thought, ThoughtMemory } from './thought-memory.js'

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
   * @param body of the request: its beginning tells conversations apart whose call ids are alike
   */
  open(owner: string, body: Buffer): ThoughtMemory {
    return new ConversationMemory(this.thoughts, owner, body)
  }
}

class ConversationMemory implements ThoughtMemory {
  private readonly thoughts: LRUCache<string, Thought>
  private readonly owner: string
  /** Hash of the conversation's beginning: it is needed after the body is freed. */
  private readonly beginning: string

  constructor(thoughts: LRUCache<string, Thought>, owner: string, body: Buffer) {
    this.thoughts = thoughts
    this.owner = owner
    this.beginning = hashBeginning(body)
  }

  find(callId: string): Thought | null {
    return this.thoughts.get(this.keyOf(callId)) ?? null
  }

  remember(callId: string, thought: Thought): void {
    if (thought.json.length > LONGEST_THOUGHT || callId.length > LONGEST_ID) return
    this.thoughts.set(this.keyOf(callId), thought)
  }

  private keyOf(callId: string): string {
    const scope = isRandom(callId) ? '' : this.beginning
    return `${this.owner}\n${scope}\n${callId}`
  }
}

/**
 * Whether no two conversations share a call id, by its look: `call_` and `toolu_` with random letters, or a UUID. Kimi
 * counts from 0 in each conversation (`functions.read:0`).
 */
function isRandom(callId: string): boolean {
  return (
    !/[.:]/.test(callId) &&
    /\d/.test(callId) &&
    /[a-zA-Z0-9]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-/.test(callId)
  )
}

/** In characters. No upstream makes longer ids. */
const LONGEST_ID = 1024

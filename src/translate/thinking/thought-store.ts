import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { COMMA, OPEN_BRACKET } from '../../json/bytes.js'
import { equalsText, findMember, findOnly, parseOutline, type Value, WHOLE } from '../../json/outline.js'
import { skipSpace } from '../../json/scanner.js'
import { parseRequestOutline } from '../request/request-outline.js'
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

/**
 * Keeps the thinking of tool turns in memory, for the next turn of the same conversation. It never goes to a disk: it
 * may repeat any part of a prompt.
 */
export class ThoughtStore {
  private readonly thoughts: LRUCache<string, Thought>

  /** @param now the clock, in milliseconds, for tests */
  constructor({ maxBytes, maxAgeMs }: ThoughtBounds, now: () => number = () => performance.now()) {
    this.thoughts = new LRUCache({
      ...{ maxSize: maxBytes, ttl: maxAgeMs, updateAgeOnGet: true, ttlResolution: 0 },
      perf: { now },
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

/**
 * A hash of the first thing that the user has said: a chat that grows keeps it, and another chat has another one. The
 * system prompt is not in it, as it is the same in many chats.
 */
function hashBeginning(body: Buffer): string {
  const request = parseRequestOutline(body)
  const turns = findMember(request, 'messages') ?? findMember(request, 'input')
  const first = turns === null ? null : findFirstOfUser(body, turns)
  return first === null
    ? ''
    : createHash('sha256').update(body.subarray(first.start, first.end)).digest('base64')
}

const TURN = findOnly({ role: WHOLE, content: WHOLE })

/** The content of the user's first message; the whole input if it is a text; null if there is none. */
function findFirstOfUser(body: Buffer, turns: Value): Value | null {
  if (body[turns.start] !== OPEN_BRACKET) return turns
  let at = turns.start + 1
  for (let n = 0; n < MOST_TURNS; n++) {
    const turn = parseOutline(body, TURN, at)
    if (turn === null) return null
    if (equalsText(body, findMember(turn, 'role'), 'user')) return findMember(turn, 'content')
    at = skipSpace(body, turn.end)
    if (body[at] !== COMMA) return null
    at++
  }
  return null
}

/** The user's first message comes behind the system's, which are few. */
const MOST_TURNS = 100

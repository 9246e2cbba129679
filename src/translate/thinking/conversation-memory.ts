import type { CallPlace, Thought, ThoughtMemory, ThoughtRecorder } from './thought-memory.js'
import { hashTurns, type TurnHashes } from './turn-hashes.js'

/** Thinking of one turn that is longer is not kept: it would push out that of many others. */
const LONGEST_THOUGHT = 1024 * 1024

/** In characters. No upstream makes longer ids. */
const LONGEST_ID = 1024

/** Where the thinking of conversations is: in this process, or in the primary for all workers. */
export interface ThoughtKeeper {
  /**
   * Opens the memory of one conversation.
   * @param owner the team, or what else tells apart those who may not see each other's thinking
   * @param body of the request; it must not be changed afterwards
   */
  open(owner: string, body: Buffer): ThoughtMemory
}

/** A call, and the hashes of what is ahead of its turn. */
export interface PlacedCall {
  readonly id: string
  /** Of all of it. */
  readonly turn: string
  /** See `TurnHashes`. */
  readonly near: string
  readonly beginning: string
}

/** The turn that an answer belongs to, by what is ahead of it. */
export interface Turn {
  readonly turn: string
  /** The turn is found by these where earlier messages were edited. */
  readonly places: readonly string[]
  readonly isNamed: boolean
}

/** What keeps the thinking of one conversation. */
interface KeptConversation {
  /** @param call null if it is in no turn of the assistant's */
  find(call: () => PlacedCall | null): Thought | null
  remember(turn: Turn, callId: string, thought: Thought): void
  /** @param calls that the request may have */
  whenReady(place: (call: CallPlace) => PlacedCall | null): Promise<void> | null
}

/** The memory of the conversation in a body. */
export class ConversationMemory implements ThoughtMemory {
  private readonly body: Buffer
  private readonly kept: KeptConversation
  /** Null until it is needed: most requests have no tools. */
  private turns: TurnHashes | null

  constructor(body: Buffer, kept: KeptConversation) {
    this.body = body
    this.kept = kept
    this.turns = null
  }

  whenReady(): Promise<void> | null {
    return this.kept.whenReady((call) => this.place(call))
  }

  find(call: CallPlace): Thought | null {
    return this.kept.find(() => this.place(call))
  }

  openRecorder(): ThoughtRecorder {
    const recorder = new Recorder(this.kept, this)
    // The request is sent first: of a long chat the hashes take a millisecond.
    setImmediate(() => recorder.settle())
    return recorder
  }

  get hashes(): TurnHashes {
    this.turns ??= hashTurns(this.body)
    return this.turns
  }

  private place({ id, message }: CallPlace): PlacedCall | null {
    const { ahead, near, beginning } = this.hashes
    const turn = ahead[message]
    return turn === undefined || turn === '' ? null : { id, turn, near: near[message] as string, beginning }
  }
}

class Recorder implements ThoughtRecorder {
  private readonly kept: KeptConversation
  /** Null once its hashes are known: it has the body. */
  private memory: ConversationMemory | null
  private turn: Turn

  constructor(kept: KeptConversation, memory: ConversationMemory) {
    this.kept = kept
    this.memory = memory
    this.turn = { turn: '', places: [], isNamed: false }
  }

  /** Takes what it needs of the body, and lets go of it. */
  settle(): void {
    if (this.memory === null) return
    const { next, nextNear, beginning, isNamed } = this.memory.hashes
    this.memory = null
    this.turn = { turn: next, places: [nextNear, beginning], isNamed }
  }

  remember(callId: string, thought: Thought): void {
    if (callId.length > LONGEST_ID) return
    this.settle()
    const kept = thought.json.length > LONGEST_THOUGHT ? { ...thought, json: '' } : thought
    this.kept.remember(this.turn, callId, kept)
  }
}

import {
  ConversationMemory,
  type PlacedCall,
  type ThoughtKeeper,
} from '../translate/thinking/conversation-memory.js'
import { listCalls } from '../translate/thinking/list-calls.js'
import type { CallPlace, Thought, ThoughtMemory } from '../translate/thinking/thought-memory.js'
import type { Link } from './link.js'
import type { ToThoughtPrimary, ToThoughtWorker } from './thought-messages.js'

/** Milliseconds that a request waits for its thinking. Then it goes without. */
const FIND_MS = 1_000

type Found = readonly (Thought | null)[]

/** The thinking of conversations as a worker has it: the primary keeps it, and is asked once for each request. */
export class RemoteThoughts implements ThoughtKeeper {
  private readonly link: Link
  private readonly findMs: number
  private readonly asked: Map<number, (found: Found) => void>
  private lastAsk: number

  constructor(link: Link, findMs: number = FIND_MS) {
    this.link = link
    this.findMs = findMs
    this.asked = new Map()
    this.lastAsk = 0
    link.receive('thoughts', (value) => this.onMessage(value as ToThoughtWorker))
    link.onClose(() => {
      for (const ask of [...this.asked.keys()]) this.settle(ask, [])
    })
    this.send({ kind: 'here' })
  }

  open(owner: string, body: Buffer): ThoughtMemory {
    const found = new Map<string, Thought>()
    return new ConversationMemory(body, {
      find: (call) => {
        const placed = found.size === 0 ? null : call()
        return placed === null ? null : (found.get(keyOf(placed)) ?? null)
      },
      remember: (turn, callId, thought) => this.send({ kind: 'remember', owner, turn, callId, thought }),
      whenReady: (place) => this.fetch(owner, body, place, found),
    })
  }

  private fetch(
    owner: string,
    body: Buffer,
    place: (call: CallPlace) => PlacedCall | null,
    found: Map<string, Thought>,
  ): Promise<void> | null {
    const calls = listCalls(body).flatMap((call) => place(call) ?? [])
    if (calls.length === 0 || !this.link.isOpen) return null
    const ask = ++this.lastAsk
    this.send({ kind: 'find', ask, owner, calls })
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.settle(ask, []), this.findMs)
      this.asked.set(ask, (thoughts) => {
        clearTimeout(timer)
        for (const [i, thought] of thoughts.entries())
          if (thought !== null) found.set(keyOf(calls[i] as PlacedCall), thought)
        resolve()
      })
    })
  }

  private onMessage(message: ToThoughtWorker): void {
    if (message.kind === 'found') this.settle(message.ask, message.thoughts)
    else this.send({ kind: 'synced', sync: message.sync })
  }

  private settle(ask: number, found: Found): void {
    const onFound = this.asked.get(ask)
    this.asked.delete(ask)
    onFound?.(found)
  }

  private send(message: ToThoughtPrimary): void {
    this.link.send('thoughts', message)
  }
}

function keyOf({ id, turn }: PlacedCall): string {
  return `${turn}\n${id}`
}

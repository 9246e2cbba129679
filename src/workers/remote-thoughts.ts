import { ignore } from '../lib/ignore.js'
import {
  ConversationMemory,
  type PlacedCall,
  type ThoughtKeeper,
} from '../translate/thinking/conversation-memory.js'
import { listCalls } from '../translate/thinking/list-calls.js'
import type { CallPlace, Thought, ThoughtMemory } from '../translate/thinking/thought-memory.js'
import type { Link } from './link.js'
import { LinkQuestions } from './link-questions.js'
import type { ToThoughtPrimary, ToThoughtWorker } from './thought-messages.js'

/** Milliseconds that a request waits for its thinking. Then it goes without. */
const FIND_MS = 1_000

type Found = readonly (Thought | null)[]

/** The thinking of conversations as a worker has it: the primary keeps it, and is asked once for each request. */
export class RemoteThoughts implements ThoughtKeeper {
  private readonly link: Link
  private readonly finds: LinkQuestions<Found>

  constructor(link: Link, findMs: number = FIND_MS) {
    this.link = link
    this.finds = new LinkQuestions(link, findMs)
    link.receive('thoughts', (value) => this.onMessage(value as ToThoughtWorker))
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
    const keep = (thoughts: Found): void => {
      for (const [i, thought] of thoughts.entries())
        if (thought !== null) found.set(keyOf(calls[i] as PlacedCall), thought)
    }
    // Without an answer it goes without.
    return this.finds.ask((ask) => this.send({ kind: 'find', ask, owner, calls })).then(keep, ignore)
  }

  private onMessage(message: ToThoughtWorker): void {
    if (message.kind === 'found') this.finds.answer(message.ask, message.thoughts)
    else this.send({ kind: 'synced', sync: message.sync })
  }

  private send(message: ToThoughtPrimary): void {
    this.link.send('thoughts', message)
  }
}

function keyOf({ id, turn }: PlacedCall): string {
  return `${turn}\n${id}`
}

import type { PlacedCall, Turn } from '../translate/thinking/conversation-memory.js'
import type { Thought } from '../translate/thinking/thought-memory.js'

/** What a worker says on the topic `thoughts`. */
export type ToThoughtPrimary =
  /** It serves requests from now on. */
  | { readonly kind: 'here' }
  | {
      readonly kind: 'remember'
      readonly owner: string
      readonly turn: Turn
      readonly callId: string
      readonly thought: Thought
    }
  | {
      readonly kind: 'find'
      readonly ask: number
      readonly owner: string
      readonly calls: readonly PlacedCall[]
    }
  /** All that it had to say before it was asked has been said. */
  | { readonly kind: 'synced'; readonly sync: number }

/** What the primary says. */
export type ToThoughtWorker =
  /** One for each call. */
  | { readonly kind: 'found'; readonly ask: number; readonly thoughts: readonly (Thought | null)[] }
  | { readonly kind: 'sync'; readonly sync: number }

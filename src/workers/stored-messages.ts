import type { StoredObject } from '../stored/object-map.js'

/** What a worker says on the topic `stored`. It numbers what it asks, of each kind from 1. */
export type ToStoredPrimary =
  /** It serves requests from now on. */
  | { readonly kind: 'here' }
  /** It has seen a response that made an object. */
  | { readonly kind: 'made'; readonly object: StoredObject }
  | { readonly kind: 'claim'; readonly ask: number; readonly id: string; readonly owner: string }
  | { readonly kind: 'find'; readonly ask: number; readonly ids: readonly string[] }
  /** All that it knows of what was looked for has been said. */
  | { readonly kind: 'looked'; readonly look: number }

/** What the primary says. */
export type ToStoredWorker =
  /** This is what holds for an id. */
  | { readonly kind: 'known'; readonly object: StoredObject }
  | { readonly kind: 'claimed'; readonly ask: number; readonly object: StoredObject | null }
  /** What is known of the ids has been said; null: some worker has not answered in time. */
  | { readonly kind: 'found'; readonly ask: number; readonly isSure: boolean }
  | { readonly kind: 'look'; readonly look: number; readonly ids: readonly string[] }

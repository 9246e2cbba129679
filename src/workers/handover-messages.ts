import type { SentSession } from '../page/sessions.js'
import type { StoredObject } from '../stored/object-map.js'
import type { ThoughtEntry } from '../translate/thinking/thought-store.js'

/** What is used of the rates of one counter. */
export type SentRates = readonly [rule: string, owner: string, requests: number, tokens: number]

/** What a process that is replaced leaves to its successor, under the topic `handover`. */
export type Bequeathed =
  /** Its records up to this number are the ledger's; the later ones follow here. It comes first. */
  | readonly ['writer', name: string | null, seq: number]
  | readonly ['record', seq: number, line: string]
  /** Its records up to this number are in a file. */
  | readonly ['written', seq: number]
  | readonly ['rates', readonly SentRates[]]
  | readonly ['object', StoredObject]
  | readonly ['thoughts', readonly (readonly [key: string, entry: ThoughtEntry])[]]
  /** Who is signed in to the page; with the fingerprint of the operators' token. */
  | readonly ['sessions', token: string | null, readonly SentSession[]]
  | readonly ['sessionEnd', id: string]
  /** It has ended well: all its records are in a file, and nothing follows. */
  | readonly ['over']
  /** Said by the guardian: nothing follows. */
  | readonly ['gone']

import { COLLECTIONS, STORED_ANSWERS } from '../api/stored-collections.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import { decodeAscii } from '../lib/percent.js'

/** A path of an API by which stored objects are read, changed and made. */
export interface StoredPath {
  /** `responses`, `messages/batches` */
  readonly collection: string
  /** The ids in the path, from the outside inward: of a thread, then of its run. */
  readonly ids: readonly string[]
  /** Names of the collections below the first one, each behind its id: `runs`, `input_items`. */
  readonly parts: readonly string[]
}

const PATH = new RegExp(
  `^/(${[...COLLECTIONS, ...STORED_ANSWERS].map((name) => (name === 'fine_tuning' ? 'fine_tuning/[a-z]+' : name)).join('|')})(?:/(.+))?$`,
  'i',
)

/** Below a collection, and yet no stored object: a model is asked, or tokens are counted. */
const CALLS: ReadonlySet<string> = new Set(['/responses/compact', '/responses/input_tokens'])

/** POST to these generates. */
const GENERATIONS: ReadonlySet<string> = new Set(['/responses', '/chat/completions'])

/**
 * Parses the path of a request that is about stored objects.
 * @param path behind the version, without a query
 * @returns null for any other request, also for one that generates and whose response may be stored
 */
export function parseStoredPath(method: string, path: string): StoredPath | null {
  const plain = decodePath(path)
  if (method === 'POST' && (GENERATIONS.has(plain) || CALLS.has(plain))) return null
  const [, collection, rest] = PATH.exec(plain) ?? []
  if (collection === undefined) return null
  const segments = rest === undefined ? [] : rest.split('/')
  return {
    collection: collection.toLowerCase(),
    ids: segments.filter((_, i) => i % 2 === 0),
    parts: segments.filter((_, i) => i % 2 === 1),
  }
}

/** Whether it asks for all objects of a collection, whoever made them. */
export function isList(method: string, { ids }: StoredPath): boolean {
  return ids.length === 0 && (method === 'GET' || method === 'HEAD')
}

/** Whether the response to this generation may be stored. @param store of the body; null if it does not say */
export function mayBeStored(method: string, path: string, store: boolean | null): boolean {
  if (method !== 'POST') return false
  // Responses are stored unless the client says no, chat completions only if it says yes (OpenAI, API reference).
  return path === '/responses' ? store !== false : path === '/chat/completions' && store === true
}

/** Whether a request may make an object. */
export function mayMake({ method, path, store }: Pick<RequestFacts, 'method' | 'path' | 'store'>): boolean {
  return method === 'POST' && (mayBeStored(method, path, store) || parseStoredPath(method, path) !== null)
}

/**
 * An upstream may decode the path before it splits it, and may not care for case or empty segments: collections and ids
 * have many spellings. Ids are ASCII, so that other bytes may stay encoded, also where they are no UTF-8.
 */
function decodePath(path: string): string {
  if (!path.includes('%')) return path
  return `/${decodeAscii(path).split('/').filter(isFilled).join('/')}`
}

function isFilled(segment: string): boolean {
  return segment !== ''
}

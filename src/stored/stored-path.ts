import { COLLECTIONS } from '../api/stored-collections.js'
import type { RequestFacts } from '../exchange/request-facts.js'

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
  `^/(${[...COLLECTIONS, 'responses', 'chat/completions'].map((name) => (name === 'fine_tuning' ? 'fine_tuning/[a-z]+' : name)).join('|')})(?:/(.+))?$`,
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
  if (method === 'POST' && (GENERATIONS.has(path) || CALLS.has(path))) return null
  const [, collection, rest] = PATH.exec(path) ?? []
  if (collection === undefined) return null
  const segments = rest === undefined ? [] : rest.split('/')
  return {
    collection,
    ids: segments.filter((_, i) => i % 2 === 0).map(decodeSegment),
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

/** An upstream decodes the path, so that an id has many spellings. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

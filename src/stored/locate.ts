import type { ErrorCode } from '../api/errors.js'
import { describeMissing, type MissingObject } from '../api/stored-collections.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { Reference, ReferenceField } from '../json/references.js'
import type { StoredObject } from './object-map.js'
import { isList, parseStoredPath, type StoredPath } from './stored-path.js'

/** What decides where a request about stored objects goes. */
export type LocateRequest = Pick<RequestFacts, 'method' | 'path' | 'team' | 'rawHeaders'>

/** The objects that are known. */
export interface KnownObjects {
  find(id: string): StoredObject | null
  isVisible(object: StoredObject, request: LocateRequest): boolean
  /**
   * Whether objects that are not known may be known in a moment: the response that has made one is still being read, or
   * another worker knows it.
   */
  isBehind(): boolean
}

/** Where the objects of a request are. */
export type Location =
  | {
      readonly kind: 'at'
      /** Name of the upstream that has the object. */
      readonly upstream: string
      /** The request is about stored objects: no other upstream can answer it, whatever its model. */
      readonly isAboutIt: boolean
    }
  /** It is known in a moment. */
  | {
      readonly kind: 'behind'
      /** Of the objects that are not known. */
      readonly ids: readonly string[]
      /** What holds if nobody knows them. */
      readonly otherwise: Extract<Location, { kind: 'at' }> | null
    }
  /** The client is told so, in the provider's words. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly missing: MissingObject | null }

/** The collection of the object that a field names. */
const COLLECTION_OF: Readonly<Record<ReferenceField, string>> = {
  previous_response_id: 'responses',
  conversation: 'conversations',
  input_file_id: 'files',
  training_file: 'files',
  file_id: 'files',
  assistant_id: 'assistants',
}

/**
 * Finds where the stored objects of a request are: those in its path, and those that its body goes on from. Nothing is
 * changed. An id that is not known is the upstream's to judge.
 * @param references in the body
 * @param refusesLists `stored.lists`
 * @returns null if none of them is known
 */
export function locate(
  request: LocateRequest,
  references: readonly Reference[],
  known: KnownObjects,
  refusesLists: boolean,
): Location | null {
  const path = parseStoredPath(request.method, request.path)
  if (path === null && references.length === 0) return null
  if (path !== null && refusesLists && isList(request.method, path))
    return { kind: 'refused', code: 'list_refused', missing: null }
  let upstream: string | null = null
  const unknown: string[] = []
  for (const [i, id] of path?.ids.entries() ?? []) {
    const object = known.find(id)
    if (object === null) {
      unknown.push(id)
      continue
    }
    if (!known.isVisible(object, request))
      return refuse('object_not_found', nameCollection(path as StoredPath, i), id)
    upstream ??= object.upstream
  }
  for (const { field, id } of references) {
    const object = known.find(id)
    const isUnreadable = id === '' && request.path === '/responses'
    if (object === null && !isUnreadable) {
      unknown.push(id)
      continue
    }
    if (object === null || !known.isVisible(object, request)) return refuseReference(field, id)
    upstream ??= object.upstream
  }
  const found = upstream === null ? null : ({ kind: 'at', upstream, isAboutIt: path !== null } as const)
  return unknown.length > 0 && known.isBehind() ? { kind: 'behind', ids: unknown, otherwise: found } : found
}

/** As OpenAI does: the previous response is a fault of the field, all others are objects that are not there. */
function refuseReference(field: ReferenceField, id: string): Location {
  if (field !== 'previous_response_id') return refuse('object_not_found', COLLECTION_OF[field], id)
  return {
    kind: 'refused',
    code: 'previous_response_not_found',
    missing: { message: `Previous response with id '${id}' not found.`, param: field },
  }
}

function refuse(code: ErrorCode, collection: string, id: string): Location {
  return { kind: 'refused', code, missing: describeMissing(collection, id) }
}

/** @param i index of an id: the run of a thread is in `threads/runs` */
function nameCollection({ collection, parts }: StoredPath, i: number): string {
  return [collection, ...parts.slice(0, i)].join('/')
}

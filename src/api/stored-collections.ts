/** Collections of objects that a provider stores, each with an id (API references of OpenAI and Anthropic). */
export const COLLECTIONS = [
  'assistants',
  'batches',
  'containers',
  'conversations',
  'evals',
  'files',
  'fine_tuning',
  'messages/batches',
  'skills',
  'threads',
  'uploads',
  'vector_stores',
  'videos',
] as const

/** Paths that generate, and below which the answers are that were stored. */
export const STORED_ANSWERS = ['responses', 'chat/completions'] as const

const ACCOUNT_SCOPED = new RegExp(
  `^/(?:(?:${COLLECTIONS.join('|')})(?:/|$)|(?:${STORED_ANSWERS.join('|')})/|(?:upload/)?v1beta/(?!(?:models|tunedModels)(?:/|$)))`,
)

/**
 * Whether a request is about objects that one account stores. Another target does not have them: it would respond with
 * 404 for a file that exists, or store a new one where nobody looks for it. So such requests go to the first target
 * only.
 * @param path behind the version, without a query
 */
export function isAccountScoped(method: string, path: string): boolean {
  // Other methods than POST list the answers there.
  return ACCOUNT_SCOPED.test(path) || (path === '/chat/completions' && method !== 'POST')
}

/** What a request by an unknown id gets, in the words of the provider. */
export interface MissingObject {
  readonly message: string
  /** The field of the request, in OpenAI's format. */
  readonly param: string | null
}

const NO_OBJECT_FOUND: Readonly<Record<string, string>> = {
  assistants: 'assistant',
  batches: 'batch',
  threads: 'thread',
  'threads/runs': 'run',
  uploads: 'upload',
}

const OBJECT_NOT_FOUND: Readonly<Record<string, string>> = {
  responses: 'Response',
  'chat/completions': 'Chat completion',
  conversations: 'Conversation',
  containers: 'Container',
  'messages/batches': 'Message Batch',
  vector_stores: 'Vector store',
  videos: 'Video',
}

/**
 * Says that an object is not there, as the provider says it of an id that it does not know.
 * @param collection in which the object would be: `responses`, `threads/runs`
 */
export function describeMissing(collection: string, id: string): MissingObject {
  if (collection === 'files') return { message: `No such File object: ${id}`, param: 'id' }
  const noun = NO_OBJECT_FOUND[collection]
  if (noun !== undefined) return { message: `No ${noun} found with id '${id}'.`, param: null }
  return { message: `${OBJECT_NOT_FOUND[collection] ?? 'Object'} with id '${id}' not found.`, param: null }
}

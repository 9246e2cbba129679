import { findModelCall, findPathModel } from './model-paths.js'
import { isGeneration } from './request-target.js'
import { isAccountScoped } from './stored-collections.js'

/** What kind of work a request asks for. */
export type RequestClass =
  | 'chat'
  | 'completion'
  | 'embedding'
  | 'image'
  | 'audio'
  | 'realtime'
  | 'stored'
  | 'models'
  | 'other'

/** Paths that generate a completion of a text, and no chat. */
const PLAIN_COMPLETION = /(?<!\/chat)\/completions$|^\/(?:infill|completion|api\/generate)$/

/** Paths behind the version, and what is asked for there. The first row that matches decides. */
const ROWS: readonly (readonly [RegExp, RequestClass])[] = [
  [/^\/realtime(?:$|\/)/, 'realtime'],
  [/\/embeddings$|^\/(?:api|v2)\/embed$/, 'embedding'],
  [/^\/images\//, 'image'],
  [/^\/audio\//, 'audio'],
  [/^\/(?:fim\/)?completions$|^\/(?:infill|completion|api\/generate)$/, 'completion'],
  [/^(?:\/v1beta)?\/models(?:\/|$)|^\/api\/(?:tags|show|ps)$/, 'models'],
]

/**
 * Classifies a request by its method and path. Objects that a provider stores are `stored`, whatever is done to them.
 * @param path behind the version
 */
export function classifyRequest(method: string, path: string): RequestClass {
  if (method === 'POST' && isGeneration(path) && !PLAIN_COMPLETION.test(path)) return 'chat'
  // OpenAI's fine-tuned models have colons in their names: only calls have a method behind one.
  if (findPathModel(method, path) !== null) return findModelCall(path) === 'embed' ? 'embedding' : 'other'
  if (isAccountScoped(method, path)) return 'stored'
  for (const [pattern, name] of ROWS) if (pattern.test(path)) return name
  return 'other'
}

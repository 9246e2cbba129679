import { isGeneration } from './request-target.js'

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
  [/\/embeddings$|^\/(?:api|v2)\/embed$|(?::|%3a)(?:batchE|e)mbedContents?$/i, 'embedding'],
  [/^\/images\//, 'image'],
  [/^\/audio\//, 'audio'],
  [/^\/(?:fim\/)?completions$|^\/(?:infill|completion|api\/generate)$/, 'completion'],
  [
    /^\/(?:(?:chat\/completions|messages\/batches|batches|files|conversations|threads)(?:\/|$)|responses\/)/,
    'stored',
  ],
  [/^(?:\/v1beta)?\/models(?:\/[^:]*)?$|^\/api\/(?:tags|show|ps)$/, 'models'],
]

/**
 * Classifies a request by its method and path. Objects that a provider stores are `stored`, whatever is done to them.
 * @param path behind the version
 */
export function classifyRequest(method: string, path: string): RequestClass {
  if (method === 'POST' && isGeneration(path) && !PLAIN_COMPLETION.test(path)) return 'chat'
  for (const [pattern, name] of ROWS) if (pattern.test(path)) return name
  return 'other'
}

import { isGeneration } from './request-target.js'

/** Headers that hold a URL of the upstream, in lower case: redirects, and where the result of a long work will be. */
export const LINK_HEADERS: ReadonlySet<string> = new Set([
  ...['location', 'content-location'],
  // Azure's long operations; Gemini's uploads (ai.google.dev, Files API).
  ...['operation-location', 'azure-asyncoperation', 'x-goog-upload-url', 'x-goog-upload-control-url'],
  // A list of URLs in angle brackets (RFC 8288, 3).
  'link',
])

/** Members of a JSON body, or of an element of its list, that hold a URL of the upstream, and what tells of them. */
export const LINK_FIELDS: readonly string[] = [
  // Anthropic, API reference, Message Batches.
  'results_url',
  // The pages of lists: Replicate; others; Azure.
  ...['next', 'previous', 'next_page', 'previous_page', 'next_url', 'nextLink'],
  // The state of a long work: fal; BFL.
  ...['status_url', 'response_url', 'cancel_url', 'polling_url'],
]

/** The same in the member `urls` (Replicate). */
export const LINK_URLS: readonly string[] = ['get', 'cancel', 'stream', 'web']

/** The members with the elements of a list: OpenAI's and Anthropic's name, Replicate's, and Azure's. */
export const LINK_LISTS: readonly string[] = ['data', 'results', 'value']

/** Objects whose URLs are documented. */
const LINKED =
  /^\/messages\/batches(?:\/[^/]+(?:\/cancel)?)?$|^\/predictions(?:\/|$)|\/predictions$|^\/trainings(?:\/|$)/

/** The last path without such objects: most requests have the same one, and each asks twice. */
let lastUnlinked = ''

/** What is stored there is the client's own, byte for byte. */
const CONTENT = /\/(?:content|results)$/

/** Whether the JSON response to a request may hold URLs of the upstream in `LINK_FIELDS`: no generation does. */
export function mayHoldLinks(method: string, path: string): boolean {
  if (method === 'GET') return !CONTENT.test(path)
  return method === 'POST' && hasDocumentedLinks(path) && !isGeneration(path)
}

/** Whether the documented response on this path holds such a URL: it is asked for uncompressed. */
export function hasDocumentedLinks(path: string): boolean {
  if (path === lastUnlinked) return false
  if (LINKED.test(path)) return true
  lastUnlinked = path
  return false
}

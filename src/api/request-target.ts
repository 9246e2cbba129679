import { decodePercent } from '../lib/percent.js'
import { evenCloudPath } from './cloud-paths.js'
import { findModelCall } from './model-paths.js'
import { removePrefixes } from './path-prefixes.js'

/** The target of a request, after the usual mistakes in a typed base URL have been corrected. */
export interface RequestTarget {
  /** After the version: `/chat/completions`. */
  readonly path: string
  /** Byte for byte as it came, with its `?`; or empty. */
  readonly query: string
  /** Whether the path is below `/cursor`: bodies may be of other APIs than the path says. */
  readonly cursor: boolean
  /** The model that the path names, as Azure's paths do; else null. */
  readonly deployment: string | null
}

/** A request target that is refused. */
export interface InvalidTarget {
  /** What is wrong; the client sees it. */
  readonly problem: string
}

/**
 * Parses an origin-form request target (RFC 9112, 3.2.1).
 *
 * Clients append their path to what a person typed into a settings field. So `/v1` may be there, missing or twice, the
 * path of a provider's base URL may be in front (`removePrefixes`), and slashes may be doubled or trailing:
 * `//chat/completions`, `/openai/v1/responses`, `/v1/models/`. What is routed, checked and sent is the path without all
 * of it. Absolute targets and dot segments are refused: no API has them, and an upstream that resolves them would serve
 * another path than was routed.
 */
export function parseRequestTarget(url: string): RequestTarget | InvalidTarget {
  const known = remembered.get(url)
  if (known !== undefined) return known
  const target = parse(url)
  if ('problem' in target || target.query !== '' || url.length > REMEMBERED_LENGTH) return target
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(url, target)
  return target
}

/**
 * Targets that were parsed: most requests have one of a few. Without those that have a query, where a key may stand.
 * All are forgotten when there are too many.
 */
const remembered = new Map<string, RequestTarget>()
const REMEMBERED_MAX = 200
const REMEMBERED_LENGTH = 100

function parse(url: string): RequestTarget | InvalidTarget {
  if (url.charCodeAt(0) !== SLASH) {
    return { problem: 'The request target must be a path, such as /v1/chat/completions.' }
  }
  const mark = url.indexOf('?')
  let path = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark)

  if (path.includes('//')) path = path.replace(/\/{2,}/g, '/')
  if (DOT_SEGMENT.test(path)) {
    return { problem: 'The path must not have . or .. segments.' }
  }
  if (path.includes('#')) {
    return { problem: 'The path must not have a fragment (#).' }
  }
  if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  const typed = removePrefixes(path)
  const { cursor, last } = typed
  const evened = evenCloudPath(typed.path)
  const azure = evened.startsWith('/openai/deployments/') ? AZURE.exec(evened) : null
  const deployment = azure === null ? null : decodePercent(azure[1] as string)
  if (azure === null || deployment === null)
    return { path: evened, query: evenQuery(evened, query, last), cursor, deployment: null }
  return { path: azure[2] as string, query: removeVersion(query), cursor, deployment }
}

/**
 * Azure's paths before v1 have `/openai` alone in front, and a version in the query. Its Realtime API names the
 * deployment there too, where others name the model.
 */
function evenQuery(path: string, query: string, last: string): string {
  if (last !== '/openai' || query === '') return query
  const kept = removeVersion(query)
  const namesDeployment = path === '/realtime' && !/[?&]model=/.test(kept)
  return namesDeployment ? kept.replace(/([?&])deployment=/, '$1model=') : kept
}

/** Azure's API before v1 has the model's deployment in the path (API reference, Azure OpenAI in Foundry Models). */
const AZURE = /^\/openai\/deployments\/([^/]+)(\/.+)$/

/** Removes `api-version`: an upstream that needs one has it in the config. */
function removeVersion(query: string): string {
  if (!/[?&]api-version(?:[=&]|$)/i.test(query)) return query
  const kept = query
    .slice(1)
    .split('&')
    .filter((parameter) => !/^api-version(?:=|$)/i.test(parameter))
  const text = kept.join('&')
  return text === '' ? '' : `?${text}`
}

const SLASH = 0x2f

/** A `.` or `..` segment, plain or percent-encoded; a backslash ends a segment too, as in WHATWG URL parsers. */
const DOT_SEGMENT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\;]|%2f|%5c)/i

/**
 * Whether a model generates tokens on this path, so that the prompt is paid for. `/infill` and `/completion` are
 * llama.cpp's, `/api` is Ollama's, `/v2` Cohere's.
 * @param path after the version
 */
export function isGeneration(path: string): boolean {
  if (
    path.endsWith('/completions') ||
    path.endsWith('/responses') ||
    path.endsWith('/v1/messages') ||
    GENERATIONS.has(path)
  )
    return true
  const call = findModelCall(path)
  return call === 'answer' || call === 'stream'
}

const GENERATIONS: ReadonlySet<string> = new Set([
  '/messages',
  '/infill',
  '/completion',
  '/api/chat',
  '/api/generate',
  '/v2/chat',
])

import { evenCloudPath, isCloudGeneration } from './cloud-paths.js'

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
 * Clients append their path to what a person typed into a settings field. So `/v1` may be there, missing or twice, and
 * slashes may be doubled or trailing: `//chat/completions`, `/v1/v1/messages`, `/v1/models/`. Absolute targets and dot
 * segments are refused: no API has them, and an upstream that resolves them would serve another path than was routed.
 */
export function parseRequestTarget(url: string): RequestTarget | InvalidTarget {
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
  path = evenCloudPath(path)
  const cursor = path.startsWith('/cursor/') || path === '/cursor'
  if (cursor) path = path.slice('/cursor'.length)
  while (path.startsWith('/v1/') || path === '/v1') path = path.slice(3)
  if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  const azure = path.startsWith('/openai/deployments/') ? AZURE.exec(path) : null
  const deployment = azure === null ? null : decodeName(azure[1] as string)
  if (azure === null || deployment === null)
    return { path: path === '' ? '/' : path, query, cursor, deployment: null }
  return { path: azure[2] as string, query: removeVersion(query), cursor, deployment }
}

/** Azure's API before v1 has the model's deployment in the path (API reference, Azure OpenAI in Foundry Models). */
const AZURE = /^\/openai\/deployments\/([^/]+)(\/.+)$/

/** @returns null if the percent-encoding is broken */
function decodeName(segment: string): string | null {
  try {
    return decodeURIComponent(segment)
  } catch {
    return null
  }
}

/** Removes `api-version`: an upstream that needs one has it in the config. */
function removeVersion(query: string): string {
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
 * llama.cpp's.
 * @param path after the version
 */
export function isGeneration(path: string): boolean {
  return (
    path.endsWith('/completions') ||
    path.endsWith('/responses') ||
    path === '/messages' ||
    path.endsWith('/v1/messages') ||
    path === '/infill' ||
    path === '/completion' ||
    (path.startsWith('/models/') && GEMINI_GENERATION.test(path)) ||
    isCloudGeneration(path)
  )
}

/** Gemini's own API (ai.google.dev, API reference, models). */
const GEMINI_GENERATION = /(?::|%3a)(?:generateContent|streamGenerateContent)$/i

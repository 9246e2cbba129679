/**
 * What a request line asks for, once the ways in which clients misspell a base URL have been evened out.
 * `path` is what stands behind the version (`/chat/completions`), `query` is byte for byte what came,
 * with its `?`, or empty.
 */
export interface RequestTarget {
  readonly path: string
  readonly query: string
  /** Asked for below `/cursor`: bodies may be of other APIs than the path says. */
  readonly cursor: boolean
  /** The model, where it is told by the path, as Azure has it; else null. */
  readonly deployment: string | null
}

/** Why a request target was refused; the text goes to the client. */
export interface InvalidTarget {
  readonly problem: string
}

/**
 * Reads an origin-form request target (RFC 9112, 3.2.1).
 *
 * Clients append their path to exactly what a person typed into a settings field, so `/v1` may be there, missing
 * or twice, and slashes may be doubled or trail: `//chat/completions`, `/v1/v1/messages`, `/v1/models/`.
 * Absolute targets and dot segments are refused: no API has them, and an upstream (or a proxy in front of it)
 * that resolves them would be asked for something else than what was routed.
 */
export function parseRequestTarget(url: string): RequestTarget | InvalidTarget {
  // The shape that nearly every request has: one leading /v1, nothing to mend.
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
  const cursor = path.startsWith('/cursor/') || path === '/cursor'
  if (cursor) path = path.slice('/cursor'.length)
  while (path.startsWith('/v1/') || path === '/v1') path = path.slice(3)
  if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  const azure = path.startsWith('/openai/deployments/') ? AZURE.exec(path) : null
  const deployment = azure === null ? null : decodeName(azure[1] as string)
  if (azure === null || deployment === null)
    return { path: path === '' ? '/' : path, query, cursor, deployment: null }
  return { path: azure[2] as string, query: withoutVersion(query), cursor, deployment }
}

/** Azure's API before its v1: the model's deployment stands in the path (API reference, Azure OpenAI in Foundry Models). */
const AZURE = /^\/openai\/deployments\/([^/]+)(\/.+)$/

/** @returns null if it is not well percent-encoded, or none that could be a model's */
function decodeName(segment: string): string | null {
  try {
    return decodeURIComponent(segment)
  } catch {
    return null
  }
}

/** An upstream that wants `api-version` has one of its own in the config. */
function withoutVersion(query: string): string {
  const kept = query
    .slice(1)
    .split('&')
    .filter((parameter) => !/^api-version(?:=|$)/i.test(parameter))
  const text = kept.join('&')
  return text === '' ? '' : `?${text}`
}

const SLASH = 0x2f

/** A `.` or `..` segment, plain or percent-encoded; a backslash ends a segment too, as WHATWG URL parsers have it. */
const DOT_SEGMENT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\;]|%2f|%5c)/i

/** Whether a model answers there with tokens of its own, so that a prompt is charged for. The last two are llama.cpp's. */
export function isGeneration(path: string): boolean {
  return (
    path.endsWith('/completions') ||
    path.endsWith('/responses') ||
    path === '/messages' ||
    path.endsWith('/v1/messages') ||
    path === '/infill' ||
    path === '/completion'
  )
}

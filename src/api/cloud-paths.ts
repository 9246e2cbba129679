/**
 * Paths of Amazon Bedrock and of Google's Vertex AI, which name the model. Every path of these forms is brought to one
 * spelling where it comes in, so that the path that is routed and checked is the one that the upstream reads.
 */

/** A path of Bedrock or Vertex in its parts. */
export interface CloudPath {
  readonly api: 'bedrock' | 'vertex'
  /** Of the model at Vertex, such as `anthropic`; empty at Bedrock. */
  readonly publisher: string
  /** Decoded. */
  readonly model: string
  readonly method: string
}

/** `/model/MODEL/METHOD` (API reference, Amazon Bedrock Runtime). Some people have `/bedrock` in front. */
const BEDROCK = /^(?:\/v1|\/bedrock)*\/model\/([^/]+)\/([^/]+)$/

/**
 * `/v1/projects/P/locations/L/publishers/PUBLISHER/models/MODEL:METHOD` (reference, Vertex AI), or without the place.
 * Some gateways have a prefix of their own, which people keep.
 */
const VERTEX_PLACE =
  /^(?:\/v1(?:beta1)?|\/vertex(?:[_-]ai)?)*(?:\/projects\/[^/]+\/locations\/[^/]+)?(?=\/(?:publishers|endpoints)\/)/
const VERTEX = /^\/publishers\/([^/]+)\/models\/([^/]+)$/
const VERTEX_METHOD = /^(.+):([^:]+)$/
const VERTEX_CHAT = '/endpoints/openapi'

/**
 * Brings a path of Bedrock or Vertex to one spelling, and leaves the project and the location out: these are the
 * upstream's. Google's own models then have the same paths as in Gemini's own API. Any other path stays as it is.
 * @param path without empty segments and dot segments
 */
export function evenCloudPath(path: string): string {
  const bedrock = path.includes('/model/') ? BEDROCK.exec(path) : null
  if (bedrock !== null) {
    const model = decode(bedrock[1] as string)
    const method = decode(bedrock[2] as string)
    if (model === null || method === null || method.includes('/')) return path
    return formatCloudPath({ api: 'bedrock', publisher: '', model, method })
  }
  const place = path.includes('/publishers/') || path.includes(VERTEX_CHAT) ? VERTEX_PLACE.exec(path) : null
  if (place === null) return path
  const rest = path.slice(place[0].length)
  // Without a place in front, an upstream that is no Vertex may have such a path.
  if (rest.startsWith(`${VERTEX_CHAT}/`))
    return place[0].includes('/projects/') ? rest.slice(VERTEX_CHAT.length) : path
  const parsed = parseVertex(rest)
  return parsed === null ? rest : formatCloudPath(parsed)
}

/**
 * Finds the parts of a path; null if it is neither Bedrock's nor Vertex's.
 * @param path as `evenCloudPath` returns it
 */
export function parseCloudPath(path: string): CloudPath | null {
  if (path.startsWith('/publishers/')) return parseVertex(path)
  const bedrock = path.startsWith('/model/') ? BEDROCK.exec(path) : null
  const model = bedrock === null ? null : decode(bedrock[1] as string)
  return model === null ? null : { api: 'bedrock', publisher: '', model, method: bedrock?.[2] as string }
}

function parseVertex(path: string): CloudPath | null {
  const [, publisher, rest] = VERTEX.exec(path) ?? []
  const [, model, method] = VERTEX_METHOD.exec(decode(rest ?? '') ?? '') ?? []
  if (publisher === undefined || model === undefined || method === undefined) return null
  return { api: 'vertex', publisher, model, method }
}

/** Puts a path together. */
export function formatCloudPath({ api, publisher, model, method }: CloudPath): string {
  if (api === 'bedrock') return `/model/${encodeURIComponent(model)}/${encodeURIComponent(method)}`
  const name = `${encodeURIComponent(model)}:${encodeURIComponent(method)}`
  return publisher === 'google' ? `/models/${name}` : `/publishers/${publisher}/models/${name}`
}

/** The model that a path names; null if it names none. */
export function findCloudModel(path: string): string | null {
  const parsed = parseCloudPath(path)
  // Claude's tokens are counted there, for the model that the body names.
  return parsed === null || parsed.model === COUNT_TOKENS ? null : parsed.model
}

const COUNT_TOKENS = 'count-tokens'

/** Puts another model into a path; any other path stays as it is. */
export function replaceCloudModel(path: string, model: string): string {
  const parsed = parseCloudPath(path)
  if (parsed === null || parsed.model === model || parsed.model === COUNT_TOKENS) return path
  return formatCloudPath({ ...parsed, model })
}

const METHODS: Readonly<Record<CloudPath['api'], ReadonlySet<string>>> = {
  bedrock: new Set(['invoke', 'invoke-with-response-stream', 'converse', 'converse-stream', 'count-tokens']),
  vertex: new Set(['rawPredict', 'streamRawPredict']),
}

/** The API of a path, if it is one that the relay knows; null for any other. */
export function findCloudApi(path: string): CloudPath['api'] | null {
  const parsed = parseCloudPath(path)
  return parsed !== null && METHODS[parsed.api].has(parsed.method) ? parsed.api : null
}

/** Whether a model generates tokens there. */
export function isCloudGeneration(path: string): boolean {
  return findCloudApi(path) !== null && !path.endsWith('/count-tokens') && !path.includes(`/${COUNT_TOKENS}:`)
}

/** Whether a request on this path asks for a stream; null if the path does not say it. */
export function streamsByCloudPath(path: string): boolean | null {
  const parsed = parseCloudPath(path)
  return parsed !== null && STREAMS.has(parsed.method) ? true : null
}

const STREAMS: ReadonlySet<string> = new Set([
  'invoke-with-response-stream',
  'converse-stream',
  'streamRawPredict',
])

/** @returns null if the percent-encoding is broken */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

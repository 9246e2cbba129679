import { formatModelPath, parseModelPath } from './model-paths.js'

/*
 * Every path of Amazon Bedrock and of Google's Vertex AI that names a model is brought to one spelling where it comes
 * in, so that the path that is routed and checked is the one that the upstream reads.
 */

/** Bedrock's paths begin with `/model`. Some people have `/bedrock` in front. */
const BEDROCK_PREFIX = /^(?:\/v1|\/bedrock)*(?=\/model\/)/

/**
 * `/v1/projects/P/locations/L/publishers/PUBLISHER/models/MODEL:METHOD` (reference, Vertex AI), or without the place.
 * Some gateways have a prefix of their own, which people keep.
 */
const VERTEX_PLACE =
  /^(?:\/v1(?:beta1)?|\/vertex(?:[_-]ai)?)*(?:\/projects\/[^/]+\/locations\/[^/]+)?(?=\/(?:publishers|endpoints)\/)/
const VERTEX_CHAT = '/endpoints/openapi'

/**
 * Brings a path of Bedrock or Vertex to one spelling, and leaves the project and the location out: these are the
 * upstream's. Google's own models then have the same paths as in Gemini's own API. Any other path stays as it is.
 * @param path without empty segments and dot segments
 */
export function evenCloudPath(path: string): string {
  const prefix = path.includes('/model/') ? BEDROCK_PREFIX.exec(path) : null
  if (prefix !== null) {
    const rest = path.slice(prefix[0].length)
    return parseModelPath(rest) === null ? path : evenModelPath(rest)
  }
  const place = path.includes('/publishers/') || path.includes(VERTEX_CHAT) ? VERTEX_PLACE.exec(path) : null
  if (place === null) return path
  const rest = path.slice(place[0].length)
  // Without a place in front, an upstream that is no Vertex may have such a path.
  if (rest.startsWith(`${VERTEX_CHAT}/`))
    return place[0].includes('/projects/') ? rest.slice(VERTEX_CHAT.length) : path
  return evenModelPath(rest)
}

function evenModelPath(path: string): string {
  const parsed = parseModelPath(path)
  if (parsed === null || parsed.api === 'gemini') return path
  return formatModelPath(parsed.api, parsed.publisher, parsed.model, parsed.method)
}

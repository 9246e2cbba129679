import type { buildConnector } from 'undici'
import { isAtOrBelow } from '../api/api-of-path.js'

/** The host of a URL as sockets and resolvers take it: an IPv6 address without its brackets. */
export function stripHostBrackets({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** What a connection goes to, as undici's connectors take it. */
export function parseEndpoint(url: URL): buildConnector.Options {
  const { host, protocol, port } = url
  return { hostname: stripHostBrackets(url), host, protocol, port } as buildConnector.Options
}

/** What of Azure's paths has the name of a deployment in it; all else is beside the deployments. */
const OF_DEPLOYMENT = /^\/(?:chat\/completions|completions|embeddings|audio\/|images\/)/

/**
 * A path as Azure had it before its v1 API: `/deployments/{model}/chat/completions`.
 * @param path behind the version, as a client of OpenAI's sends it, or one of Azure's, with `/openai` in front
 * @param model the deployment; null if the request names none
 */
export function buildDeploymentPath(path: string, model: string | null): string {
  if (isAtOrBelow(path, '/openai')) return path.slice('/openai'.length)
  // A dot segment would be resolved by whoever reads the path, and lead out of the deployments.
  if (model === null || model === '.' || model === '..' || !OF_DEPLOYMENT.test(path)) return path
  return `/deployments/${encodeURIComponent(model)}${path}`
}

/**
 * A query with parameters of the relay's own. Whatever the client sent by their names goes; the rest stays as it is, byte for
 * byte.
 * @param query with its `?`, or empty
 * @param names of those that are added
 * @param added in the form of a query, without its `?`
 */
export function addParameters(query: string, names: ReadonlySet<string>, added: string): string {
  if (query.length < 2) return `?${added}`
  const kept = query
    .slice(1)
    .split('&')
    .filter((parameter) => !names.has(nameOf(parameter)))
  kept.push(added)
  return `?${kept.join('&')}`
}

const MODEL: ReadonlySet<string> = new Set(['model'])

/** The query of a WebSocket's handshake, which has no body to name its model in. */
export function replaceModel(query: string, model: string): string {
  return addParameters(query, MODEL, formatQuery(['model', model]))
}

/** The name of `name=value`, decoded as forms are (WHATWG URL, 5.1). */
function nameOf(parameter: string): string {
  const name = parameter.split('=', 1)[0] ?? ''
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

/** @param parameters name, value, name, value */
export function formatQuery(parameters: readonly string[]): string {
  const pairs: string[] = []
  for (let i = 0; i + 1 < parameters.length; i += 2) {
    pairs.push(`${encodeURIComponent(parameters[i] ?? '')}=${encodeURIComponent(parameters[i + 1] ?? '')}`)
  }
  return pairs.join('&')
}

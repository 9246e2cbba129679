import type { buildConnector } from 'undici'
import { isAtOrBelow } from '../api/api-of-path.js'

/** The host of a URL as sockets and resolvers need it: an IPv6 address without its brackets. */
export function stripHostBrackets({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** The endpoint of a connection, as undici's connectors need it. */
export function parseEndpoint(url: URL): buildConnector.Options {
  const { host, protocol, port } = url
  return { hostname: stripHostBrackets(url), host, protocol, port } as buildConnector.Options
}

/** Azure's paths that need the name of a deployment. All others are beside the deployments. */
const DEPLOYMENT_PATH = /^\/(?:chat\/completions|completions|embeddings|audio\/|images\/)/

/**
 * Builds a path of Azure's older API, from before its v1 API: `/deployments/{model}/chat/completions`.
 * @param path behind the version, as OpenAI's clients send it; or as Azure's clients do, with `/openai` in front
 * @param model the deployment; null if the request names none
 */
export function buildDeploymentPath(path: string, model: string | null): string {
  if (isAtOrBelow(path, '/openai')) return path.slice('/openai'.length)
  // A dot segment would be resolved on the way, and lead out of the deployments.
  if (model === null || model === '.' || model === '..' || !DEPLOYMENT_PATH.test(path)) return path
  return `/deployments/${encodeURIComponent(model)}${path}`
}

/** Azure's older Realtime API calls the model of a query `deployment`. */
export function nameDeployment(path: string, query: string): string {
  return path === '/realtime' ? query.replace(/([?&])model=/, '$1deployment=') : query
}

/**
 * Adds parameters to a client's query. The client's own parameters of these names are removed; the others stay byte for
 * byte.
 * @param query with its `?`, or empty
 * @param names of the added parameters
 * @param added the parameters as a query, without its `?`
 */
export function addParameters(query: string, names: ReadonlySet<string>, added: string): string {
  if (query.length < 2) return `?${added}`
  const kept = query
    .slice(1)
    .split('&')
    .filter((parameter) => !names.has(decodeName(parameter)))
  kept.push(added)
  return `?${kept.join('&')}`
}

const MODEL: ReadonlySet<string> = new Set(['model'])

/** Replaces the model in the query of a WebSocket handshake, which has no body to name it. */
export function replaceModel(query: string, model: string): string {
  return addParameters(query, MODEL, formatQuery(['model', model]))
}

/** The name of `name=value`, decoded as forms are (WHATWG URL, 5.1). */
function decodeName(parameter: string): string {
  const name = parameter.split('=', 1)[0] ?? ''
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

/** Formats parameters as a query, without its `?`. @param parameters name, value, name, value */
export function formatQuery(parameters: readonly string[]): string {
  const pairs: string[] = []
  for (let i = 0; i + 1 < parameters.length; i += 2) {
    pairs.push(`${encodeURIComponent(parameters[i] ?? '')}=${encodeURIComponent(parameters[i + 1] ?? '')}`)
  }
  return pairs.join('&')
}

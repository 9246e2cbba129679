import { isLoopback } from './listen.js'
import type { UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'

/** An HTTP proxy on the way to an upstream. Its credentials are in no other field than `authorization`. */
export interface ProxyConfig {
  /** Scheme, host and port: `http://proxy.example:3128`. */
  readonly origin: string
  /** Value of `proxy-authorization`; null if the proxy needs no credentials. */
  readonly authorization: string | null
}

/**
 * Resolves the proxy of an upstream: by its entry, or else from the environment.
 * @param origin of the upstream
 * @param path of the entry
 * @returns null if there is no proxy, or there is a problem with it
 */
export function resolveProxy(
  entry: UpstreamEntry['proxy'],
  origin: string,
  path: string,
  secrets: Secrets,
): ProxyConfig | null {
  if (entry === false) return null
  const where = `${path}.proxy`
  if (entry === undefined) {
    const variable = findProxyVariable(origin, secrets.env)
    if (variable === null) return null
    const proxy = parseProxy(secrets.env[variable]?.trim() ?? '')
    if (typeof proxy !== 'string') return proxy
    secrets.report(
      where,
      `the environment variable ${variable} ${proxy}; give a proxy here, or false for none`,
    )
    return null
  }
  const text = typeof entry === 'string' ? entry : secrets.read(entry, where)
  if (text === '') return null
  const proxy = parseProxy(text)
  if (typeof proxy === 'string') {
    secrets.report(where, proxy)
    return null
  }
  if (typeof entry === 'string' && proxy.authorization !== null) {
    secrets.report(
      where,
      'must not hold a user or password; give the whole URL by reference: {"env": "NAME"}',
    )
    return null
  }
  return proxy
}

/** @returns the end of a sentence if something is wrong with the text */
function parseProxy(text: string): ProxyConfig | string {
  let url: URL
  try {
    // In the environment it often has no scheme.
    url = new URL(text.includes('://') ? text : `http://${text}`)
  } catch {
    return 'must be a URL, such as http://proxy.example:3128'
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return 'must begin with http:// or https://; other kinds of proxies are not supported'
  }
  const { username, password } = url
  if (username === '' && password === '') return { origin: url.origin, authorization: null }
  let credentials: string
  try {
    credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return 'has a user or password that is not percent-encoded'
  }
  return { origin: url.origin, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

/**
 * Finds the environment variable that names the proxy for an upstream, by the rules of curl and Go: the name in lower
 * case takes precedence, and this machine is never reached through a proxy.
 * @param origin of the upstream
 * @returns the variable's name; null if there is no proxy
 */
function findProxyVariable(origin: string, env: Secrets['env']): string | null {
  const url = new URL(origin)
  const names = url.protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY']
  const name = names.find((each) => env[each]?.trim())
  if (name === undefined || isLoopback(url.hostname)) return null
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return isExempt(url.hostname, port, env.no_proxy ?? env.NO_PROXY ?? '') ? null : name
}

/** @param list value of `NO_PROXY`: `*`, hosts, and domains with all hosts below them; each may have a port */
function isExempt(hostname: string, port: string, list: string): boolean {
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (entry === '') continue
    if (entry === '*') return true
    const [, host = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
    if (only !== undefined && only !== port && !host.includes(':')) continue
    // An IPv6 address has colons of its own: what looks like a port is its last part.
    const name = (host.includes(':') ? entry : host).replace(/^\*?\./, '')
    if (hostname === name || hostname === `[${name}]` || hostname.endsWith(`.${name}`)) return true
  }
  return false
}

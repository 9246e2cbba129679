import { isLoopback } from './listen.js'

/** An HTTP proxy on the way to an upstream. Its credentials are in no other field than `authorization`. */
export interface ProxyConfig {
  /** Its origin: `http://proxy.example:3128`. */
  readonly origin: string
  /** The value of `proxy-authorization`, null if it asks for none. */
  readonly authorization: string | null
}

type Env = Readonly<Record<string, string | undefined>>

/** @returns a sentence that says what is wrong with it */
export function parseProxy(text: string): ProxyConfig | string {
  let url: URL
  try {
    // The environment often has it without a scheme.
    url = new URL(text.includes('://') ? text : `http://${text}`)
  } catch {
    return 'must be a URL, such as http://proxy.example:3128'
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return 'must begin with http:// or https://: no other kind of proxy is known'
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
 * The variable of the environment that names the proxy for an upstream, as curl and Go have it: the one in lower case goes
 * first, and this machine is never asked by way of a proxy.
 * @param origin of the upstream
 * @returns the variable's name, null if there is no proxy
 */
export function findProxyVariable(origin: string, env: Env): string | null {
  const url = new URL(origin)
  const names = url.protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY']
  const name = names.find((each) => env[each]?.trim())
  if (name === undefined || isLoopback(url.hostname)) return null
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return isExempt(url.hostname, port, env.no_proxy ?? env.NO_PROXY ?? '') ? null : name
}

/** @param list of `NO_PROXY`: `*`, hosts, and domains with all that is below them; each may have a port */
function isExempt(hostname: string, port: string, list: string): boolean {
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (entry === '') continue
    if (entry === '*') return true
    const [, host = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
    if (only !== undefined && only !== port && !host.includes(':')) continue
    // A whole IPv6 address has colons of its own.
    const name = (host.includes(':') ? entry : host).replace(/^\*?\./, '')
    if (hostname === name || hostname === `[${name}]` || hostname.endsWith(`.${name}`)) return true
  }
  return false
}

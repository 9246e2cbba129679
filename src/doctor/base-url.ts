import { combine, fail, pass, type Seen, warn } from './finding.js'
import { classifyReachByName, type Reach } from './reach.js'

/** A base URL as a person enters it in a client. */
export interface BaseUrl {
  readonly typed: string
  readonly url: URL
  /** Without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
  readonly secure: boolean
  /** It ends in `/cursor/v1`, where the relay accepts everything that Cursor sends. */
  readonly cursor: boolean
  /** Judged by its name; null if its addresses decide. */
  readonly reach: Reach | null
}

/** Reads a base URL. @returns a sentence that says what is wrong if it is not a URL */
export function readBaseUrl(typed: string): BaseUrl | string {
  const text = typed.trim()
  if (!/^https?:\/\//i.test(text)) {
    const host = /^[\w.-]+(?::\d+)?(?:\/[\w./-]*)?$/.test(text) ? text : 'your-host/v1'
    return `the base URL must begin with its scheme: https://${host}`
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'this is not a URL; it must look like https://your-host/v1'
  }
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const secure = url.protocol === 'https:'
  return {
    typed: text,
    url,
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    secure,
    cursor: /\/cursor\/v1\/*$/.test(url.pathname),
    reach: classifyReachByName(host),
  }
}

/** Formats the URL for output: without a password, which should not be in it. */
export function formatUrl(base: BaseUrl): string {
  const { url } = base
  if (url.username === '' && url.password === '') return base.typed
  return `${url.protocol}//${url.host}${url.pathname}`
}

/** The URL that a client would use: it appends its path to the exact text that was entered. */
export function buildPathUrl(base: BaseUrl, path: string): URL {
  return new URL(base.typed + path)
}

/** What is before the version in the path: a prefix by which a proxy knows the relay. Empty if there is none. */
export function readPrefix(base: BaseUrl): string {
  return base.url.pathname.replace(/\/+$/, '').replace(/(?:\/cursor)?\/v1$/, '')
}

/** The path where the relay tells its name, for each of its base paths. A prefix before the version is a proxy's. */
export function buildRootUrl(base: BaseUrl): URL {
  return new URL(`${readPrefix(base)}/v1/`, base.url.origin)
}

const NOT_FOR_CURSOR =
  'it works for clients on this machine, not for Cursor, whose servers refuse such addresses'

/** Azure's own hosts (learn.microsoft.com, Azure OpenAI REST API reference). */
const AZURE_HOST = /\.(?:openai|services\.ai|cognitiveservices)\.azure\.(?:com|us|cn)$/i

/** Paths of Azure's API, which Cursor appends by itself in its Azure settings. */
const AZURE_PATH = /^(.*?)\/openai(?:\/.*)?$/

const ENDPOINT = /\/(?:chat\/completions|completions|responses|messages|models)\/?$/

/** Why requests to the URL cannot arrive where they should, whatever is behind it; null if they can. */
export function findUselessUrl({ url, typed, host }: BaseUrl): string | null {
  const isUseless =
    /[?#]/.test(typed) ||
    ENDPOINT.test(url.pathname) ||
    AZURE_HOST.test(host) ||
    AZURE_PATH.test(url.pathname)
  return isUseless ? 'the URL has to be corrected first' : null
}

/** Judges the form of a base URL. */
export function examineUrl(base: BaseUrl): Seen {
  const parts: Seen[] = []
  const { url, host, secure, reach } = base
  if (AZURE_HOST.test(host)) {
    return fail(
      "this is Azure's own address: it takes no Authorization: Bearer of Cursor's, and no Thinwire is there",
      `put it into the relay's config: upstreams: {"azure": {"preset": "azure", "baseUrl": "${url.origin}"}}`,
      "and enter the relay's own URL in Cursor: https://your-host/cursor/v1",
    )
  }
  if (reach === 'loopback' || reach === 'private') {
    const where = reach === 'loopback' ? 'this machine only' : 'a private network'
    const who = reach === 'loopback' ? NOT_FOR_CURSOR : NOT_FOR_CURSOR.replace('on this machine', 'in it')
    parts.push(
      warn(
        `${host} is ${where}: ${who}`,
        'put Caddy or nginx on a public host in front (scripts/deploy), or use a named tunnel',
      ),
    )
  } else if (!secure) {
    parts.push(
      fail(
        'http: the key would go over the internet unencrypted, and Cursor requires https',
        'put Caddy in front, which gets a certificate itself (scripts/deploy/Caddyfile)',
      ),
    )
  }
  parts.push(...examinePath(url, base.typed))
  return parts.length === 0 ? pass(`https, ends in ${base.cursor ? '/cursor/v1' : '/v1'}`) : combine(parts)
}

function examinePath(url: URL, typed: string): Seen[] {
  const parts: Seen[] = []
  if (url.username !== '' || url.password !== '') {
    parts.push(fail('the URL has a user name or password', 'remove it: the key is the credential'))
  }
  if (/[?#]/.test(typed)) {
    parts.push(fail('the URL has a ? or #, and clients append their path to it', 'end it with /v1'))
  }
  const { pathname } = url
  const azure = AZURE_PATH.exec(pathname)
  if (azure !== null) {
    parts.push(
      fail(
        'the URL has a path of Azure (/openai), which Cursor does not use for its OpenAI base URL',
        `enter ${url.origin}${azure[1]}/cursor/v1`,
      ),
    )
    return parts
  }
  if (ENDPOINT.test(pathname)) {
    parts.push(
      fail(
        'the URL ends in an endpoint, and clients append one',
        `enter ${url.origin}${pathname.replace(ENDPOINT, '')}`,
      ),
    )
    return parts
  }
  const tidy = pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  if (tidy !== pathname && pathname !== '/') {
    parts.push(
      warn('the URL has an extra slash, so clients request //chat/completions', `enter ${url.origin}${tidy}`),
    )
  }
  if (!tidy.endsWith('/v1')) {
    parts.push(warn('the URL does not end in /v1', `enter ${url.origin}${tidy}/v1, unless a proxy adds it`))
  }
  return parts
}

import { combine, fail, pass, type Seen, warn } from './finding.js'
import { classifyReachByName, type Reach } from './reach.js'

/** A base URL as a person types it into a client. */
export interface BaseUrl {
  readonly typed: string
  readonly url: URL
  /** Without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
  readonly secure: boolean
  /** It ends in `/cursor/v1`, where the relay understands all that Cursor sends. */
  readonly cursor: boolean
  /** As far as its name tells; null if it has to be looked up. */
  readonly reach: Reach | null
}

/** @returns what is wrong, as a sentence, if it is no URL at all */
export function readBaseUrl(typed: string): BaseUrl | string {
  const text = typed.trim()
  if (!/^https?:\/\//i.test(text)) {
    const host = /^[\w.-]+(?::\d+)?(?:\/[\w./-]*)?$/.test(text) ? text : 'your-host/v1'
    return `the base URL begins with its scheme: https://${host}`
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'that is no URL; it looks like https://your-host/v1'
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

/** The URL as it may be shown: without a password, which has no place in it. */
export function formatUrl(base: BaseUrl): string {
  const { url } = base
  if (url.username === '' && url.password === '') return base.typed
  return `${url.protocol}//${url.host}${url.pathname}`
}

/** What a client would ask for: it appends its path to exactly what was typed. */
export function buildPathUrl(base: BaseUrl, path: string): URL {
  return new URL(base.typed + path)
}

/** Where the relay tells who it is, whichever of its base paths this is: what stands ahead of the version is a proxy's. */
export function buildRootUrl(base: BaseUrl): URL {
  const prefix = base.url.pathname.replace(/\/+$/, '').replace(/(?:\/cursor)?\/v1$/, '')
  return new URL(`${prefix}/v1/`, base.url.origin)
}

const NOT_FOR_CURSOR =
  'works for clients on this machine, not for Cursor, whose servers refuse such addresses'

export function examineUrl(base: BaseUrl): Seen {
  const parts: Seen[] = []
  const { url, host, secure, reach } = base
  if (reach === 'loopback' || reach === 'private') {
    const where = reach === 'loopback' ? 'this machine alone' : 'a private network'
    const who = reach === 'loopback' ? NOT_FOR_CURSOR : NOT_FOR_CURSOR.replace('on this machine', 'in it')
    parts.push(
      warn(
        `${host} is ${where}: ${who}`,
        'put Caddy or nginx on a public host in front (scripts/deploy), or a named tunnel',
      ),
    )
  } else if (!secure) {
    parts.push(
      fail(
        'http: the key would go over the internet in the clear, and Cursor asks for https',
        'put Caddy in front, which gets a certificate by itself (scripts/deploy/Caddyfile)',
      ),
    )
  }
  parts.push(...examinePath(url, base.typed))
  return parts.length === 0 ? pass(`https, ends in ${base.cursor ? '/cursor/v1' : '/v1'}`) : combine(parts)
}

function examinePath(url: URL, typed: string): Seen[] {
  const parts: Seen[] = []
  if (url.username !== '' || url.password !== '') {
    parts.push(fail('there is a name or password in it', 'take it out: the key is what lets one in'))
  }
  if (/[?#]/.test(typed)) {
    parts.push(fail('there is a ? or # in it, and clients append their path behind', 'end it with /v1'))
  }
  const { pathname } = url
  const endpoint = /\/(?:chat\/completions|completions|responses|messages|models)\/?$/
  if (endpoint.test(pathname)) {
    parts.push(
      fail(
        'it has an endpoint at its end, and clients append one',
        `enter ${url.origin}${pathname.replace(endpoint, '')}`,
      ),
    )
    return parts
  }
  const tidy = pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  if (tidy !== pathname && pathname !== '/') {
    parts.push(
      warn('it has a slash too many, so clients ask for //chat/completions', `enter ${url.origin}${tidy}`),
    )
  }
  if (!tidy.endsWith('/v1')) {
    parts.push(warn('it does not end in /v1', `enter ${url.origin}${tidy}/v1, unless a proxy adds it`))
  }
  return parts
}

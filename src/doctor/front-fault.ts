import type { BaseUrl } from './base-url.js'
import { fail, type Seen } from './finding.js'
import { type Front, findRemedy, identifyFront } from './front.js'
import { findHeader, type HttpResponse } from './http-request.js'
import { detectBodyKind, quoteBody } from './quote.js'

/** Something in front of the relay that keeps requests from it: the first cause of all that fails behind it. */
export interface FrontFault {
  /** Why the later checks are not tried. */
  readonly why: string
  readonly seen: Seen
}

/** The request that got the response. */
export interface SentHead {
  readonly method: string
  readonly hasKey: boolean
}

/** What is known of the server so far. */
export interface KnownFront {
  readonly base: BaseUrl
  readonly key: string
  readonly front: Front | null
  /** A Thinwire has responded already. */
  readonly thinwire: boolean
}

/** Of nginx, Caddy (Go), and Apache, for plain HTTP at a port with TLS. */
const NEEDS_TLS =
  /plain HTTP request was sent to HTTPS port|sent an HTTP request to an HTTPS server|speaking plain HTTP to an SSL-enabled/i

/** Of Thinwire, and of APIs in OpenAI's form. */
const NO_KEY = /(?:didn't|did not) provide an API key|No API key (?:was )?(?:sent|provided)|missing api key/i

/** nginx's words for `limit_req` and `limit_conn`; where it does not reach the relay, they are others. */
const NGINX_LIMIT = /503 Service Temporarily Unavailable/i

/**
 * Finds in a response that it comes from something in front of the relay, which keeps requests from it.
 * @returns null if the relay or an upstream has responded, or nothing is certain
 */
export function findFrontFault(
  response: HttpResponse,
  { method, hasKey }: SentHead,
  known: KnownFront,
): FrontFault | null {
  const { status } = response
  const text = quoteBody(response, known.key)
  const front = identifyFront(response) ?? known.front
  const fault = (problem: Parameters<typeof findRemedy>[0], seen: string, why: string): FrontFault => ({
    why,
    seen: fail(`${text}: ${seen}`, ...findRemedy(problem, front)),
  })
  // What an upstream says is none of a proxy's.
  if (/\battempt;dur=/.test(findHeader(response, 'server-timing') ?? '')) return null
  if (status === 401 && hasKey && losesKey(response, text))
    return fault(
      'credential',
      'a key was sent, but it did not arrive: a proxy in front removes the header Authorization',
      'the key does not arrive',
    )
  if (findHeader(response, 'x-thinwire-error') !== undefined) return null
  if (status === 400 && NEEDS_TLS.test(text))
    return { why: 'the port wants https', seen: describeTlsPort(known.base) }
  const kind = detectBodyKind(response)
  if (kind === 'error' || kind === 'json') return null
  if (
    status === 401 &&
    /^(?:basic|digest|negotiate|ntlm)\b/i.test(findHeader(response, 'www-authenticate') ?? '')
  )
    return fault(
      'login',
      'a proxy in front has a login of its own, which no client can pass',
      'a proxy wants a login',
    )
  if (status === 429 || (status === 503 && (known.thinwire || NGINX_LIMIT.test(text))))
    return fault('rate', 'a proxy in front limits the number of requests', 'a proxy limits requests')
  if (status === 403 || (status === 405 && method === 'POST'))
    return method === 'POST' && known.thinwire
      ? fault('method', 'a proxy in front refuses POST, though GET passes', 'a proxy refuses POST')
      : status === 403 && method !== 'OPTIONS'
        ? fault('forbidden', 'a proxy in front refuses the request', 'a proxy refuses the requests')
        : null
  return null
}

function losesKey(response: HttpResponse, text: string): boolean {
  const code = findHeader(response, 'x-thinwire-error')
  return code === undefined ? NO_KEY.test(text) : code === 'missing_api_key'
}

/** The result for a URL with http whose port has TLS. */
export function describeTlsPort({ url, port }: BaseUrl): Seen {
  const host = port === 443 ? url.hostname : `${url.hostname}:${port}`
  return fail(`port ${port} speaks TLS, and the URL has http`, `enter https://${host}${url.pathname}`)
}

import { type FlatHeaderList, type FlatHeaders, findHeader } from './flat-headers.js'
import { collectConnectionNames, HOP_BY_HOP } from './hop-by-hop.js'

/** Headers of a request that do not reach an upstream, in lower case. */
const DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  // Belongs to one connection too (RFC 7540, 3.2.1).
  'http2-settings',
  // It names the relay. The TLS server name of a connection follows from it, too.
  'host',
  // The relay responds to it itself, and an upstream's answer to it would come too late.
  'expect',
  // The body is complete when it is sent: its true length is written.
  'content-length',
  // CORS ends here. Anthropic refuses requests that carry an Origin, as calls from a browser.
  'origin',
  'access-control-request-method',
  'access-control-request-headers',
  'access-control-request-private-network',
  // Set for this relay's domain (by a login proxy, for example), so never meant for an upstream.
  'cookie',
  // Some frameworks take the path or the method from them, so that they would serve another one than was routed.
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  // Added by tunnels and proxies in front: they say who the client is, and some CDNs refuse them from outside.
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'cdn-loop',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-pseudo-ipv4',
  'cf-ipcountry',
  'cf-ray',
  'cf-visitor',
  'cf-worker',
  'cf-ew-via',
  'cf-warp-tag-id',
  'x-amzn-trace-id',
  // Of a signature of AWS, which is valid at the host that it was made for alone.
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-content-sha256',
])

/** Headers whose names begin like this do not reach an upstream either. */
const DROPPED_PREFIXES = ['x-forwarded-', 'sec-fetch-', 'x-thinwire-', 'x-envoy-', 'x-arr-']

/** Headers in which the APIs that are known here expect a key, in the order in which they are read. */
export const CREDENTIAL_HEADERS: readonly string[] = [
  ...['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'],
]

/**
 * Headers in which some client or gateway expects a key: LiteLLM's, Azure API Management's, ElevenLabs', that of
 * Cloudflare's AI gateway, and one that people make up.
 */
export const OTHER_CREDENTIAL_HEADERS: readonly string[] = [
  ...[
    'x-litellm-api-key',
    'ocp-apim-subscription-key',
    'xi-api-key',
    'cf-aig-authorization',
    'openai-api-key',
  ],
]

/** What a client sends in any of these is for the relay alone. */
const CLIENT_CREDENTIALS: ReadonlySet<string> = new Set([...CREDENTIAL_HEADERS, ...OTHER_CREDENTIAL_HEADERS])

/**
 * Builds the headers of an upstream request from those of the client, in the order they came.
 *
 * Headers that `Connection` names are dropped before `added` is appended: otherwise `Connection: authorization` would
 * remove the credential that the relay adds.
 *
 * @param raw `req.rawHeaders`
 * @param added headers that the upstream needs (credential, its own headers), names in lower case; each replaces the
 * client's
 * @param keepCredentials true where the client's own provider key is passed through
 * @param isSecret tells a text that holds a key of the relay's own: such a header is dropped, whatever its name. Not
 * asked where the client's credentials are kept
 */
export function filterRequestHeaders(
  raw: FlatHeaders,
  added: FlatHeaders,
  keepCredentials: boolean,
  isSecret: ((text: string) => boolean) | null = null,
): FlatHeaderList {
  const named = findConnectionNames(raw)
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    const kind = kindOf(name)
    if (kind === 'dropped' || (kind === 'credential' && !keepCredentials)) continue
    if (hasName(added, name) || named?.has(name.toLowerCase())) continue
    const value = raw[i + 1] as string
    if (!keepCredentials && isSecret !== null && (isSecret(value) || isSecret(name))) continue
    headers.push(name, value)
  }
  for (let i = 0; i < added.length; i++) headers.push(added[i] as string)
  return headers
}

/**
 * Reads the length that a request declares: a number of bytes, -1 for a chunked body, 0 for no body. Node's parser has
 * already refused messages that declare both, or two different lengths (RFC 9112, 6.3).
 */
export function readContentLength(raw: FlatHeaders): number {
  const length = findHeader(raw, 'content-length')
  if (length !== undefined) return Number(length)
  return findHeader(raw, 'transfer-encoding') === undefined ? 0 : -1
}

/** Names listed in `Connection`; null if it lists none but headers that are dropped anyway. */
function findConnectionNames(raw: FlatHeaders): ReadonlySet<string> | null {
  let named: Set<string> | null = null
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    // Not by `findHeaders`: its list would cost a tenth of all that is done with the headers (bench `request_headers`).
    if (name.length === 10 && name.toLowerCase() === 'connection')
      named = collectConnectionNames(named, raw[i + 1] as string)
  }
  return named
}

/**
 * Whether a client's header of this name reaches no upstream, unless the client's own credentials are kept.
 * @param lower the name in lower case
 */
export function isNeverSent(lower: string): boolean {
  return kindOf(lower) !== 'other'
}

function hasDroppedPrefix(lower: string): boolean {
  // All prefixes begin with x or s; most headers begin with another letter.
  const first = lower.charCodeAt(0)
  if (first !== 0x78 && first !== 0x73) return false
  for (const prefix of DROPPED_PREFIXES) if (lower.startsWith(prefix)) return true
  return false
}

/** @param headers with names in lower case */
function hasName(headers: FlatHeaders, name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const lower = headers[i] as string
    if (lower.length === name.length && lower === name.toLowerCase()) return true
  }
  return false
}

/** What becomes of a header, by its name alone. */
type Kind = 'dropped' | 'credential' | 'other'

/** Kinds of names, as clients write them: there are few. All are forgotten when there are too many. */
const kinds = new Map<string, Kind>()
const KINDS_MAX = 1_000
const KIND_LENGTH = 100

function kindOf(name: string): Kind {
  const known = kinds.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const isDropped = DROPPED.has(lower) || hasDroppedPrefix(lower)
  const kind = isDropped ? 'dropped' : CLIENT_CREDENTIALS.has(lower) ? 'credential' : 'other'
  if (kinds.size >= KINDS_MAX) kinds.clear()
  if (name.length <= KIND_LENGTH) kinds.set(name, kind)
  return kind
}

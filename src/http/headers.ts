/**
 * Which headers cross the relay, and which end at it. Policy as tables; the functions only walk them.
 */

/**
 * Hop-by-hop headers belong to one connection (RFC 9110, 7.6.1). `keep-alive`, `proxy-connection` and
 * `http2-settings` are hop-by-hop by custom or by RFC 7540; `alt-svc` describes the origin that sent it, and a
 * client that followed it would go around the relay.
 */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Dropped from a request: hop-by-hop, what we set ourselves, the client's credentials, what the path here added. */
const REQUEST_DROPS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'http2-settings',
  // undici takes the TLS server name from Host and would reconnect whenever it changed.
  'host',
  // Answered by us, and undici throws on it.
  'expect',
  // The body is complete when it is sent: undici writes its true length.
  'content-length',
  // CORS ends here. Anthropic refuses requests that carry an Origin, as calls from a browser.
  'origin',
  'access-control-request-method',
  'access-control-request-headers',
  'access-control-request-private-network',
  // Set for this relay's domain (a login proxy's, say), so never meant for an upstream.
  'cookie',
  // Added by tunnels and proxies in front; they tell who the client is, and some CDNs refuse them from outside.
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
])

/** Likewise, by what the name begins with. */
const REQUEST_DROP_PREFIXES = ['x-forwarded-', 'sec-fetch-', 'x-thinwire-', 'x-envoy-', 'x-arr-']

/** Where a client may put its key; all of them end here, as each is a credential. */
export const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key'])

const UNTOUCHED = 'no-cache, no-transform'

const EXPOSE = 'access-control-expose-headers'

const RESPONSE_DROPS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'alt-svc',
  // CORS is between the client and us; two of them would make a browser refuse both.
  'access-control-allow-origin',
  'access-control-allow-credentials',
  EXPOSE,
])

/**
 * The headers to send upstream, as name, value, name, value, in the order they came.
 *
 * Headers named by `Connection` go before `added` is put on: else `Connection: authorization` would take away the
 * credential that we add.
 *
 * @param raw `req.rawHeaders`
 * @param added what the upstream needs (credential, its own headers): replaces what the client sent by that name
 * @param keepCredentials true where the client's own provider key is to go through
 */
export function filterRequestHeaders(
  raw: readonly string[],
  added: readonly string[],
  keepCredentials: boolean,
): string[] {
  const named = connectionNamed(raw)
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    const lower = name.toLowerCase()
    if (REQUEST_DROPS.has(lower) || named?.has(lower) || hasDropPrefix(lower)) continue
    if (!keepCredentials && CREDENTIAL_HEADERS.has(lower)) continue
    if (added.length > 0 && hasName(added, lower)) continue
    headers.push(name, raw[i + 1] as string)
  }
  for (let i = 0; i < added.length; i++) headers.push(added[i] as string)
  return headers
}

/** What of a response's headers is worth knowing on the way, filled in by the same walk that filters them. */
export interface ResponseFacts {
  eventStream: boolean
  json: boolean
  /** The `content-encoding` of the body, in lower case; null if its bytes are what they are. */
  encoding: string | null
  /** The upstream's own request id, or null. */
  requestId: string | null
}

/**
 * The upstream's headers that go on to the client, as name, value, name, value, in the order they came: less those that
 * end here, and for a stream with what keeps proxies in front from holding it back.
 *
 * @param raw the upstream's, names and values by turns, as bytes (Latin-1, RFC 9110 5.5) or text
 */
export function filterResponseHeaders(raw: readonly (Buffer | string)[], facts: ResponseFacts): string[] {
  const headers: string[] = []
  let named: Set<string> | null = null
  let cacheControl = false
  let accelBuffering = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = latin1(raw[i] as Buffer | string)
    const lower = name.toLowerCase()
    if (RESPONSE_DROPS.has(lower)) {
      if (lower === 'connection') named = addTokens(named, latin1(raw[i + 1] as Buffer | string))
      continue
    }
    const value = latin1(raw[i + 1] as Buffer | string)
    switch (lower) {
      case 'content-type':
        facts.eventStream = isEventStream(value)
        facts.json = isJson(value)
        break
      case 'content-encoding':
        facts.encoding = codingOf(value)
        break
      case 'x-request-id':
        facts.requestId = value
        break
      // Anthropic's name for it.
      case 'request-id':
        facts.requestId ??= value
        break
      case 'cache-control':
        cacheControl = true
        break
      case 'x-accel-buffering':
        accelBuffering = true
        break
    }
    headers.push(name, value)
  }
  if (named !== null) removeNamed(headers, named)
  if (facts.eventStream) {
    // Proxies in front must neither transform nor hold back events: nginx reads the second, most others the first.
    if (!cacheControl) headers.push('cache-control', UNTOUCHED)
    if (!accelBuffering) headers.push('x-accel-buffering', 'no')
  }
  return headers
}

/**
 * Puts on what every response of ours has.
 *
 * @param headers of `passedHeaders`
 * @param requestId set as `x-request-id` unless the upstream sent its own
 * @param timing of `server-timing`, set beside the upstream's own
 * @param crossOrigin the request had an `Origin`: say which headers a page may read
 */
export function addRelayHeaders(
  headers: string[],
  requestId: string,
  timing: string,
  crossOrigin: boolean,
): void {
  if (findHeader(headers, 'x-request-id') === undefined) headers.push('x-request-id', requestId)
  headers.push('server-timing', timing, 'access-control-allow-origin', '*')
  if (crossOrigin) headers.push(EXPOSE, exposed(headers))
}

/** The headers to send to the client: both of the above. */
export function buildResponseHeaders(
  raw: readonly (Buffer | string)[],
  requestId: string,
  timing: string,
  crossOrigin: boolean,
  facts: ResponseFacts,
): string[] {
  const headers = filterResponseHeaders(raw, facts)
  addRelayHeaders(headers, requestId, timing, crossOrigin)
  return headers
}

/**
 * Sets a header of the relay's own on an answer, in place of the upstream's by that name; a page may read it as the others.
 * @param headers of `responseHeaders`
 */
export function setHeader(headers: string[], lower: string, value: string): void {
  removeHeader(headers, lower)
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] !== EXPOSE) continue
    const names = (headers[i + 1] as string).split(', ')
    if (!names.includes(lower)) headers[i + 1] = [...names, lower].join(', ')
  }
  headers.push(lower, value)
}

/** For what becomes a stream of events, and was none. @param headers of the upstream's */
export function setEventStreamType(headers: string[]): void {
  setHeader(headers, 'content-type', 'text/event-stream; charset=utf-8')
  setHeader(headers, 'cache-control', UNTOUCHED)
  setHeader(headers, 'x-accel-buffering', 'no')
}

/** A page may read every header of the answer: `*` would do, but not for a client that checks the names. */
function exposed(headers: readonly string[]): string {
  const names = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) names.add((headers[i] as string).toLowerCase())
  names.delete('set-cookie')
  return [...names].join(', ')
}

/** Names listed in `Connection`, or null: nearly always `keep-alive` or `close`, which are headers we drop anyway. */
function connectionNamed(raw: readonly string[]): Set<string> | null {
  let named: Set<string> | null = null
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 10 && name.toLowerCase() === 'connection') {
      named = addTokens(named, raw[i + 1] as string)
    }
  }
  return named
}

function addTokens(named: Set<string> | null, value: string): Set<string> | null {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close') return named
  const tokens = named ?? new Set<string>()
  for (const token of lower.split(',')) tokens.add(token.trim())
  return tokens
}

/**
 * Framing and type stay whatever `Connection` lists: without them the bytes that follow would be read as
 * something else.
 */
function removeNamed(headers: string[], named: ReadonlySet<string>): void {
  let kept = 0
  for (let i = 0; i < headers.length; i += 2) {
    const lower = (headers[i] as string).toLowerCase()
    if (named.has(lower) && !lower.startsWith('content-')) continue
    headers[kept] = headers[i] as string
    headers[kept + 1] = headers[i + 1] as string
    kept += 2
  }
  headers.length = kept
}

/** Takes a header out of a flat list. @param lower its name, in lower case */
export function removeHeader(headers: string[], lower: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const name = headers[i] as string
    if (name.length === lower.length && name.toLowerCase() === lower) headers.splice(i, 2)
  }
}

/** RFC 9110, 8.6 and 8.8.3; RFC 9530; RFC 9421. */
const OF_THE_BYTES: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'digest',
  'etag',
  'repr-digest',
  'signature',
  'signature-input',
])

/** Takes out of a flat list what is true of the very bytes of a body, of one that is changed. */
export function removeEntityHeaders(headers: string[]): void {
  for (let i = headers.length - 2; i >= 0; i -= 2)
    if (OF_THE_BYTES.has((headers[i] as string).toLowerCase())) headers.splice(i, 2)
}

function hasDropPrefix(lower: string): boolean {
  // x and s begin all of them; most headers begin with something else.
  const first = lower.charCodeAt(0)
  if (first !== 0x78 && first !== 0x73) return false
  for (const prefix of REQUEST_DROP_PREFIXES) if (lower.startsWith(prefix)) return true
  return false
}

function hasName(headers: readonly string[], lower: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === lower) return true
  return false
}

/**
 * A reason phrase as Node can send it on. It means nothing to any program (RFC 9112, 4), so one with control characters
 * is left out.
 * @param decodedAs what its bytes were read as: UTF-8 by undici, Latin-1 by Node. They are put back as they were.
 */
export function readReasonPhrase(reason: string | undefined, decodedAs: 'utf8' | 'latin1'): string {
  if (reason === undefined || /^[\t\x20-\x7e]*$/.test(reason)) return reason ?? ''
  const bytes = decodedAs === 'utf8' ? Buffer.from(reason).toString('latin1') : reason
  return /[^\t\x20-\x7e\x80-\xff]/.test(bytes) ? '' : bytes
}

function latin1(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1')
}

/** Of a head that has not been read yet. */
export function createResponseFacts(): ResponseFacts {
  return { eventStream: false, json: false, encoding: null, requestId: null }
}

function codingOf(value: string): string | null {
  const coding = value.trim().toLowerCase()
  return coding === 'identity' || coding === '' ? null : coding
}

function isJson(value: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(value)
}

function isEventStream(value: string): boolean {
  return value.length >= 17 && value.slice(0, 17).toLowerCase() === 'text/event-stream'
}

/** The value of the first header of this name (lower case) in a flat list, or undefined. */
export function findHeader(raw: readonly string[], lower: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === lower.length && name.toLowerCase() === lower) return raw[i + 1]
  }
  return undefined
}

/**
 * The length that a request declares: a number, -1 for a chunked body, 0 for none. Node's parser has by then
 * refused messages that declare both, or two different lengths (RFC 9112, 6.3).
 */
export function readContentLength(rawHeaders: readonly string[]): number {
  const length = findHeader(rawHeaders, 'content-length')
  if (length !== undefined) return Number(length)
  return findHeader(rawHeaders, 'transfer-encoding') === undefined ? 0 : -1
}

/**
 * Whether a request names one host (RFC 9112, 3.2). Node would answer one that does not by itself, in no API's format and
 * without a line in the log; doubled ones it lets through.
 * @param minor of its HTTP version: 1.0 needs none
 */
export function hasOneHost(rawHeaders: readonly string[], minor: number): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts === 1 || (hosts === 0 && minor === 0)
}

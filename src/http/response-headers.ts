import {
  decodeLatin1,
  type FlatHeaderList,
  type FlatHeaders,
  findHeader,
  type RawHeaders,
  removeHeader,
} from './flat-headers.js'
import { collectConnectionNames, HOP_BY_HOP } from './hop-by-hop.js'
import { isAwsEventStream, isEventStream, isJson, isJsonLines, isUntyped } from './media-type.js'

const NO_TRANSFORM = 'no-cache, no-transform'

const EXPOSE = 'access-control-expose-headers'

/** Headers of an upstream's response that do not reach the client, in lower case. */
const DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  // It describes the origin that sent it: a client that followed it would bypass the relay.
  'alt-svc',
  // CORS is between the client and the relay; a browser refuses a response with two of these.
  'access-control-allow-origin',
  'access-control-allow-credentials',
  EXPOSE,
  // A front sets them on what did not pass the relay: its log is read by them, and so is what a client sees.
  'x-thinwire-direct',
  'x-thinwire-direct-key',
])

/** Properties of a response that later steps need, read in the same walk that filters its headers. */
export interface ResponseFacts {
  eventStream: boolean
  /** Binary events of AWS. */
  awsEventStream: boolean
  json: boolean
  /** Lines of JSON. */
  jsonLines: boolean
  /** The head does not say what the body is, or calls it plain text. */
  untyped: boolean
  /** The `content-encoding` of the body, in lower case; null if the body is not encoded. */
  encoding: string | null
  /** The upstream's own request id, or null. */
  requestId: string | null
  /** Tokens that the head tells, by Bedrock's names for them; null if it tells none. */
  headerUsage: Record<string, number> | null
}

/** Facts of a response whose head has not been read yet. */
export function createResponseFacts(): ResponseFacts {
  return {
    eventStream: false,
    awsEventStream: false,
    json: false,
    jsonLines: false,
    untyped: true,
    encoding: null,
    requestId: null,
    headerUsage: null,
  }
}

/**
 * Selects the headers of an upstream's response that reach the client, in the order they came. An event stream also
 * gets headers that keep proxies in front from holding it back.
 *
 * @param raw the upstream's headers
 * @param facts filled in
 */
export function filterResponseHeaders(raw: RawHeaders, facts: ResponseFacts): FlatHeaderList {
  const headers: string[] = []
  let named: Set<string> | null = null
  let hasCacheControl = false
  let hasAccelBuffering = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = decodeLatin1(raw[i] as Buffer | string)
    const lower = name.toLowerCase()
    if (DROPPED.has(lower)) {
      if (lower === 'connection')
        named = collectConnectionNames(named, decodeLatin1(raw[i + 1] as Buffer | string))
      continue
    }
    const value = decodeLatin1(raw[i + 1] as Buffer | string)
    switch (lower) {
      case 'content-type':
        facts.eventStream = isEventStream(value)
        facts.json = isJson(value)
        facts.awsEventStream = !facts.eventStream && !facts.json && isAwsEventStream(value)
        facts.jsonLines = isJsonLines(value)
        facts.untyped = isUntyped(value)
        break
      case 'content-encoding':
        facts.encoding = readContentCoding(value)
        break
      case 'x-request-id':
        facts.requestId = value
        break
      // Anthropic's name for it.
      case 'request-id':
        facts.requestId ??= value
        break
      case 'content-disposition':
        if (isAscii(value)) break
        // Behind a `content-length`, Node takes the value for text and encodes it again, or refuses it.
        headers.unshift(name, value)
        continue
      case 'cache-control':
        hasCacheControl = true
        break
      case 'x-accel-buffering':
        hasAccelBuffering = true
        break
      default:
        if (lower.startsWith('x-amzn-')) readAmazonHeader(lower, value, facts)
    }
    headers.push(name, value)
  }
  if (named !== null) removeConnectionNames(headers, named)
  if (facts.eventStream || facts.awsEventStream) {
    // Proxies in front must neither transform events nor hold them back: nginx reads the second, most others the first.
    if (!hasCacheControl) headers.push('cache-control', NO_TRANSFORM)
    if (!hasAccelBuffering) headers.push('x-accel-buffering', 'no')
  }
  return headers
}

const BEDROCK_COUNTS: Readonly<Record<string, string>> = {
  'x-amzn-bedrock-input-token-count': 'inputTokenCount',
  'x-amzn-bedrock-output-token-count': 'outputTokenCount',
  'x-amzn-bedrock-cache-read-input-token-count': 'cacheReadInputTokenCount',
  'x-amzn-bedrock-cache-write-input-token-count': 'cacheWriteInputTokenCount',
}

function readAmazonHeader(lower: string, value: string, facts: ResponseFacts): void {
  if (lower === 'x-amzn-requestid') facts.requestId ??= value
  const name = BEDROCK_COUNTS[lower]
  if (name === undefined || !/^\d{1,12}$/.test(value)) return
  facts.headerUsage ??= {}
  facts.headerUsage[name] = Number(value)
}

/**
 * Appends the headers that the relay sets on every response.
 *
 * @param headers of `filterResponseHeaders`
 * @param requestId set as `x-request-id` unless the upstream sent its own
 * @param timing set as `server-timing`, beside the upstream's own
 * @param crossOrigin the request had an `Origin`: list the headers that a page may read
 */
export function addRelayHeaders(
  headers: FlatHeaderList,
  requestId: string,
  timing: string,
  crossOrigin: boolean,
): void {
  if (findHeader(headers, 'x-request-id') === undefined) headers.push('x-request-id', requestId)
  headers.push('server-timing', timing, 'access-control-allow-origin', '*')
  if (crossOrigin) exposeHeaders(headers)
}

/** Builds the headers for the client: `filterResponseHeaders`, then `addRelayHeaders`. */
export function buildResponseHeaders(
  raw: RawHeaders,
  requestId: string,
  timing: string,
  crossOrigin: boolean,
  facts: ResponseFacts,
): FlatHeaderList {
  const headers = filterResponseHeaders(raw, facts)
  addRelayHeaders(headers, requestId, timing, crossOrigin)
  return headers
}

/**
 * Sets a header of the relay's own on a response, in place of the upstream's header of that name.
 * @param headers of `filterResponseHeaders`: `addRelayHeaders` lists this header too for pages
 * @param lower the name in lower case
 */
export function setHeader(headers: FlatHeaderList, lower: string, value: string): void {
  removeHeader(headers, lower)
  headers.push(lower, value)
}

/** Sets the headers of an event stream on a response whose body is turned into one. */
export function setEventStreamType(headers: FlatHeaderList): void {
  setHeader(headers, 'content-type', 'text/event-stream; charset=utf-8')
  setHeader(headers, 'cache-control', NO_TRANSFORM)
  setHeader(headers, 'x-accel-buffering', 'no')
}

/** Lets a page on another origin read all headers of a response. */
export function exposeHeaders(headers: FlatHeaderList): void {
  headers.push(EXPOSE, listNames(headers))
}

/**
 * Lists all names, because a page may read every header of a response. Browsers accept `*` too, but some clients look
 * for the names.
 */
function listNames(headers: FlatHeaders): string {
  const names = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) names.add((headers[i] as string).toLowerCase())
  names.delete('set-cookie')
  return [...names].join(', ')
}

/**
 * Removes the headers that `Connection` names. Length, type and encoding stay even if they are named: without them the
 * client would read the body as something else.
 */
function removeConnectionNames(headers: FlatHeaderList, named: ReadonlySet<string>): void {
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

/** Headers that describe the exact bytes of a body (RFC 9110, 8.6 and 8.8.3; RFC 9530; RFC 9421). */
const BODY_HEADERS: ReadonlySet<string> = new Set([
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

/** Headers of a response that are about the request that it was made for, or about whoever sent that. */
const PERSONAL: ReadonlySet<string> = new Set([
  ...['set-cookie', 'set-cookie2', 'authentication-info', 'www-authenticate'],
  ...[
    'x-request-id',
    'request-id',
    'x-ms-request-id',
    'apim-request-id',
    'x-ms-client-request-id',
    'x-trace-id',
  ],
  ...['x-amzn-requestid', 'x-amz-request-id', 'x-amz-id-2', 'x-amz-cf-id', 'cf-ray', 'x-goog-request-id'],
  ...[
    'x-correlation-id',
    'traceparent',
    'tracestate',
    'openai-processing-ms',
    'x-envoy-upstream-service-time',
  ],
  ...['openai-organization', 'openai-project', 'anthropic-organization-id', 'retry-after', 'retry-after-ms'],
])

/** Beginnings of such names: limits of a key, and what gateways say of it. */
const PERSONAL_PREFIXES = [
  'x-ratelimit-',
  'anthropic-ratelimit-',
  'ratelimit',
  'x-codex-',
  'x-litellm-',
  'helicone-',
  'x-thinwire-limit-',
]

/** Removes what a client must not get of a response that was made for another one. */
export function removePersonalHeaders(headers: FlatHeaderList): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const lower = (headers[i] as string).toLowerCase()
    if (PERSONAL.has(lower) || PERSONAL_PREFIXES.some((prefix) => lower.startsWith(prefix)))
      headers.splice(i, 2)
  }
}

/** Removes the headers that describe the exact bytes of a body, for a body that is changed on its way. */
export function removeEntityHeaders(headers: FlatHeaderList): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (BODY_HEADERS.has((headers[i] as string).toLowerCase())) headers.splice(i, 2)
  }
}

/**
 * A reason phrase in the form in which Node sends it. No program reads it (RFC 9112, 4), so one with control
 * characters is left out.
 * @param decodedAs how its bytes were decoded: UTF-8 by the upstream's client, Latin-1 by Node; the client gets the
 * same bytes
 */
export function readReasonPhrase(reason: string | undefined, decodedAs: 'utf8' | 'latin1'): string {
  if (reason === undefined || /^[\t\x20-\x7e]*$/.test(reason)) return reason ?? ''
  const bytes = decodedAs === 'utf8' ? Buffer.from(reason).toString('latin1') : reason
  return /[^\t\x20-\x7e\x80-\xff]/.test(bytes) ? '' : bytes
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

function readContentCoding(value: string): string | null {
  const coding = value.trim().toLowerCase()
  return coding === 'identity' || coding === '' ? null : coding
}

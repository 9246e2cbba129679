import { type FlatHeaders, findHeader, findHeaders } from '../http/flat-headers.js'
import { CREDENTIAL_HEADERS, OTHER_CREDENTIAL_HEADERS } from '../http/request-headers.js'
import { hashKey, inspectKey, isLikelyKey } from './key.js'
import { findKeyFault, type KeyFault } from './key-limits.js'
import type { KeyRecord, Keyring } from './keyring.js'
import type { RecentKeys } from './recent-keys.js'

/** Why a request is not authenticated: error codes of the client API. */
export type CredentialRefusal =
  | 'missing_api_key'
  | 'malformed_api_key'
  | 'mistyped_api_key'
  | 'unknown_api_key'
  | KeyFault

/** Credentials beyond this number are ignored. A client has no reason to send each header more than twice. */
const CREDENTIALS_MAX = 8

/**
 * From the least to the most specific. When several credentials are refused, the client gets the most specific
 * reason.
 */
const BY_SPECIFICITY: readonly CredentialRefusal[] = [
  'missing_api_key',
  'malformed_api_key',
  'mistyped_api_key',
  'unknown_api_key',
  'revoked_api_key',
  'expired_api_key',
]

/**
 * Finds the credentials of a request, each once: in `Authorization: Bearer`, then `x-api-key`, `api-key`, and Google's
 * `x-goog-api-key`.
 * Clients do send several: an Anthropic client with an auth token sends two, and a proxy in front may put its own into
 * `Authorization`. It takes `rawHeaders` because `req.headers` keeps only the first `Authorization`.
 */
export function credentialsIn(rawHeaders: FlatHeaders): string[] {
  const found: string[] = []
  let hasOther = false
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 13) {
      if (name.toLowerCase() === 'authorization') add(readBearerToken(rawHeaders[i + 1] as string), found)
    } else if (name.length === 9 || name.length === 7 || name.length === 14) hasOther = true
  }
  // Most requests have no header with a name that is as long as the others.
  if (hasOther)
    for (let i = 1; i < CREDENTIAL_HEADERS.length; i++)
      collect(rawHeaders, CREDENTIAL_HEADERS[i] as string, found)
  return found
}

/**
 * Finds the keys with which a client may authenticate. Beside the usual headers they may stand in those of gateways, as
 * the whole `Authorization` without a scheme, or as the user or the password of `Basic`. Not in `Proxy-Authorization`,
 * which is for a proxy in front.
 */
export function presentedKeys(rawHeaders: FlatHeaders): string[] {
  const found = credentialsIn(rawHeaders)
  for (const text of found) if (isLikelyKey(text)) return found
  for (const name of OTHER_CREDENTIAL_HEADERS) collect(rawHeaders, name, found)
  for (const value of findHeaders(rawHeaders, 'authorization'))
    for (const text of readOtherSchemes(value))
      if (isLikelyKey(text) && found.length < CREDENTIALS_MAX) found.push(text)
  return found
}

/** What stands in `Authorization` without a scheme, or in `Basic` (RFC 7617, 2). */
function readOtherSchemes(value: string): readonly string[] {
  const text = value.trim()
  const [, basic] = /^basic[ \t]+([\w+/=-]+)$/i.exec(text) ?? []
  if (basic === undefined) return [text]
  const pair = Buffer.from(basic, 'base64').toString('latin1')
  const colon = pair.indexOf(':')
  return colon === -1 ? [pair] : [pair.slice(0, colon), pair.slice(colon + 1)]
}

/**
 * Decides on the credentials of a request: the first valid key wins. If there is none, the most specific refusal does.
 *
 * The look-up is a Map by SHA-256, not a constant-time comparison. Timing could leak how much of a *hash* agrees with
 * a stored one. A client cannot choose the hash of a guess, and a known hash does not lead back to a key of 130
 * random bits. The timing of the format check says no more than the refusal itself.
 * @param recent the hashes of keys that were valid a moment ago; null: none are remembered
 */
export function authenticate(
  credentials: readonly string[],
  keyring: Pick<Keyring, 'find'>,
  recent: RecentKeys | null = null,
): { record: KeyRecord } | { refusal: CredentialRefusal } {
  let refusal: CredentialRefusal = 'missing_api_key'
  for (const text of credentials) {
    const outcome = checkKey(text, keyring, recent)
    if (typeof outcome !== 'string') return { record: outcome }
    if (BY_SPECIFICITY.indexOf(outcome) > BY_SPECIFICITY.indexOf(refusal)) refusal = outcome
  }
  return { refusal }
}

function checkKey(
  text: string,
  keyring: Pick<Keyring, 'find'>,
  recent: RecentKeys | null,
): KeyRecord | CredentialRefusal {
  // The look-up comes first: an issued key needs no check of format and checksum, which is half of the time (bench
  // `key check`).
  if (isLikelyKey(text)) {
    const known = recent?.find(text)
    const hash = known ?? hashKey(text)
    const record = keyring.find(hash)
    if (record !== undefined) {
      const fault = findKeyFault(record)
      if (fault === null && known === undefined) recent?.add(text, hash)
      return fault ?? record
    }
  }
  const inspected = inspectKey(text)
  if (inspected === 'malformed') return 'malformed_api_key'
  return inspected === 'mistyped' ? 'mistyped_api_key' : 'unknown_api_key'
}

function collect(rawHeaders: FlatHeaders, name: string, found: string[]): void {
  for (const value of findHeaders(rawHeaders, name))
    add(name.endsWith('authorization') ? readToken(value) : value.trim(), found)
}

function add(text: string, found: string[]): void {
  if (text !== '' && found.length < CREDENTIALS_MAX && !found.includes(text)) found.push(text)
}

/** Cloudflare's header has a scheme, too; some clients leave it out. */
function readToken(value: string): string {
  const token = readBearerToken(value)
  return token === '' ? value.trim() : token
}

/**
 * The token after `Bearer` (RFC 6750 2.1; the scheme is case-insensitive, RFC 9110 11.1), or '' if it is another
 * scheme.
 */
function readBearerToken(value: string): string {
  const text = value.trim()
  if (text.slice(0, 6).toLowerCase() !== 'bearer') return ''
  const after = text.charCodeAt(6)
  return after === 0x20 || after === 0x09 ? text.slice(7).trim() : ''
}

/**
 * Prefix of a key in a WebSocket's subprotocol. Browsers can set no header there (OpenAI, Realtime API with
 * WebSockets).
 */
const SUBPROTOCOL = 'openai-insecure-api-key.'

/** Keys presented in `Sec-WebSocket-Protocol`. */
export function readSubprotocolKeys(rawHeaders: FlatHeaders): string[] {
  const found: string[] = []
  for (const token of (findHeader(rawHeaders, 'sec-websocket-protocol') ?? '').split(',')) {
    const protocol = token.trim()
    if (protocol.startsWith(SUBPROTOCOL) && found.length < CREDENTIALS_MAX)
      found.push(protocol.slice(SUBPROTOCOL.length))
  }
  return found
}

/** The other subprotocols that a client offers, in its order. */
export function readSubprotocols(rawHeaders: FlatHeaders): string[] {
  const offered = findHeaders(rawHeaders, 'sec-websocket-protocol').join(',').split(',')
  return offered
    .map((token) => token.trim())
    .filter((token) => token !== '' && !token.startsWith(SUBPROTOCOL))
}

/** The same headers without those keys: like the other credentials of a client, they end at the relay. */
export function stripSubprotocolKeys(headers: FlatHeaders): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? ''
    let value = headers[i + 1] ?? ''
    if (name.toLowerCase() === 'sec-websocket-protocol') {
      value = value
        .split(',')
        .map((token) => token.trim())
        .filter((token) => !token.startsWith(SUBPROTOCOL))
        .join(', ')
      if (value === '') continue
    }
    kept.push(name, value)
  }
  return kept
}

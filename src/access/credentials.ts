import { type FlatHeaders, findHeader, findHeaders } from '../http/flat-headers.js'
import { hashKey, inspectKey, isLikelyKey } from './key.js'
import type { KeyRecord, Keyring } from './keyring.js'

export type CredentialRefusal =
  | 'missing_api_key'
  | 'malformed_api_key'
  | 'mistyped_api_key'
  | 'unknown_api_key'
  | 'revoked_api_key'

/** More than a client can mean: each place twice, and some. What comes after that many is not looked at. */
const MOST_PRESENTED = 8

/** From least to most telling: of several refusals the client is told the one that is furthest right. */
const TELLING: readonly CredentialRefusal[] = [
  'missing_api_key',
  'malformed_api_key',
  'mistyped_api_key',
  'unknown_api_key',
  'revoked_api_key',
]

/**
 * The credentials that a request presents, each once: from `Authorization: Bearer`, then `x-api-key`, then `api-key`.
 * Clients do send several: an Anthropic client with an auth token set sends two, and a proxy in front may have put
 * its own into `Authorization`. It takes `rawHeaders` because `req.headers` keeps only the first `Authorization`.
 */
export function credentialsIn(rawHeaders: FlatHeaders): string[] {
  const found: string[] = []
  collect(rawHeaders, 'authorization', found)
  collect(rawHeaders, 'x-api-key', found)
  collect(rawHeaders, 'api-key', found)
  return found
}

/**
 * Decides on the presented credentials: the first valid key wins, and if there is none, the most telling refusal.
 *
 * The look-up is a plain Map by SHA-256, not a constant-time compare. What a compare could leak by its timing is how
 * much of a *hash* agrees with a stored one; a client cannot steer the hash of a guess, and knowing a hash in full
 * does not lead back to a key of 130 random bits. What the look at a bad key's shape tells by its timing, the refusal
 * tells in words.
 */
export function authenticate(
  presented: readonly string[],
  keyring: Pick<Keyring, 'find'>,
): { record: KeyRecord } | { refusal: CredentialRefusal } {
  let refusal: CredentialRefusal = 'missing_api_key'
  for (const text of presented) {
    const outcome = look(text, keyring)
    if (typeof outcome !== 'string') return { record: outcome }
    if (TELLING.indexOf(outcome) > TELLING.indexOf(refusal)) refusal = outcome
  }
  return { refusal }
}

function look(text: string, keyring: Pick<Keyring, 'find'>): KeyRecord | CredentialRefusal {
  // Of one that was issued nothing else needs to be known, so that its shape and checksum are not looked at: half of the
  // time of a check (bench `key check`).
  if (isLikelyKey(text)) {
    const record = keyring.find(hashKey(text))
    if (record !== undefined) return record.revokedAt === null ? record : 'revoked_api_key'
  }
  const shape = inspectKey(text)
  if (shape === 'malformed') return 'malformed_api_key'
  return shape === 'mistyped' ? 'mistyped_api_key' : 'unknown_api_key'
}

function collect(rawHeaders: FlatHeaders, name: string, found: string[]): void {
  for (const value of findHeaders(rawHeaders, name)) {
    const text = name === 'authorization' ? bearer(value) : value.trim()
    if (text === '' || found.includes(text)) continue
    if (found.length === MOST_PRESENTED) return
    found.push(text)
  }
}

/** The token after `Bearer` (RFC 6750 2.1; the scheme is case-insensitive, RFC 9110 11.1), or '' if it is another scheme. */
function bearer(value: string): string {
  const text = value.trim()
  if (text.slice(0, 6).toLowerCase() !== 'bearer') return ''
  const after = text.charCodeAt(6)
  return after === 0x20 || after === 0x09 ? text.slice(7).trim() : ''
}

/** How a browser, which can set no header on a WebSocket, sends a key (OpenAI, Realtime API with WebSockets). */
const SUBPROTOCOL = 'openai-insecure-api-key.'

/** Keys presented in `Sec-WebSocket-Protocol`. */
export function readSubprotocolKeys(rawHeaders: FlatHeaders): string[] {
  const found: string[] = []
  for (const token of (findHeader(rawHeaders, 'sec-websocket-protocol') ?? '').split(',')) {
    const protocol = token.trim()
    if (protocol.startsWith(SUBPROTOCOL) && found.length < MOST_PRESENTED)
      found.push(protocol.slice(SUBPROTOCOL.length))
  }
  return found
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

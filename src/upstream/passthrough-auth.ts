import { credentialsIn } from '../access/credentials.js'
import type { AuthScheme } from '../api/presets.js'
import { type FlatHeaderList, findHeader, removeHeader } from '../http/flat-headers.js'
import { CREDENTIAL_HEADERS } from '../http/request-headers.js'

/** The header of each scheme. A client's credential is never put into a URL. */
const HEADERS: Readonly<Record<AuthScheme, string | null>> = {
  bearer: 'authorization',
  'x-api-key': 'x-api-key',
  anthropic: 'x-api-key',
  'api-key': 'api-key',
  'x-goog-api-key': 'x-goog-api-key',
  query: null,
  none: null,
}

/**
 * OAuth tokens, of Anthropic or as JWT (Entra, for Azure). They are bearer tokens at every upstream (RFC 6750, 2.1).
 */
const OAUTH_TOKEN = /^(?:sk-ant-oat|eyJ)/

/**
 * Moves a client's own credential to the header where the upstream expects it: a key in Cursor's OpenAI field comes
 * as a bearer token, which Anthropic takes for an OAuth token. If that header is already set, nothing changes.
 * @param headers name, value, name, value, as they will be sent; changed in place
 * @param scheme of the upstream; null if unknown, and then nothing changes
 */
export function placePassthroughCredential(headers: FlatHeaderList, scheme: AuthScheme | null): void {
  const expected = scheme === null ? null : HEADERS[scheme]
  if (expected === null) return
  const [credential] = credentialsIn(headers)
  if (credential === undefined) return
  const name = OAUTH_TOKEN.test(credential) ? 'authorization' : expected
  if ((findHeader(headers, name)?.trim() ?? '') !== '') return
  for (const each of CREDENTIAL_HEADERS)
    if (credentialsIn([each, findHeader(headers, each) ?? ''])[0] === credential) removeHeader(headers, each)
  removeHeader(headers, name)
  headers.push(name, name === 'authorization' ? `Bearer ${credential}` : credential)
}

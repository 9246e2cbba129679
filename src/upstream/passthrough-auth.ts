import { credentialsIn } from '../access/credentials.js'
import type { AuthScheme } from '../api/presets.js'
import { type FlatHeaderList, findHeader, removeHeader } from '../http/flat-headers.js'

/** The header of each scheme; a client's credential is put into no URL. */
const HEADERS: Readonly<Record<AuthScheme, string | null>> = {
  bearer: 'authorization',
  'x-api-key': 'x-api-key',
  anthropic: 'x-api-key',
  'api-key': 'api-key',
  query: null,
  none: null,
}

/** OAuth tokens, of Anthropic and as JWT (Entra's, for Azure): they are bearers wherever keys are not (RFC 6750, 2.1). */
const TOKEN = /^(?:sk-ant-oat|eyJ)/

/**
 * Puts a credential of the client's own where the upstream looks for it: a key in Cursor's OpenAI field comes as a bearer,
 * and Anthropic takes that for an OAuth token. What is there already stays, with all that is beside it.
 * @param headers name, value, name, value, as they are to be sent; it is changed
 * @param scheme of the upstream; null if nothing was said of that
 */
export function placePassthroughCredential(headers: FlatHeaderList, scheme: AuthScheme | null): void {
  const place = scheme === null ? null : HEADERS[scheme]
  if (place === null) return
  const [credential] = credentialsIn(headers)
  if (credential === undefined) return
  const name = TOKEN.test(credential) ? 'authorization' : place
  if ((findHeader(headers, name)?.trim() ?? '') !== '') return
  for (const each of Object.values(HEADERS))
    if (each !== null && credentialsIn([each, findHeader(headers, each) ?? ''])[0] === credential)
      removeHeader(headers, each)
  removeHeader(headers, name)
  headers.push(name, name === 'authorization' ? `Bearer ${credential}` : credential)
}

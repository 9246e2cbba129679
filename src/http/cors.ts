import type { ServerResponse } from 'node:http'
import { findHeader } from './flat-headers.js'

/**
 * CORS for every origin (Fetch standard, CORS protocol): Cursor checks a key with a `fetch` from its window, whose
 * origin is `vscode-file://vscode-app`. Keys are sent in headers, never in cookies, so `*` gives no page more
 * than the key that it already has.
 */

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** Asked for by the clients that are known; used when a preflight does not name any. */
const COMMON_HEADERS = 'authorization, content-type, x-api-key, api-key'

/** Answers OPTIONS with 204, without a key: a preflight never carries one. Any header that is asked for is allowed. */
export function answerPreflight(res: ServerResponse, rawHeaders: readonly string[], requestId: string): void {
  const asked = findHeader(rawHeaders, 'access-control-request-headers')
  const headers = [
    'access-control-allow-origin',
    '*',
    'access-control-allow-methods',
    METHODS,
    'access-control-allow-headers',
    asked === undefined || asked === '' ? COMMON_HEADERS : asked,
    // Chrome keeps it for two hours at most; a preflight costs a round trip.
    'access-control-max-age',
    '7200',
    'vary',
    'Access-Control-Request-Headers',
    'x-request-id',
    requestId,
  ]
  // Asked before a page from the internet may reach a private address (Private Network Access).
  if (findHeader(rawHeaders, 'access-control-request-private-network') === 'true') {
    headers.push('access-control-allow-private-network', 'true')
  }
  res.writeHead(204, headers)
  res.end()
}

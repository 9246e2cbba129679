import { type FlatHeaderList, type FlatHeaders, findHeader } from './flat-headers.js'
import { CREDENTIAL_HEADERS } from './request-headers.js'

/**
 * CORS for every origin (Fetch standard, CORS protocol): Cursor checks a key with a `fetch` from its window, whose
 * origin is `vscode-file://vscode-app`. Keys are sent in headers and never in cookies, so `*` gives a page no access
 * that its own key does not give.
 */

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** The headers that known clients send; allowed when a preflight does not name any. */
const COMMON_HEADERS = ['content-type', ...CREDENTIAL_HEADERS].join(', ')

/**
 * Builds the headers of the response to OPTIONS, a 204. No key is needed, as a preflight never has one. All headers
 * that it names are allowed.
 * @param requestId sent as `x-request-id`
 */
export function buildPreflightHeaders(rawHeaders: FlatHeaders, requestId: string): FlatHeaderList {
  const requested = findHeader(rawHeaders, 'access-control-request-headers')
  const headers = [
    'access-control-allow-origin',
    '*',
    'access-control-allow-methods',
    METHODS,
    'access-control-allow-headers',
    requested === undefined || requested === '' ? COMMON_HEADERS : requested,
    // A preflight costs a round trip. Chrome keeps its result for two hours at most.
    'access-control-max-age',
    '7200',
    'vary',
    'Access-Control-Request-Headers',
    'x-request-id',
    requestId,
  ]
  // Sent before a page from the internet may reach a private address (Private Network Access).
  if (findHeader(rawHeaders, 'access-control-request-private-network') === 'true') {
    headers.push('access-control-allow-private-network', 'true')
  }
  return headers
}

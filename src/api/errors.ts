import type { ErrorFormat } from './error-format.js'

/**
 * Every error that Thinwire itself answers, one row each. Errors of an upstream are not here: they pass through as
 * they came. `code` is stable, is sent as `error.code` (OpenAI's shape) and as the `x-thinwire-error` header, and
 * stands in the log.
 */
interface ErrorRow {
  readonly status: number
  /** `error.type` as OpenAI's API names it (API reference, Errors). */
  readonly openai: string
  /** `error.type` as Anthropic's API names it (API reference, Errors). */
  readonly anthropic: string
  /**
   * Sent as `x-should-retry`, which the official clients obey before they look at the status: true where the
   * same request may well succeed and nothing was spent, false where it cannot, or would pay a second time.
   * null: not sent, the client's own rule holds.
   */
  readonly retry: boolean | null
  /** What was wrong and what to change. Clients show it as it is, so nothing of the request stands in it. */
  readonly message: string
}

const INVALID = { openai: 'invalid_request_error', anthropic: 'invalid_request_error' } as const
const AUTHENTICATION = { openai: 'invalid_request_error', anthropic: 'authentication_error' } as const
const SERVER = { openai: 'server_error', anthropic: 'api_error' } as const
const OVERLOADED = { openai: 'server_error', anthropic: 'overloaded_error' } as const

const rows = {
  missing_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message:
      'No API key was sent. Send your Thinwire key (lc_...) as Authorization: Bearer, x-api-key or api-key; in Cursor, paste it as the OpenAI API key.',
  },
  malformed_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message:
      'This is not a Thinwire key: a Thinwire key begins with lc_. Provider keys are not accepted here; ask the operator of this relay for a Thinwire key.',
  },
  mistyped_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message:
      'This Thinwire key is incomplete or mistyped: its length or checksum is wrong. Copy the whole key again.',
  },
  unknown_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message: 'This Thinwire key was not issued by this relay. Check the base URL, or ask for a new key.',
  },
  revoked_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message: 'This Thinwire key has been revoked. Ask whoever runs this relay for a new one.',
  },
  forbidden_origin: {
    status: 403,
    openai: 'invalid_request_error',
    anthropic: 'permission_error',
    retry: false,
    message:
      'This relay asks for no key and so answers only programs on this machine, not web pages. Run it with keys to use it from a page.',
  },
  invalid_path: { status: 400, ...INVALID, retry: false, message: 'The path cannot be relayed.' },
  invalid_request: { status: 400, ...INVALID, retry: false, message: 'The request is not valid HTTP.' },
  no_route: {
    status: 404,
    ...INVALID,
    retry: false,
    message: 'No route of this relay matches the request. Check the model name, or the routes in the config.',
  },
  request_timeout: {
    status: 408,
    ...INVALID,
    retry: true,
    message: 'The request did not arrive in time (timeouts.requestMs, timeouts.headersMs).',
  },
  body_too_large: {
    status: 413,
    openai: 'invalid_request_error',
    anthropic: 'request_too_large',
    retry: false,
    message: 'The request body is larger than this relay takes (limits.bodyBytes).',
  },
  expectation_failed: {
    status: 417,
    ...INVALID,
    retry: false,
    message: 'The only expectation that is understood is Expect: 100-continue.',
  },
  headers_too_large: {
    status: 431,
    ...INVALID,
    retry: false,
    message: 'The request headers are larger than this relay takes (limits.headerBytes).',
  },
  upgrade_unsupported: {
    status: 426,
    ...INVALID,
    retry: false,
    message: 'The upstream does not take WebSocket connections here. Use HTTP.',
  },
  superseded: {
    status: 409,
    ...INVALID,
    retry: false,
    message:
      'A newer autocomplete request of the same session has taken the place of this one (cache.supersede).',
  },
  key_busy: {
    status: 429,
    openai: 'requests',
    anthropic: 'rate_limit_error',
    retry: true,
    message: 'Too many requests are in flight with this key (limits.maxConcurrentRequestsPerKey).',
  },
  relay_busy: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'This relay has too many requests in flight (limits.maxConcurrentRequests, limits.bufferedBytes).',
  },
  upstream_busy: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'Every upstream for this has as many requests in flight as it is to have (upstreams.NAME.limits.maxConcurrentRequests).',
  },
  draining: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message: 'This relay is shutting down. Try again.',
  },
  upstream_unreachable: {
    status: 502,
    ...SERVER,
    retry: true,
    message: 'The upstream cannot be reached.',
  },
  upstream_connect_timeout: {
    status: 504,
    ...SERVER,
    retry: true,
    message: 'Connecting to the upstream took too long (timeouts.connectMs).',
  },
  upstream_cut: {
    status: 502,
    ...SERVER,
    retry: null,
    message: 'The upstream closed the connection before it had answered.',
  },
  upstream_invalid: {
    status: 502,
    ...SERVER,
    retry: false,
    message: 'The upstream sent something that is not a valid HTTP response.',
  },
  answer_too_long: {
    status: 502,
    ...SERVER,
    retry: false,
    message:
      "More of the upstream's answer has to be held than the relay may hold (limits.transformBufferBytes).",
  },
  upstream_timeout: {
    status: 504,
    ...SERVER,
    // The upstream may still be working on it, and be paid for it.
    retry: false,
    message: 'The upstream did not begin to answer in time (timeouts.firstByteMs).',
  },
  internal_error: {
    status: 500,
    ...SERVER,
    retry: false,
    message: 'Something went wrong inside the relay. The request id is in its log.',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof rows

export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = rows

/**
 * The JSON body of an error in the caller's format. OpenAI's has all four fields, `param` and `code` nullable
 * (API reference, Errors); Anthropic's has `request_id` beside the error.
 */
export function formatErrorBody(
  code: ErrorCode,
  dialect: ErrorFormat,
  requestId: string,
  detail?: string,
): string {
  const row = ERRORS[code]
  const message = detail ?? row.message
  if (dialect === 'anthropic') {
    return JSON.stringify({ type: 'error', error: { type: row.anthropic, message }, request_id: requestId })
  }
  return JSON.stringify({ error: { message, type: row.openai, param: null, code } })
}

/** Headers of an error answer, as name, value, name, value; CORS included, so that a page can read the error. */
export function buildErrorHeaders(
  code: ErrorCode,
  dialect: ErrorFormat,
  requestId: string,
  length: number,
): string[] {
  const row = ERRORS[code]
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(length),
    'x-request-id',
    requestId,
    'x-thinwire-error',
    code,
    'access-control-allow-origin',
    '*',
    'access-control-expose-headers',
    'x-request-id, x-thinwire-error, retry-after',
  ]
  // Where Anthropic's client looks for it.
  if (dialect === 'anthropic') headers.push('request-id', requestId)
  if (row.retry !== null) headers.push('x-should-retry', String(row.retry))
  // One second: the official clients wait half a second and more by themselves; it only has to be said.
  if (row.status === 429 || row.status === 503) headers.push('retry-after', '1')
  return headers
}

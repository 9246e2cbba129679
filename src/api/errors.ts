/**
 * An error that Thinwire itself responds with. Errors of an upstream are not here: they pass through as they came.
 * The code of an error is stable: it is sent as `error.code` (OpenAI's format) and as the `x-thinwire-error` header,
 * and it is logged. README.md in this folder lists all codes with their causes and cures.
 */
export interface ErrorRow {
  /** HTTP status. */
  readonly status: number
  /** `error.type` as OpenAI's API names it (API reference, Errors). */
  readonly openai: string
  /** `error.type` as Anthropic's API names it (API reference, Errors). */
  readonly anthropic: string
  /**
   * Sent as `x-should-retry`, which the official clients obey before they look at the status. True where the same
   * request may well succeed and nothing was spent; false where it cannot succeed, or would be paid for twice. Null:
   * not sent, so that the client's own rule holds.
   */
  readonly retry: boolean | null
  /** `error.code` in OpenAI's format, where it is the vendor's own and not our code. */
  readonly vendorCode?: string | null
  /** What was wrong and what to change. Clients show it as it is, so it repeats nothing of the request. */
  readonly message: string
}

const INVALID = { openai: 'invalid_request_error', anthropic: 'invalid_request_error' } as const
const AUTHENTICATION = { openai: 'invalid_request_error', anthropic: 'authentication_error' } as const
const SERVER = { openai: 'server_error', anthropic: 'api_error' } as const
const TIMEOUT = { openai: 'server_error', anthropic: 'timeout_error' } as const
const OVERLOADED = { openai: 'server_error', anthropic: 'overloaded_error' } as const

const rows = {
  missing_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message:
      "You didn't provide an API key. Send your Thinwire key (lc_...) as Authorization: Bearer, x-api-key or api-key. In Cursor, enter it as the OpenAI API key.",
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
    message:
      'This Thinwire key was not issued by this relay. Check the base URL, or ask the operator of this relay for a new key.',
  },
  revoked_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message: 'This Thinwire key has been revoked. Ask the operator of this relay for a new one.',
  },
  expired_api_key: {
    status: 401,
    ...AUTHENTICATION,
    retry: false,
    message: 'This Thinwire key has expired. Ask the operator of this relay for a new one.',
  },
  forbidden_address: {
    status: 403,
    openai: 'invalid_request_error',
    anthropic: 'permission_error',
    retry: false,
    message:
      'This Thinwire key may not be used from this address. Use it in its own network, or ask the operator of this relay to change its addresses.',
  },
  too_many_refusals: {
    status: 429,
    openai: 'requests',
    anthropic: 'rate_limit_error',
    retry: false,
    message:
      'Too many requests of this address were refused in the last minute. Check the API key and the base URL; a request with a valid key is served at once.',
  },
  forbidden_origin: {
    status: 403,
    openai: 'invalid_request_error',
    anthropic: 'permission_error',
    retry: false,
    message:
      'This relay needs no key, so it serves only programs on its own machine, and no web pages. To use it from a web page, switch keys on (keys.mode).',
  },
  invalid_path: {
    status: 400,
    ...INVALID,
    retry: false,
    message: 'The path cannot be forwarded. Use the path of an LLM API, such as /v1/chat/completions.',
  },
  invalid_request: {
    status: 400,
    ...INVALID,
    retry: false,
    message: 'The request is not valid HTTP. Check the client, and any proxy between it and this relay.',
  },
  invalid_tags: {
    status: 400,
    ...INVALID,
    retry: false,
    message:
      'The header x-thinwire-tags must look like project=a,ticket=b: at most 10 tags of different names. A name has at most 32 letters, digits, "_", "." or "-"; a value at most 64 of these, ":", "/", "@" or "+".',
  },
  unsupported_field: {
    status: 400,
    ...INVALID,
    retry: false,
    message:
      'A field of the request cannot be translated to the API of the target. Leave it out, or choose a model that takes it.',
  },
  ambiguous_request: {
    status: 400,
    ...INVALID,
    retry: false,
    message:
      'The request can be read in more than one way, and a rule of this relay depends on it. Name one model, in one place, as "model".',
  },
  unreadable_body: {
    status: 400,
    ...INVALID,
    retry: false,
    message:
      'The body is not one JSON object in UTF-8, or not a complete form, so that its model cannot be read, and a rule of this relay depends on the model. Send valid JSON in UTF-8.',
  },
  unsupported_body: {
    status: 415,
    ...INVALID,
    retry: false,
    message:
      'The content-type or content-encoding of the body is one that this relay cannot read, and a rule of this relay depends on the model. Send JSON in UTF-8, plain or with one of gzip, br and deflate.',
  },
  model_not_allowed: {
    status: 403,
    openai: 'invalid_request_error',
    anthropic: 'permission_error',
    retry: false,
    message: 'This key may not use this model. Ask the operator of this relay which models it may use.',
  },
  object_not_found: {
    status: 404,
    openai: 'invalid_request_error',
    anthropic: 'not_found_error',
    retry: false,
    vendorCode: null,
    message: 'No object has this id. Check the id, and the key that the object was made with.',
  },
  previous_response_not_found: {
    status: 400,
    ...INVALID,
    retry: false,
    message: 'The previous response was not found. Check its id, and the key that it was made with.',
  },
  list_refused: {
    status: 403,
    openai: 'invalid_request_error',
    anthropic: 'permission_error',
    retry: false,
    message:
      'This relay does not list stored objects, as the list would show those of other teams. Ask for an object by its id, or set stored.lists to "pass".',
  },
  no_route: {
    status: 404,
    openai: 'invalid_request_error',
    anthropic: 'not_found_error',
    retry: false,
    message:
      'No route of this relay matches the request. Check the path and the model name, or add a route to the config.',
  },
  request_timeout: {
    status: 408,
    ...INVALID,
    retry: true,
    message:
      'The request did not arrive in time. Send it again, or raise timeouts.headersMs or timeouts.requestMs for slow connections.',
  },
  body_too_large: {
    status: 413,
    openai: 'invalid_request_error',
    anthropic: 'request_too_large',
    retry: false,
    message: 'The request body is larger than this relay accepts. Send less, or raise limits.bodyBytes.',
  },
  expectation_failed: {
    status: 417,
    ...INVALID,
    retry: false,
    message:
      'The Expect header has a value that is not supported. Send Expect: 100-continue, or no Expect header.',
  },
  headers_too_large: {
    status: 431,
    ...INVALID,
    retry: false,
    message:
      'The request headers are larger than this relay accepts. Send less, or raise limits.headerBytes.',
  },
  version_unsupported: {
    status: 505,
    ...SERVER,
    retry: false,
    message:
      'This relay speaks HTTP/1.1 and HTTP/1.0. Check the client, and any proxy between it and this relay.',
  },
  upgrade_unsupported: {
    status: 426,
    ...INVALID,
    retry: false,
    message:
      'No upstream for this request accepts WebSocket connections on this path, or they are off (websockets). Use HTTP.',
  },
  superseded: {
    status: 409,
    ...INVALID,
    retry: false,
    message:
      'A newer autocomplete request of the same session has replaced this one. To get a response to each request, switch cache.supersede off.',
  },
  key_busy: {
    status: 429,
    openai: 'requests',
    anthropic: 'rate_limit_error',
    retry: true,
    message:
      'This key is at its limit of concurrent requests. Try again when one has ended, or raise limits.maxConcurrentRequestsPerKey.',
  },
  rate_limit_exceeded: {
    status: 429,
    // Or `tokens`, where these ran out: `RefusalDetails.openaiType`.
    openai: 'requests',
    anthropic: 'rate_limit_error',
    retry: true,
    message:
      'Rate limit reached. Try again in a moment, or ask the operator of this relay for a higher limit.',
  },
  budget_exceeded: {
    status: 429,
    openai: 'insufficient_quota',
    anthropic: 'billing_error',
    // The clients sleep for as long as `retry-after` says: days, for a budget.
    retry: false,
    vendorCode: 'insufficient_quota',
    message: 'You exceeded your current quota. Ask the operator of this relay for a larger budget.',
  },
  limits_unavailable: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'A rule limits this request, and what is used of it cannot be known at the moment. Send the request again; if it lasts, ask the operator of this relay.',
  },
  stored_unavailable: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'Whose object this request is about cannot be found out at the moment. Send it again; if it lasts, ask the operator of this relay.',
  },
  relay_busy: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'This relay is at its limit of concurrent requests or of buffered bytes. Try again, or raise limits.maxConcurrentRequests or limits.bufferedBytes.',
  },
  upstream_busy: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'All upstreams for this request are at their concurrency limit. Try again, or raise upstreams.NAME.limits.maxConcurrentRequests.',
  },
  upstream_credential_missing: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message:
      'The relay has no valid credential for the upstream at the moment. Try again; if it lasts, ask the operator of this relay: its log has the cause.',
  },
  draining: {
    status: 503,
    ...OVERLOADED,
    retry: true,
    message: 'This relay is shutting down. Send the request again.',
  },
  upstream_unreachable: {
    status: 502,
    ...SERVER,
    retry: true,
    message:
      'The upstream cannot be reached. Check upstreams.NAME.baseUrl and the network of this relay, and try again.',
  },
  upstream_connect_timeout: {
    status: 504,
    ...TIMEOUT,
    retry: true,
    message:
      'Connecting to the upstream took longer than timeouts.connectMs. Check the network of this relay, and try again.',
  },
  upstream_cut: {
    status: 502,
    ...SERVER,
    retry: null,
    message:
      'The upstream closed the connection before its response began. It may have processed the request: send it again only if that does no harm.',
  },
  upstream_invalid: {
    status: 502,
    ...SERVER,
    retry: false,
    message:
      'The upstream sent a response that is not valid HTTP, or cannot be forwarded. Check that upstreams.NAME.baseUrl is the address of an LLM API.',
  },
  answer_too_long: {
    status: 502,
    ...SERVER,
    retry: false,
    message:
      'The response is longer than this relay may hold while it translates it. Ask for a shorter response, or raise limits.transformBufferBytes.',
  },
  upstream_timeout: {
    status: 504,
    ...TIMEOUT,
    // The upstream may still be working on the request, and be paid for it.
    retry: false,
    message:
      'The upstream did not begin its response within timeouts.firstByteMs. Raise that for slow models. The upstream may still be working on the request.',
  },
  internal_error: {
    status: 500,
    ...SERVER,
    retry: false,
    message:
      'The relay failed with an internal error. Send the request id to the operator of this relay: its log has the cause.',
  },
} as const satisfies Record<string, ErrorRow>

/** The stable code of an error. */
export type ErrorCode = keyof typeof rows

/** All errors by their codes. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = rows

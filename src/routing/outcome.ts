/**
 * How far an attempt had come. `connecting`: nothing was written. `waiting`: the request was written, and no byte of a
 * response came. `silent`: the head of a 200 came and was held back, and no content followed.
 */
export type FailurePhase = 'connecting' | 'waiting' | 'silent'

/** How an attempt failed, if no byte of its response has gone to the client. */
export interface Failure {
  /** Error code of the system, of undici or of an HTTP parser; see also the constants below. */
  readonly code: string
  readonly phase: FailurePhase
  /** The connection had carried a response before. If `connecting`: the connection that the request waited for had. */
  readonly reused: boolean
  /**
   * False only if a part of the body is known never to have been written: then the upstream cannot have acted on it.
   */
  readonly sentWhole: boolean
}

/** The status of a response whose head came, or how there came to be none. */
export type Outcome = number | Failure

/** undici's codes for these two timeouts. The relay's own timers replace undici's, and report under its names. */
export const FIRST_BYTE_LATE = 'UND_ERR_HEADERS_TIMEOUT'
export const FIRST_TOKEN_LATE = 'UND_ERR_BODY_TIMEOUT'

/** Code of a response that must be translated, but is compressed although that was not asked for. */
export const ENCODED_RESPONSE = 'UPSTREAM_COMPRESSED'

/** Code of a 200 that ended without any content. */
export const EMPTY_RESPONSE = 'UPSTREAM_EMPTY'

/** Code of a request that was not sent because the relay has no valid credential for the upstream at the moment. */
export const CREDENTIAL_MISSING = 'UPSTREAM_CREDENTIAL_MISSING'

/**
 * Kinds of outcomes, each with what happened. Each has its row in the retry policy. Where a response exists, its body
 * may tell more than its status (see `classifyRefusal`).
 */
export const FAILURE_KINDS = {
  final_status: 'a status that would be the same at another target',
  correctable: 'a refusal that names a field the model does not take',
  retryable_status: 'status 408 or 409',
  rate_limited: 'status 429, or a rate limit in place of an answer',
  server_error: 'status 500 and above but 501 and 505, or such an error in place of an answer',
  credential_missing: 'the relay has no valid credential for the upstream now',
  credential_refused: 'the upstream refuses the credential of the relay: 401, 403',
  quota_exhausted: 'the account has no quota or credit left: 402, insufficient_quota',
  model_missing: 'the account has no such model or deployment',
  empty_response: 'a 200 that ends without any content',
  stalled: 'a 200 without content in time',
  rejected_locally: 'the request cannot be written as HTTP',
  untranslatable: 'a response that cannot be translated for this client',
  connect_failed: 'no connection was made',
  stale_connection_unsent: 'a kept connection was closed before it took the whole request',
  stale_connection: 'a kept connection was closed before any response',
  upload_incomplete: 'a new connection was lost before it took the whole request',
  connection_lost: 'a new connection was lost, or the response is no HTTP',
  first_byte_timeout: 'no byte of a response came in time',
} as const

export type FailureKind = keyof typeof FAILURE_KINDS

const LOCAL_REJECTIONS: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])

/** With these codes there was no connection. ETIMEDOUT occurs with and without one: its phase decides. */
const CONNECT_FAILURES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * A connection that was lost. Any other code (a response that is no HTTP, above all) means that the upstream did
 * something with the request: then the connection was not stale.
 */
const LOST_CONNECTIONS: ReadonlySet<string> = new Set([
  'UND_ERR_SOCKET',
  'ECONNRESET',
  // ECONNRESET as the connector renames it.
  'UPSTREAM_RESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
])

/**
 * Finds the kind of an outcome.
 * @param isOwn the credential is the relay's. A client's own credential is the client's to mend
 */
export function classifyFailure(outcome: Outcome, isOwn = true): FailureKind {
  if (typeof outcome === 'number') return classifyStatus(outcome, isOwn)
  const { code, phase, reused, sentWhole } = outcome
  if (LOCAL_REJECTIONS.has(code)) return 'rejected_locally'
  if (code === CREDENTIAL_MISSING) return 'credential_missing'
  if (code === ENCODED_RESPONSE) return 'untranslatable'
  const stale = reused && LOST_CONNECTIONS.has(code)
  if (phase === 'connecting') return stale ? 'stale_connection_unsent' : 'connect_failed'
  if (CONNECT_FAILURES.has(code)) return 'connect_failed'
  if (phase === 'silent') {
    if (code === EMPTY_RESPONSE) return 'empty_response'
    return code === FIRST_TOKEN_LATE ? 'stalled' : 'connection_lost'
  }
  if (!sentWhole) return stale ? 'stale_connection_unsent' : 'upload_incomplete'
  if (code === FIRST_BYTE_LATE) return 'first_byte_timeout'
  return stale ? 'stale_connection' : 'connection_lost'
}

/**
 * The statuses that the official clients of OpenAI and Anthropic retry are 408, 409, 429 and all from 500 up,
 * Anthropic's 529 among them. Not 501 and 505 (RFC 9110, 15.6.2 and 15.6.6): they are about the request, so they
 * would come again.
 */
function classifyStatus(status: number, isOwn: boolean): FailureKind {
  if (status >= 500) return status === 501 || status === 505 ? 'final_status' : 'server_error'
  switch (status) {
    case 408:
    case 409:
      return 'retryable_status'
    case 429:
      return 'rate_limited'
    case 401:
    case 403:
      return isOwn ? 'credential_refused' : 'final_status'
    case 402:
      return isOwn ? 'quota_exhausted' : 'final_status'
    default:
      return 'final_status'
  }
}

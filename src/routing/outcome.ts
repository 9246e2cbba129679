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

/** Code of a request that was not sent because the relay has no valid credential for the upstream at the moment. */
export const CREDENTIAL_MISSING = 'UPSTREAM_CREDENTIAL_MISSING'

/**
 * Kinds of outcomes. Each has its row in the retry policy and its verdict for the circuit breaker.
 *
 * - `final_status`: a status that would be the same at another time.
 * - `retryable_status`: see `isRetryable`.
 * - `rejected_locally`: undici refuses to send the request, to any upstream.
 * - `untranslatable`: the response cannot be translated for this client.
 * - `connect_failed`: no connection was made.
 * - `stale_connection_unsent`: a kept connection was closed before it took the whole request.
 * - `stale_connection`: a kept connection was closed after it took the whole request, and before any response.
 * - `upload_incomplete`: a new connection was lost before it took the whole request.
 * - `connection_lost`: a new connection was lost, or the response is no HTTP.
 * - `first_byte_timeout`: no byte of a response came in time.
 * - `stalled`: a response began, and had no content in time.
 */
export type FailureKind =
  | 'final_status'
  | 'retryable_status'
  | 'rejected_locally'
  | 'untranslatable'
  | 'connect_failed'
  | 'stale_connection_unsent'
  | 'stale_connection'
  | 'upload_incomplete'
  | 'connection_lost'
  | 'first_byte_timeout'
  | 'stalled'

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

/** Finds the kind of an outcome. */
export function classifyFailure(outcome: Outcome): FailureKind {
  if (typeof outcome === 'number') return isRetryable(outcome) ? 'retryable_status' : 'final_status'
  const { code, phase, reused, sentWhole } = outcome
  if (LOCAL_REJECTIONS.has(code)) return 'rejected_locally'
  if (code === ENCODED_RESPONSE) return 'untranslatable'
  const stale = reused && LOST_CONNECTIONS.has(code)
  if (phase === 'connecting') return stale ? 'stale_connection_unsent' : 'connect_failed'
  if (CONNECT_FAILURES.has(code)) return 'connect_failed'
  if (phase === 'silent') return code === FIRST_TOKEN_LATE ? 'stalled' : 'connection_lost'
  if (!sentWhole) return stale ? 'stale_connection_unsent' : 'upload_incomplete'
  if (code === FIRST_BYTE_LATE) return 'first_byte_timeout'
  return stale ? 'stale_connection' : 'connection_lost'
}

/**
 * The statuses that the official clients of OpenAI and Anthropic retry: 408, 409, 429 and all from 500 up,
 * Anthropic's 529 among them. Not 501 and 505 (RFC 9110, 15.6.2 and 15.6.6): they are about the request, so they
 * would come again.
 */
function isRetryable(status: number): boolean {
  if (status >= 500) return status !== 501 && status !== 505
  return status === 408 || status === 409 || status === 429
}

/** What an outcome means for the circuit breaker of its target; `ignore`: neither a success nor a failure. */
export type Verdict = 'success' | 'failure' | 'ignore'

/**
 * Judges the health of a target by an outcome.
 *
 * - Success: a status below 500 (a client's mistake is not the target's), 501 and 505, and a response that cannot be
 *   translated for this client.
 * - Failure: any other status from 500 up, and any other failure.
 * - Ignored: 429, which has its own cooldown; a stale connection; a request that undici refuses to send.
 *
 * A client that has left is no outcome.
 */
export function classifyOutcome(outcome: Outcome): Verdict {
  switch (classifyFailure(outcome)) {
    case 'final_status':
    case 'untranslatable':
      return 'success'
    case 'retryable_status':
      return judgeStatus(outcome as number)
    case 'rejected_locally':
    case 'stale_connection':
    case 'stale_connection_unsent':
      return 'ignore'
    case 'connect_failed':
    case 'upload_incomplete':
    case 'connection_lost':
    case 'first_byte_timeout':
    case 'stalled':
      return 'failure'
  }
}

function judgeStatus(status: number): Verdict {
  if (status >= 500) return 'failure'
  return status === 429 ? 'ignore' : 'success'
}

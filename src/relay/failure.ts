import type { ErrorCode } from '../api/errors.js'
import { readErrorCode } from '../lib/error-code.js'
import { ENCODED_RESPONSE } from '../routing/outcome.js'

/**
 * How long an upstream may take to close a stream that it has ended, when its clients have already left. Its
 * connection then goes back to the pool; an abort would cost the next request a TLS handshake.
 */
export const LINGER_MS = 1_000

/** Why an attempt is aborted that no client has left. */
export const TOO_SLOW = new Error('a limit of the relay was reached')

/** How far an attempt had come when it failed. */
export type AttemptPhase = 'connecting' | 'waiting' | 'streaming'

/**
 * What a failed attempt is called, as a pure function of undici's error (Errors, undici documentation), Node's
 * system error code, and how far it had come.
 */
export function classifyError(error: unknown, phase: AttemptPhase): ErrorCode {
  const code = readErrorCode(error)
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'upstream_connect_timeout'
  // undici refuses a request before it goes anywhere, so it reads "not a request", not "no upstream".
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'invalid_request'
  if (phase === 'connecting') {
    return code === 'ETIMEDOUT' ? 'upstream_connect_timeout' : 'upstream_unreachable'
  }
  if (code.startsWith('HPE_') || INVALID.has(code)) return 'upstream_invalid'
  return 'upstream_cut'
}

const INVALID: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RESPONSE',
  ENCODED_RESPONSE,
  // Thrown by Node's writeHead for a status or a header that cannot be sent on.
  'ERR_INVALID_CHAR',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_HTTP_INVALID_STATUS_CODE',
])

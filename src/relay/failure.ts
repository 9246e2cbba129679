import type { ErrorCode } from '../api/errors.js'
import { readErrorCode } from '../lib/error-code.js'
import { CREDENTIAL_MISSING, ENCODED_RESPONSE } from '../routing/outcome.js'

/**
 * Milliseconds that an upstream gets to close a stream after its end mark, when all clients have left. Its connection
 * then goes back to the pool; an abort would cost the next request a TLS handshake.
 */
export const LINGER_MS = 1_000

/** The reason of an abort that no client has caused. */
export const TOO_SLOW = new Error('a limit of the relay was reached')

/** The phase of an attempt: no connection yet, sent but no head yet, or after the head. */
export type AttemptPhase = 'connecting' | 'waiting' | 'streaming'

/**
 * Classifies the error of a failed attempt by its code, which is one of undici's (Errors, undici documentation) or one
 * of Node's system errors, and by the phase of the attempt.
 */
export function classifyError(error: unknown, phase: AttemptPhase): ErrorCode {
  const code = readErrorCode(error)
  if (code === CREDENTIAL_MISSING) return 'upstream_credential_missing'
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'upstream_connect_timeout'
  // The request cannot be written as HTTP, and nothing was sent: it is invalid, and no upstream has failed.
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
  // Thrown by Node's `writeHead` for a status or a header that cannot be sent on.
  'ERR_INVALID_CHAR',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_HTTP_INVALID_STATUS_CODE',
])

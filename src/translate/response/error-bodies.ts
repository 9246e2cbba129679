import type { BodyApi } from '../../api/apis.js'
import type { ChatError } from './chat-errors.js'

/**
 * Builds the whole body of an error response in the form of the API that the client reads.
 * @param status of the HTTP response, by which Anthropic names errors; null: the error's type and code name it
 */
export function formatError(error: ChatError, api: BodyApi, status: number | null = null): Buffer {
  return Buffer.from(printErrorBody(error, api, status))
}

/** As `formatError`, as a text. */
export function printErrorBody(error: ChatError, api: BodyApi, status: number | null = null): string {
  if (api !== 'messages') {
    const { message, type, param, code } = error
    return JSON.stringify({ error: { message, type, param, code } })
  }
  return JSON.stringify({ type: 'error', error: { type: nameType(error, status), message: error.message } })
}

/** Anthropic API reference, Errors. */
const BY_STATUS: ReadonlyMap<number, string> = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [408, 'timeout_error'],
  [413, 'request_too_large'],
  [422, 'invalid_request_error'],
  [429, 'rate_limit_error'],
  [500, 'api_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

const ANTHROPIC_TYPES: ReadonlySet<string> = new Set(BY_STATUS.values())

/** Types and codes of OpenAI and of Gemini (Google AI docs, Troubleshooting) that say more than a status. */
const BY_NAME: ReadonlyMap<string, string> = new Map([
  ['invalid_api_key', 'authentication_error'],
  ['UNAUTHENTICATED', 'authentication_error'],
  ['insufficient_quota', 'billing_error'],
  ['PERMISSION_DENIED', 'permission_error'],
  ['model_not_found', 'not_found_error'],
  ['NOT_FOUND', 'not_found_error'],
  ['rate_limit_exceeded', 'rate_limit_error'],
  ['requests', 'rate_limit_error'],
  ['tokens', 'rate_limit_error'],
  ['RESOURCE_EXHAUSTED', 'rate_limit_error'],
  ['context_length_exceeded', 'invalid_request_error'],
  ['INVALID_ARGUMENT', 'invalid_request_error'],
  ['FAILED_PRECONDITION', 'invalid_request_error'],
  ['UNAVAILABLE', 'overloaded_error'],
  ['server_overloaded', 'overloaded_error'],
  ['DEADLINE_EXCEEDED', 'timeout_error'],
  ['timeout', 'timeout_error'],
])

/** The client's retries depend on the status; the name must not contradict it. */
function nameType({ type, code }: ChatError, status: number | null): string {
  if (status !== null) {
    const name = BY_STATUS.get(status)
    if (name !== undefined) return name
    return status >= 500 ? 'api_error' : 'invalid_request_error'
  }
  // Gemini's code is the status. Some gateways write it as a text.
  const byCode = BY_NAME.get(String(code)) ?? BY_STATUS.get(Number(code))
  if (byCode !== undefined) return byCode
  return ANTHROPIC_TYPES.has(type) ? type : (BY_NAME.get(type) ?? 'api_error')
}

import { type FlatHeaderList, type FlatHeaders, findHeader } from '../http/flat-headers.js'
import { exposeHeaders, setHeader } from '../http/response-headers.js'
import { findAwsError } from './aws-errors.js'
import type { ErrorFormat } from './error-format.js'
import { ERRORS, type ErrorCode, type ErrorRow } from './errors.js'
import { findGoogleStatus } from './google-status.js'

/** What one refusal says besides what every one of its code says. */
export interface RefusalDetails {
  /** Replaces the usual message; the client reads it. */
  readonly message?: string | undefined
  /** The field of the request that it is about, in OpenAI's format. */
  readonly param?: string | null | undefined
  /** Replaces `error.type` in OpenAI's format. */
  readonly openaiType?: string
  /** Headers of the response besides the usual ones, or in place of them; names in lower case. */
  readonly headers?: FlatHeaders
}

/** Nothing to say besides. */
export const NO_DETAILS: RefusalDetails = {}

/**
 * Builds the JSON body of an error in the format that the client reads. OpenAI's error has four fields, of which
 * `param` and `code` may be null (API reference, Errors); Anthropic's has `request_id` beside the error; Google's has
 * the HTTP status and the word for it, our code as the reason, and the pause (AIP-193); Ollama's is a sentence
 * (docs/api.md, Errors); Cohere's has an id (API reference, Errors); Bedrock's is a message, and its name is in a
 * header.
 */
export function formatErrorBody(
  code: ErrorCode,
  format: ErrorFormat,
  requestId: string,
  details: RefusalDetails = NO_DETAILS,
): string {
  const row: ErrorRow = ERRORS[code]
  const message = details.message ?? row.message
  if (format === 'anthropic') {
    return JSON.stringify({ type: 'error', error: { type: row.anthropic, message }, request_id: requestId })
  }
  if (format === 'bedrock') return JSON.stringify({ message })
  if (format === 'ollama') return JSON.stringify({ error: message })
  if (format === 'cohere') return JSON.stringify({ id: requestId, message })
  if (format === 'gemini') {
    const reason = { '@type': ERROR_INFO, reason: code.toUpperCase(), domain: 'thinwire' }
    const status = findGoogleStatus(row.status)
    const pauseMs = findHeader(details.headers ?? [], 'retry-after-ms')
    const pause =
      pauseMs === undefined ? [] : [{ '@type': RETRY_INFO, retryDelay: `${Number(pauseMs) / 1_000}s` }]
    return JSON.stringify({ error: { code: row.status, message, status, details: [reason, ...pause] } })
  }
  const shown = row.vendorCode === undefined ? code : row.vendorCode
  const type = details.openaiType ?? row.openai
  return JSON.stringify({ error: { message, type, param: details.param ?? null, code: shown } })
}

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo'

/** Google's clients read a pause here, and in no header. */
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo'

/**
 * Builds the headers of an error response, CORS included, so that a web page can read the error.
 * @param length bytes of the body
 */
export function buildErrorHeaders(
  code: ErrorCode,
  format: ErrorFormat,
  requestId: string,
  length: number,
  details: RefusalDetails = NO_DETAILS,
): FlatHeaderList {
  const row = ERRORS[code]
  const headers: string[] = [
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
  ]
  if (format === 'bedrock') headers.push('x-amzn-errortype', findAwsError(row.status))
  // Anthropic's client looks for the id here.
  if (format === 'anthropic') headers.push('request-id', requestId)
  if (row.retry !== null) headers.push('x-should-retry', String(row.retry))
  // One second is enough: the official clients wait half a second and more by themselves once a header says so.
  if (row.status === 503) headers.push('retry-after', '1')
  // Nothing will change sooner than the minute for which refusals are counted.
  if (code === 'too_many_refusals') headers.push('retry-after', '60')
  const { headers: more } = details
  if (more !== undefined) {
    for (let i = 0; i < more.length; i += 2) setHeader(headers, more[i] as string, more[i + 1] as string)
  }
  exposeHeaders(headers)
  return headers
}

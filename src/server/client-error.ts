import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorFormat } from '../api/error-format.js'
import { buildErrorHeaders, formatErrorBody } from '../api/error-response.js'
import { ERRORS, type ErrorCode } from '../api/errors.js'
import { discardInput } from '../relay/discard-input.js'

/** Milliseconds that a refused connection is still read, so that the client can read the response. */
const LINGER_MS = 2_000

/** An error of Node's parser. */
export type ClientError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

/** The end of a request line of another version, such as HTTP/3.0. */
const OTHER_VERSION = / HTTP\/\d\.\d\r\n/

/** Finds the error that a client gets for a request that Node could not parse. */
export function readErrorCodeOf({ code, rawPacket, bytesParsed = 0 }: ClientError): ErrorCode {
  if (code === 'HPE_INVALID_VERSION') {
    const line = rawPacket?.toString('latin1', Math.max(0, bytesParsed - 10), bytesParsed + 4) ?? ''
    return OTHER_VERSION.test(line) ? 'version_unsupported' : 'invalid_request'
  }
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  return 'invalid_request'
}

/**
 * Sends an error on a connection that has no parser any more, and closes it.
 * @param requestId empty if there is no request
 */
export function sendLastError(socket: Socket, code: ErrorCode, format: ErrorFormat, requestId: string): void {
  const body = formatErrorBody(code, format, requestId)
  const length = Buffer.byteLength(body)
  const headers = buildErrorHeaders(code, format, requestId === '' ? 'none' : requestId, length)
  let text = `HTTP/1.1 ${ERRORS[code].status} ${STATUS_CODES[ERRORS[code].status]}\r\nconnection: close\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  socket.end(`${text}\r\n${body}`)
  // Later bytes of the client must be read: else the close is a reset, which drops the response.
  discardInput(socket)
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}

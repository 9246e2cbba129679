import type { ErrorCode } from '../api/errors.js'

/** An error of Node's parser. */
export type ClientError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

/** The end of a request line of another version, such as HTTP/3.0. */
const OTHER_VERSION = / HTTP\/\d\.\d\r\n/

/** What the relay answers to it. */
export function clientErrorCode({ code, rawPacket, bytesParsed = 0 }: ClientError): ErrorCode {
  if (code === 'HPE_INVALID_VERSION') {
    const line = rawPacket?.toString('latin1', Math.max(0, bytesParsed - 10), bytesParsed + 4) ?? ''
    return OTHER_VERSION.test(line) ? 'version_unsupported' : 'invalid_request'
  }
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  return 'invalid_request'
}

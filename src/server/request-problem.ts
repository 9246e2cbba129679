import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '../api/errors.js'
import { findHeader } from '../http/flat-headers.js'
import { findHostFlaw } from '../http/host.js'

/** Why a request cannot be relayed, whoever has sent it. */
export interface HeadFlaw {
  readonly code: ErrorCode
  /** Replaces the usual message. */
  readonly detail: string | undefined
  /** Nothing that follows on the connection can be trusted. */
  readonly isLast: boolean
}

/** @param headerFields `limits.headerFields` */
export function findHeadFlaw(req: IncomingMessage, headerFields: number): HeadFlaw | null {
  // Node's parser takes HTTP/0.9 and HTTP/2.0 in a request line as if they were HTTP/1.1.
  if (req.httpVersionMajor !== 1) return { code: 'version_unsupported', detail: undefined, isLast: true }
  // Node drops those beyond the limit, the one of a body's length perhaps.
  if (req.rawHeaders.length > headerFields * 2)
    return { code: 'headers_too_large', detail: TOO_MANY_FIELDS, isLast: true }
  const detail = findHostFlaw(req.rawHeaders, req.httpVersionMinor)
  return detail === null ? null : { code: 'invalid_request', detail, isLast: false }
}

const TOO_MANY_FIELDS =
  'The request has more header fields than this relay accepts. Send less, or raise limits.headerFields.'

/** Why a request of an admitted client cannot be relayed; null if it can. */
export function findProblem({ method, rawHeaders }: IncomingMessage): string | null {
  // RFC 9110, 9.3.8: a client must not send credentials in it. The relay would add one.
  if (method === 'TRACE')
    return 'TRACE is not relayed: the response would contain the credentials that the relay adds.'
  const coding = findHeader(rawHeaders, 'transfer-encoding')
  // Node decodes only chunked, so the body would not be the one that the headers describe.
  const isSupported = coding === undefined || /^\s*chunked\s*$/i.test(coding)
  return isSupported ? null : 'The only supported transfer-encoding is chunked.'
}

import type { IncomingMessage } from 'node:http'
import { findHeader } from '../http/flat-headers.js'

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
